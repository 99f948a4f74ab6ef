//! Links, pipes and directories where objects belong.

use super::*;

/// Nothing can be done to what is at `at`.
async fn assert_all_refuse(store: &FsStore, at: &Key) {
    let other = key("other");
    store.put(&other, vec![1; 10]).await.unwrap();
    assert!(is_refused(&store.get(at).await), "it is not read");
    assert!(is_refused(&store.head(at).await), "it is not described");
    assert!(is_refused(&store.delete(at).await), "it is not removed");
    for length in [10, BIG] {
        let put = store.put(at, vec![2; length]).await;
        assert!(is_refused(&put), "it is not replaced: {put:?}");
        let big = pieces(2, length);
        let put = store.put(at, big).await;
        assert!(is_refused(&put), "it is not replaced: {put:?}");
    }
    let create = PutMode::CreateIfAbsent;
    let put = store.put_opts(at, vec![2; 10].into(), create.into()).await;
    assert!(is_refused(&put), "it is not replaced: {put:?}");
    let copied = store.copy_opts(&other, at, PutMode::Overwrite.into()).await;
    assert!(is_refused(&copied), "it is not replaced: {copied:?}");
    let copied = store
        .copy_opts(at, &key("copy"), PutMode::Overwrite.into())
        .await;
    assert!(is_refused(&copied), "it is not copied: {copied:?}");
    store.delete(&other).await.unwrap();
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert!(listed.is_empty(), "it is not listed");
    assert_nothing_staged(store.root()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_f17_a_directory_at_a_target_name_is_left_alone() {
    let (root, store) = new_store();
    fs::create_dir_all(root.path().join("a/b")).unwrap();
    assert_all_refuse(&store, &key("a/b")).await;
    let error = store.put(&key("a/b"), vec![1]).await.unwrap_err();
    assert!(error.to_string().contains("a directory"), "{error}");
    assert!(root.path().join("a/b").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_f17_a_link_at_a_target_name_is_left_alone() {
    let (root, store) = new_store();
    let outside = TempDir::new().unwrap();
    let canary = outside.path().join("canary");
    fs::write(&canary, "alive").unwrap();
    fs::create_dir(root.path().join("a")).unwrap();
    let targets = [canary.clone(), outside.path().to_owned(), "dangling".into()];
    for target in targets {
        let link = root.path().join("a/b");
        symlink(&target, &link).unwrap();
        assert_all_refuse(&store, &key("a/b")).await;
        assert_eq!(fs::read_link(&link).unwrap(), target);
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(fs::read_to_string(&canary).unwrap(), "alive");
    assert_eq!(tree(outside.path()), [canary]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_f17_a_pipe_or_socket_at_a_target_name_is_left_alone() {
    let (root, store) = new_store();
    let pipe = root.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let socket = std::os::unix::net::UnixListener::bind(root.path().join("socket")).unwrap();
    for name in ["pipe", "socket"] {
        let at = key(name);
        let all = assert_all_refuse(&store, &at);
        let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(ended.is_ok(), "nobody waits for the other end of a {name}");
        assert!(root.path().join(name).exists());
    }
    drop(socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_f17_an_object_is_no_directory() {
    let (_root, store) = new_store();
    store.put(&key("a"), vec![1]).await.unwrap();
    let put = store.put(&key("a/b"), vec![1]).await;
    assert!(is_refused(&put), "{put:?}");
    assert!(store.try_head(&key("a/b")).await.unwrap().is_none());
    store.delete(&key("a/b")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_h17_no_link_leads_out_or_about() {
    let (root, store) = new_store();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    fs::create_dir(root.path().join("inside")).unwrap();
    fs::write(root.path().join("inside/secret"), "secret").unwrap();
    symlink(outside.path(), root.path().join("out")).unwrap();
    symlink("inside", root.path().join("about")).unwrap();
    let before = tree(outside.path());
    for at in ["out/secret", "about/secret", "out/new", "out/new/deep"] {
        let at = key(at);
        assert!(is_refused(&store.get(&at).await), "nothing is read at {at}");
        assert!(
            is_refused(&store.head(&at).await),
            "nothing is seen at {at}"
        );
        assert!(is_refused(&store.delete(&at).await), "nothing goes at {at}");
        let put = store.put(&at, vec![1; 10]).await;
        assert!(is_refused(&put), "nothing is written at {at}: {put:?}");
    }
    let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 1, "links are not listed");
    let listed: Vec<_> = store.list(Some(&key("out"))).try_collect().await.unwrap();
    assert!(listed.is_empty(), "nor what is behind them");
    assert_eq!(tree(outside.path()), before, "nothing changes outside");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn hostile_h17_a_glance_sees_what_a_look_sees_and_follows_no_link() {
    use super::super::{platform::not_an_object, tree::describe};

    let (root, store) = new_store();
    let at = key("a/b/object");
    let put = store.put(&at, b"bytes".as_slice()).await.unwrap();
    symlink("object", root.path().join("a/b/link")).unwrap();
    symlink("b", root.path().join("a/way")).unwrap();
    // Whatever else happens on this machine may make it say nothing for once.
    let glance = |path: &str| (0..100).find_map(|_| store.inner.tree.glance_at(path));
    let meta = glance("a/b/object").expect("Linux can tell since 5.12");
    assert_eq!(describe(&at, &meta), put);
    assert!(not_an_object(&meta).is_none());
    for nothing in [
        "a/b/link",
        "a/way/object",
        "a/b/missing",
        "a/b/object/x",
        "../x",
    ] {
        assert!(glance(nothing).is_none(), "{nothing}");
    }
    let refused = store.head(&key("a/b")).await.unwrap_err();
    assert!(!matches!(refused, StoreError::NotFound { .. }), "{refused}");
}
