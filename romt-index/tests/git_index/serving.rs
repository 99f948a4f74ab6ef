//! Reading what is shown while others change it.

use std::time::{Duration, Instant};

use romt_core::{
    IndexBackend as _,
    ports::{HistoryIndex as _, Loaded, Tag},
};
use romt_index::{GitIndex, GitOptions};

use crate::support::{Place, line, loaded, publish_all};

fn another(place: &Place) -> GitIndex {
    GitIndex::open(place.index_path(), GitOptions::default()).unwrap()
}

/// Waits until `index` says `expected` of a crate, for a second and a bit.
async fn soon(index: &GitIndex, name: &str, expected: Option<String>) {
    let began = Instant::now();
    loop {
        let got = loaded(index, name).await;
        if got == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{got:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_others_publish_is_seen_soon() {
    let place = Place::new();
    let index = place.init();
    let server = another(&place);
    let serde = line("serde", "1.0.0");
    assert_eq!(loaded(&server, "serde").await, None);
    index.pull().await.unwrap();
    publish_all(&index).await;
    soon(&server, "serde", Some(serde.clone())).await;
    // Added, changed and gone; what stays, stays.
    place.upstream_file("log", &[line("log", "0.4.0")]);
    place.upstream_file("serde", &[serde.clone(), line("serde", "1.0.1")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    publish_all(&index).await;
    let both = serde.clone() + &line("serde", "1.0.1");
    soon(&server, "serde", Some(both.clone())).await;
    assert_eq!(loaded(&server, "log").await, Some(line("log", "0.4.0")));
    std::fs::remove_dir_all(place.upstream().join("se")).unwrap();
    place.upstream_commit("third");
    index.pull().await.unwrap();
    publish_all(&index).await;
    soon(&server, "serde", None).await;
    assert_eq!(loaded(&server, "log").await, Some(line("log", "0.4.0")));
    place.upstream_file("serde", std::slice::from_ref(&both));
    place.upstream_commit("fourth");
    index.pull().await.unwrap();
    publish_all(&index).await;
    // Who published it need not wait.
    assert_eq!(loaded(&index, "serde").await, Some(both.clone()));
    soon(&server, "serde", Some(both)).await;
}

#[tokio::test]
async fn j09_a_tag_is_right_as_long_as_the_bytes_are() {
    let place = Place::new();
    let index = place.init();
    index.pull().await.unwrap();
    publish_all(&index).await;
    let name = "serde".parse().unwrap();
    let Loaded::Fresh { tag, .. } = index.load(&name, None).await.unwrap() else {
        panic!("nothing was known");
    };
    assert_eq!(tag.as_str(), place.rev("master:se/rd/serde").unwrap());
    let other = Tag::new("0123456789012345678901234567890123456789").unwrap();
    for _ in 0..3 {
        let again = index.load(&name, Some(&tag)).await.unwrap();
        assert_eq!(again, Loaded::Unchanged);
        let fresh = index.load(&name, Some(&other)).await.unwrap();
        assert!(matches!(fresh, Loaded::Fresh { .. }));
        let upper = index.load(&"SERDE".parse().unwrap(), Some(&tag)).await;
        assert_eq!(upper.unwrap(), Loaded::Unchanged);
    }
    place.upstream_file("serde", &[line("serde", "1.0.0"), line("serde", "1.1.0")]);
    place.upstream_commit("second");
    index.pull().await.unwrap();
    publish_all(&index).await;
    let fresh = index.load(&name, Some(&tag)).await.unwrap();
    assert!(matches!(fresh, Loaded::Fresh { .. }));
}

#[tokio::test]
async fn packs_may_be_put_together_while_they_are_read() {
    let place = Place::new();
    let index = place.init();
    for number in 0..3 {
        place.upstream_file("log", &[line("log", &format!("0.{number}.0"))]);
        place.upstream_commit("more");
        index.pull().await.unwrap();
    }
    publish_all(&index).await;
    assert!(loaded(&index, "serde").await.is_some());
    place.git(&["repack", "-a", "-d", "-f", "-q"]);
    place.git(&["prune-packed"]);
    for name in ["log", "serde", "log"] {
        assert!(loaded(&index, name).await.is_some(), "{name}");
    }
}
