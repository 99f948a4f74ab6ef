//! What clients see, and when.

use std::time::UNIX_EPOCH;

use romt_core::{
    ErrorClass, IndexBackend as _,
    crates::Rows,
    ports::{Catalogued, HistoryIndex as _, IndexCatalog as _, Loaded, RefusedEntry},
};
use romt_store::conformance::catalog;

use crate::support::{Place, head, line, line_of, loaded, publish_all, publish_less, rows};

#[tokio::test]
async fn what_is_held_back_is_left_out_and_comes_later() {
    let place = Place::new();
    let lines = [
        line("serde", "1.0.0"),
        line("serde", "1.0.1"),
        line("serde", "1.0.2"),
    ];
    place.upstream_file("serde", &lines);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    let upstream = place.upstream_commit("second");
    let index = place.init();
    index.pull().await.unwrap();
    let end = head(&index).await;
    let held_back = rows(&[("serde", "1.0.1"), ("tokio", "1.0.0")]);
    let published = index.publish(&end, &held_back, &[]).await.unwrap();
    let shown = [lines[0].as_str(), &lines[2]].concat();
    assert_eq!(loaded(&index, "serde").await, Some(shown.clone()));
    assert_eq!(loaded(&index, "tokio").await, None);
    // The directory of a crate that is not there is not there either.
    let tree = place.git(&["ls-tree", "-r", "-t", "--name-only", "HEAD"]);
    assert!(!tree.contains("to"), "{tree}");
    assert_eq!((published.changed, published.crates), (1, 1));
    assert_eq!(place.rev("HEAD"), Some(published.position.clone()));
    assert_eq!(place.rev("mark").as_deref(), Some(&*upstream));
    assert_eq!(place.head(), "refs/heads/master");
    assert_eq!(
        index.shown().await.unwrap().unwrap().as_str(),
        published.position
    );

    // The same again changes nothing.
    let again = index.publish(&end, &held_back, &[]).await.unwrap();
    assert_eq!(again.position, published.position);
    assert_eq!(again.changed, 0);

    assert_eq!(publish_all(&index).await, upstream);
    assert_eq!(loaded(&index, "serde").await, Some(lines.concat()));
    assert_eq!(place.head(), "refs/heads/working");
    place.fsck();
}

#[tokio::test]
async fn two_mirrors_that_hold_back_the_same_show_the_same() {
    let mut shown = Vec::new();
    let place = Place::new();
    for name in ["one", "two"] {
        let path = place.root.path().join(name);
        let url = place.upstream().to_str().unwrap().to_owned();
        let index = romt_index::GitIndex::init(path, &url, romt_index::GitOptions::default());
        let index = index.unwrap();
        index.pull().await.unwrap();
        shown.push(publish_less(&index, &[("serde", "1.0.0")]).await);
    }
    assert_eq!(shown[0], shown[1]);
}

#[tokio::test]
async fn of_a_version_that_is_held_back_the_old_line_stays() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let old = line("serde", "1.0.0");
    let lines = [
        line("serde", "0.9.0"),
        line_of("serde", "1.0.0", "other"),
        line("serde", "1.0.1"),
    ];
    place.upstream_file("serde", &lines);
    place.upstream_commit("another digest");
    index.pull().await.unwrap();
    publish_less(&index, &[("serde", "1.0.0")]).await;
    let shown = [lines[0].as_str(), &old, &lines[2]].concat();
    assert_eq!(loaded(&index, "serde").await, Some(shown));
    // It is on top of what was shown.
    assert_eq!(place.git(&["rev-list", "--count", "master"]), "2");
    place.fsck();
}

#[tokio::test]
async fn hostile_i08_refused_lines_are_not_shown() {
    let place = Place::new();
    let good = [line("serde", "1.0.0"), line("serde", "1.0.1")];
    let bad = "{\"name\":\"serde\"}\n".to_owned();
    place.upstream_file("serde", &[good[0].clone(), bad.clone(), good[1].clone()]);
    place.upstream_file("junk", &["<html>\n".to_owned()]);
    place.upstream_commit("bad");
    let index = place.init();
    index.pull().await.unwrap();
    let end = head(&index).await;
    let all = romt_core::crates::VersionFilter::all();
    let difference = index.difference(None, &end, &all).await.unwrap();
    assert_eq!(difference.added.len(), 2);
    let none = Rows::default();
    index
        .publish(&end, &none, &difference.refused)
        .await
        .unwrap();
    assert_eq!(loaded(&index, "serde").await, Some(good.concat()));
    assert_eq!(loaded(&index, "junk").await, None);

    // Nobody speaks of them again, and they are refused still.
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("good");
    index.pull().await.unwrap();
    publish_all(&index).await;
    assert_eq!(loaded(&index, "serde").await, Some(good.concat()));
    assert_eq!(loaded(&index, "junk").await, None);
    assert!(loaded(&index, "tokio").await.is_some());
    place.fsck();
}

#[tokio::test]
async fn of_a_file_that_is_refused_the_old_one_stays() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    place.upstream_file("serde", &["<html>\n".to_owned()]);
    place.upstream_commit("bad");
    index.pull().await.unwrap();
    let end = head(&index).await;
    let refused = [RefusedEntry {
        path: "se/rd/serde".to_owned(),
        line: None,
        reason: "it is a page".to_owned(),
    }];
    let published = index
        .publish(&end, &Rows::default(), &refused)
        .await
        .unwrap();
    assert_eq!(published.changed, 0);
    assert_eq!(loaded(&index, "serde").await, Some(line("serde", "1.0.0")));
}

#[tokio::test]
async fn withdrawn_versions_are_shown_no_more() {
    let place = Place::new();
    let lines = [line("serde", "1.0.0"), line("serde", "1.0.1")];
    place.upstream_file("serde", &lines);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    let index = place.init();
    // Nothing is shown yet.
    index.withdraw(&rows(&[("serde", "1.0.0")])).await.unwrap();
    assert_eq!(index.shown().await.unwrap(), None);
    index.pull().await.unwrap();
    let before = publish_all(&index).await;
    index
        .withdraw(&rows(&[
            ("serde", "9.0.0"),
            ("rand", "1.0.0"),
            ("SERDE", "1.0.0"),
        ]))
        .await
        .unwrap();
    assert_eq!(index.shown().await.unwrap().unwrap().as_str(), before);

    let gone = rows(&[("serde", "1.0.0"), ("tokio", "1.0.0")]);
    index.withdraw(&gone).await.unwrap();
    assert_eq!(loaded(&index, "serde").await, Some(lines[1].clone()));
    assert_eq!(loaded(&index, "tokio").await, None);
    assert_eq!(place.git(&["log", "-1", "--format=%P", "master"]), before);
    assert_eq!(place.rev("HEAD"), place.rev("master"));
    assert_eq!(place.rev("mark").as_deref(), Some(&*before));
    let shown = place.rev("master");
    index.withdraw(&gone).await.unwrap();
    assert_eq!(place.rev("master"), shown);
    place.fsck();

    assert_eq!(publish_all(&index).await, before);
    assert_eq!(place.head(), "refs/heads/working");
}

#[tokio::test]
async fn what_is_held_back_after_it_was_withdrawn_is_not_shown() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    index.withdraw(&rows(&[("serde", "1.0.0")])).await.unwrap();
    publish_less(&index, &[("serde", "1.0.0")]).await;
    assert_eq!(loaded(&index, "serde").await, None);
}

#[tokio::test]
async fn an_end_that_is_not_the_newest_can_be_shown() {
    let place = Place::new();
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    let index = place.init();
    index.pull().await.unwrap();
    let end = index.resolve("HEAD~1").await.unwrap().unwrap();
    let published = index.publish(&end, &Rows::default(), &[]).await.unwrap();
    assert_eq!(published.position, end.as_str());
    assert_eq!(place.rev("HEAD").as_deref(), Some(end.as_str()));
    assert_eq!(place.head(), "refs/heads/master");
    assert_eq!(loaded(&index, "tokio").await, None);
}

#[tokio::test]
async fn readers_follow_what_is_shown() {
    let place = Place::new();
    let index = place.init();
    let error = index.config().await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Usage);
    index.pull().await.unwrap();
    publish_all(&index).await;
    let reader = index.clone();
    let name = "Serde".parse().unwrap();
    let Loaded::Fresh { body, tag } = reader.load(&name, None).await.unwrap() else {
        panic!("it is not there");
    };
    assert_eq!(body, line("serde", "1.0.0"));
    let blob = place.rev("master:se/rd/serde").unwrap();
    assert_eq!(tag.as_str(), blob);
    let again = reader.load(&name, Some(&tag)).await.unwrap();
    assert_eq!(again, Loaded::Unchanged);
    let config = reader.config().await.unwrap();
    let config = config.download.to_string();
    assert!(
        config.starts_with("https://upstream.invalid/crates/"),
        "{config}"
    );

    place.upstream_file("serde", &[line("serde", "2.0.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    let again = reader.load(&name, Some(&tag)).await.unwrap();
    assert_eq!(again, Loaded::Unchanged);
    publish_all(&index).await;
    assert_eq!(loaded(&reader, "serde").await, Some(line("serde", "2.0.0")));
    // Objects move when git tidies up.
    place.git(&["repack", "-a", "-d", "-q"]);
    assert_eq!(loaded(&reader, "serde").await, Some(line("serde", "2.0.0")));
}

#[tokio::test]
async fn a_state_can_be_asked_about() {
    let place = Place::new();
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("second");
    let index = place.init();
    index.pull().await.unwrap();
    let end = head(&index).await;
    assert_eq!(index.count(&end).await.unwrap(), 2);
    let tokio = "tokio".parse().unwrap();
    let file = index.file_at(&end, &tokio).await.unwrap();
    assert_eq!(file.unwrap(), line("tokio", "1.0.0"));
    let start = index.resolve("HEAD~1").await.unwrap().unwrap();
    assert_eq!(index.file_at(&start, &tokio).await.unwrap(), None);
    let all = romt_core::crates::VersionFilter::all();
    let difference = index.difference(Some(&start), &end, &all).await.unwrap();
    assert_eq!(difference.added.len(), 1);
    let unknown = romt_core::ports::Position::new("no commit");
    let error = index.count(&unknown).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
}

/// The crates are counted once, and then what changes is.
#[tokio::test]
async fn crates_are_counted_right_whatever_is_noted_of_them() {
    let place = Place::new();
    let index = place.init();
    let publish = async || {
        let working = index.pull().await.unwrap().working;
        let published = index.publish(&working, &Rows::default(), &[]).await;
        let published = published.unwrap();
        (published.crates, published.changed)
    };
    place.upstream_file("serde", &[line("serde", "1.0.0")]);
    place.upstream_file("tokio", &[line("tokio", "1.0.0")]);
    place.upstream_commit("two");
    let counted = publish().await;
    assert_eq!(counted, (2, 2));
    assert_eq!(publish().await, (2, 0));
    let note = place.index_path().join(".git/romt-counted");
    let first = std::fs::read(&note).unwrap();

    place.upstream_file("rand", &[line("rand", "1.0.0")]);
    place.upstream_file("serde", &[line("serde", "1.0.0"), line("serde", "1.0.1")]);
    place.upstream_commit("three");
    assert_eq!(publish().await, (3, 2));
    let gone = "tokio"
        .parse::<romt_core::CrateName>()
        .unwrap()
        .index_path();
    std::fs::remove_file(place.upstream().join(gone)).unwrap();
    place.upstream_commit("two again");
    assert_eq!(publish().await, (2, 1));

    // One that is of another state, has no sense, or is not there.
    for (number, wrong) in [Some(&first[..]), Some(b"x 7\n"), Some(b""), None]
        .into_iter()
        .enumerate()
    {
        match wrong {
            Some(wrong) => std::fs::write(&note, wrong).unwrap(),
            None => std::fs::remove_file(&note).unwrap(),
        }
        assert_eq!(publish().await, (2 + number as u64, 0));
        let name = ["aaaa", "bbbb", "cccc", "dddd"][number];
        place.upstream_file(name, &[line(name, "1.0.0")]);
        place.upstream_commit(name);
        assert_eq!(publish().await, (3 + number as u64, 1));
    }
    // It is believed, or it would be of no use.
    let text = std::fs::read_to_string(&note).unwrap();
    std::fs::write(&note, text.replace(" 6", " 60")).unwrap();
    assert_eq!(publish().await, (60, 0));
}

#[tokio::test]
async fn what_is_shown_is_a_catalog() {
    let place = Place::new();
    let lines = [line("serde", "1.0.0"), line("serde", "1.0.1")];
    place.upstream_file("serde", &lines);
    place.upstream_file("Zed-x", &[line("Zed-x", "1.0.0")]);
    place.upstream_commit("second");
    let index = place.init();
    index.pull().await.unwrap();
    catalog::unpublished(&index).await;
    publish_less(&index, &[("serde", "1.0.1")]).await;
    let before = catalog::published(&index, &["serde", "zed-x"], 2).await;
    place.upstream_file("aux", &[line("aux", "1.0.0")]);
    let upstream = place.upstream_commit("third");
    index.pull().await.unwrap();
    publish_all(&index).await;
    let after = catalog::published(&index, &["aux", "serde", "zed-x"], 4).await;
    assert_ne!(before, after);
    assert_eq!(after.as_str(), upstream);

    let catalogued = index.catalog(None).await.unwrap();
    let Catalogued::Fresh(catalog) = catalogued else {
        panic!("nothing was known");
    };
    let made = catalog.made.unwrap().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(made.as_secs(), 1_704_067_200, "as upstream's commit says");
    assert_eq!(catalog.origin, None, "a path of this machine is no news");
}
