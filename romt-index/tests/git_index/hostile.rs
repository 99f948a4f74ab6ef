//! Repositories that carry what would have git do something.

use std::fs;

use romt_core::{ErrorClass, ports::HistoryIndex as _};
use romt_index::{GitIndex, GitOptions};

use crate::support::{Place, git, line, publish_all};

#[tokio::test]
async fn hostile_b15_nothing_that_a_repository_carries_is_run() {
    let place = Place::new();
    let index = place.init();
    let ran = place.root.path().join("ran");
    let command = format!("touch {}", ran.display());
    let upstream = place.upstream();
    let instead = format!("url.{}.insteadOf", place.root.path().join("x").display());
    for (key, value) in [
        ("core.fsmonitor", command.as_str()),
        ("core.sshCommand", &command),
        ("core.askPass", &command),
        ("credential.helper", &format!("!{command}")),
        ("uploadpack.packObjectsHook", &command),
        ("filter.x.clean", &command),
        ("filter.x.smudge", &command),
        ("core.worktree", place.root.path().to_str().unwrap()),
        (&instead, upstream.to_str().unwrap()),
        ("gpg.program", &command),
        ("commit.gpgSign", "true"),
    ] {
        git(
            place.root.path(),
            &["config", "-f", &config_of(&place), key, value],
        );
    }
    let hooks = place.index_path().join(".git/hooks");
    fs::create_dir(&hooks).unwrap();
    for name in [
        "post-merge",
        "reference-transaction",
        "post-checkout",
        "pre-commit",
    ] {
        let hook = hooks.join(name);
        fs::write(&hook, format!("#!/bin/sh\n{command}\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    index.recover().await.unwrap();
    index.pull().await.unwrap();
    index.set_config(b"{}").await.unwrap();
    publish_all(&index).await;
    assert!(!ran.exists());
    let names: Vec<_> = fs::read_dir(place.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

fn config_of(place: &Place) -> String {
    let path = place.index_path().join(".git/config");
    path.to_str().unwrap().to_owned()
}

#[test]
fn hostile_b15_the_objects_of_others_are_refused() {
    let place = Place::new();
    place.init();
    let objects = place.upstream().join(".git/objects");
    let alternates = place.index_path().join(".git/objects/info/alternates");
    fs::write(&alternates, format!("{}\n", objects.display())).unwrap();
    let error = GitIndex::open(place.index_path(), GitOptions::default()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    assert!(error.to_string().contains("alternates"), "{error}");
}

#[test]
fn hostile_b15_a_repository_elsewhere_is_refused() {
    let place = Place::new();
    let path = place.index_path();
    fs::create_dir_all(&path).unwrap();
    let elsewhere = place.upstream().join(".git");
    fs::write(
        path.join(".git"),
        format!("gitdir: {}\n", elsewhere.display()),
    )
    .unwrap();
    let error = GitIndex::open(&path, GitOptions::default()).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
}

#[tokio::test]
async fn hostile_b15_no_object_is_replaced() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let blob = place.rev("master:se/rd/serde").unwrap();
    let forged = place.root.path().join("forged");
    fs::write(&forged, line("serde", "6.6.6")).unwrap();
    let other = place.git(&["hash-object", "-w", forged.to_str().unwrap()]);
    place.git(&["replace", &blob, &other]);
    let index = GitIndex::open(place.index_path(), GitOptions::default()).unwrap();
    let shown = crate::support::loaded(&index, "serde").await;
    assert_eq!(shown, Some(line("serde", "1.0.0")));
}

#[tokio::test]
async fn leftovers_of_a_process_that_died_are_removed() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let git_dir = place.index_path().join(".git");
    let leftovers = [
        "objects/pack/.tmpAbCdEf",
        "objects/pack/.tmp-romt-1-1",
        "../.tmp-romt-1-2",
        "objects/.romt-1-1.tmp",
        ".romt-1-2.tmp",
        "refs/heads/working.lock",
        "refs/heads/master.lock",
        "HEAD.lock",
    ];
    for name in leftovers {
        fs::write(git_dir.join(name), "half").unwrap();
    }
    // These are known to be ours.
    let note = "refs/heads/working\nrefs/heads/master\nHEAD\n../../x";
    fs::write(git_dir.join("romt-locks"), note).unwrap();
    // Of this one nobody knows whose it is.
    fs::write(git_dir.join("refs/heads/mark.lock"), "").unwrap();
    index.recover().await.unwrap();
    for name in leftovers {
        assert!(!git_dir.join(name).exists(), "{name}");
    }
    assert!(git_dir.join("refs/heads/mark.lock").exists());
    fs::remove_file(git_dir.join("refs/heads/mark.lock")).unwrap();
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    publish_all(&index).await;
    assert!(!git_dir.join("romt-locks").exists());
}

#[tokio::test]
async fn a_torn_object_is_a_failure_of_the_disk() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    index.set_config(b"{}").await.unwrap();
    let objects = place.index_path().join(".git/objects");
    let blob = place.rev("working:config.json").unwrap();
    let path = objects.join(&blob[..2]).join(&blob[2..]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    let error = index.set_config(b"{}").await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Storage);
}
