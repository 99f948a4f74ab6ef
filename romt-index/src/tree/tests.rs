//! The tree against a model, under damage, and between two writers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use romt_core::{
    Key, Sha256Digest, Store, StoreExt as _,
    ports::{ObjectMeta, StoreError},
};
use romt_store::MemoryStore;

use super::{Snapshot, Snapshots, TreeError, TreePlace, TreeWriter};

/// Names to bodies and tags.
type Model = BTreeMap<String, (Bytes, String)>;

fn store() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// Trees that look anew each time.
fn trees(store: &Arc<dyn Store>) -> Snapshots {
    let place = TreePlace::new(store.clone(), "t".parse().unwrap());
    Snapshots::new(place, Duration::ZERO)
}

fn body(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

/// Commits puts, as `name body tag`; an empty body removes.
async fn commit(trees: &Snapshots, changes: &[(&str, &str, &str)]) -> Arc<Snapshot> {
    let mut writer = TreeWriter::begin(trees).await.unwrap();
    for (name, text, tag) in changes {
        if text.is_empty() {
            writer.remove(name);
        } else {
            writer.put(name, body(text), tag).await.unwrap();
        }
    }
    writer.commit().await.unwrap().snapshot
}

/// Everything that a snapshot says.
async fn contents(snapshot: &Snapshot) -> Result<Model, TreeError> {
    let mut model = Model::new();
    for record in snapshot.all().await? {
        assert_eq!(
            snapshot.find(&record.name).await?.as_deref(),
            Some(&record),
            "each record is in the shard in which it is looked for"
        );
        let body = snapshot.body(&record).await?;
        model.insert(record.name.into(), (body, record.tag.into()));
    }
    assert_eq!(snapshot.crates(), model.len() as u64);
    Ok(model)
}

async fn objects(store: &Arc<dyn Store>, prefix: &str) -> Vec<ObjectMeta> {
    let prefix: Key = prefix.parse().unwrap();
    store.list(Some(&prefix)).try_collect().await.unwrap()
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

#[tokio::test]
async fn it_spreads_as_it_grows_and_draws_together_as_it_shrinks() {
    let store = store();
    let trees = trees(&store);
    let names: Vec<String> = (0..600).map(|n| format!("crate-{n}")).collect();
    let mut model = Model::new();
    for (part, depth) in [(&names[..512], 0), (&names[512..], 1)] {
        let mut writer = TreeWriter::begin(&trees).await.unwrap();
        for name in part {
            writer.put(name, body(name), "t").await.unwrap();
            model.insert(name.clone(), (body(name), "t".into()));
        }
        let committed = writer.commit().await.unwrap();
        assert_eq!(committed.changed.len(), part.len());
        assert_eq!(committed.snapshot.root.depth, depth);
        assert_eq!(contents(&committed.snapshot).await.unwrap(), model);
    }
    let mut writer = TreeWriter::begin(&trees).await.unwrap();
    for name in &names[100..] {
        writer.remove(name);
        model.remove(name);
    }
    let shrunk = writer.commit().await.unwrap().snapshot;
    assert_eq!(shrunk.root.depth, 0);
    assert_eq!(contents(&shrunk).await.unwrap(), model);
    let reader = self::trees(&store).get().await.unwrap();
    assert_eq!(contents(&reader).await.unwrap(), model);
}

#[tokio::test]
async fn many_commits_agree_with_a_naive_model() {
    let store = store();
    let trees = trees(&store);
    let mut model = Model::new();
    let mut random = Random(20_260_801);
    for round in 0..250 {
        let before = model.clone();
        let mut writer = TreeWriter::begin(&trees).await.unwrap();
        // Some rounds are large, so that the depth changes back and forth.
        let changes = if round % 25 == 0 {
            400
        } else {
            random.below(12)
        };
        let removing = (round / 25) % 2 == 1;
        for _ in 0..changes {
            let name = format!("c{}", random.below(1200));
            match random.below(6) {
                0 | 1 if removing || changes < 50 => {
                    writer.remove(&name);
                    model.remove(&name);
                }
                2 => {
                    // Only the tag changes.
                    if let Some((body, tag)) = model.get_mut(&name) {
                        *tag = format!("tag {round}");
                        writer.put(&name, body.clone(), tag).await.unwrap();
                    }
                }
                3 => {
                    writer.put(&name, Bytes::new(), "empty").await.unwrap();
                    model.insert(name, (Bytes::new(), "empty".into()));
                }
                _ => {
                    let text = format!("{name} {round}\n").repeat(1 + random.below(40));
                    let tag = format!("\"{}\"", random.below(3));
                    writer.put(&name, body(&text), &tag).await.unwrap();
                    model.insert(name, (body(&text), tag));
                }
            }
        }
        let committed = writer.commit().await.unwrap();
        let differs = |name: &&String| {
            before.get(*name).map(|(body, _)| body) != model.get(*name).map(|(body, _)| body)
        };
        let names: BTreeSet<&String> = before.keys().chain(model.keys()).collect();
        let expected: Vec<&String> = names.into_iter().filter(differs).collect();
        let mut told: Vec<String> = committed.changed.iter().map(ToString::to_string).collect();
        told.sort();
        assert_eq!(told.iter().collect::<Vec<_>>(), expected, "round {round}");
        let fresh = self::trees(&store).get().await.unwrap();
        assert_eq!(contents(&fresh).await.unwrap(), model, "round {round}");
    }
}

#[tokio::test]
async fn what_is_said_last_of_a_crate_counts() {
    let store = store();
    let trees = trees(&store);
    commit(&trees, &[("a", "first", ""), ("b", "first", "")]).await;
    let changes = [
        ("a", "second", ""),
        ("a", "first", "note"),
        ("b", "second", ""),
        ("b", "", ""),
        ("c", "second", ""),
        ("c", "third", ""),
    ];
    let contents = contents(&*commit(&trees, &changes).await).await.unwrap();
    let expected = [("a", "first", "note"), ("c", "third", "")];
    let expected = expected.map(|(name, text, tag)| (name.into(), (body(text), tag.into())));
    assert_eq!(contents, Model::from(expected));
}

#[tokio::test]
async fn nothing_is_written_if_nothing_changes() {
    let store = store();
    let trees = trees(&store);
    let before = commit(&trees, &[("a", "x", "t")]).await;
    let after = commit(&trees, &[("a", "x", "t"), ("b", "", "")]).await;
    assert_eq!(before.version, after.version);
    let tagged = commit(&trees, &[("a", "x", "u")]).await;
    assert_ne!(tagged.version, after.version);
    assert_eq!(
        tagged.position(),
        after.position(),
        "a note is not part of what is shown"
    );
}

#[tokio::test]
async fn equal_contents_have_equal_positions_however_they_came_about() {
    let names: Vec<String> = (0..700).map(|n| format!("n{n}")).collect();
    let one = store();
    let mut writer_trees = trees(&one);
    let mut writer = TreeWriter::begin(&writer_trees).await.unwrap();
    for name in &names {
        writer.put(name, body(name), "").await.unwrap();
    }
    let first = writer.commit().await.unwrap().snapshot.position();

    let other = store();
    writer_trees = trees(&other);
    commit(&writer_trees, &[("gone", "x", ""), ("n5", "old", "")]).await;
    for part in names.chunks(100).rev() {
        let part: Vec<_> = part.iter().rev().map(|n| (&**n, &**n, "tag")).collect();
        commit(&writer_trees, &part).await;
    }
    let with_more = commit(&writer_trees, &[]).await.position();
    let same = commit(&writer_trees, &[("gone", "", "")]).await.position();
    assert_ne!(with_more, first);
    assert_eq!(same, first);
}

#[tokio::test]
async fn garbage_is_rewritten_before_it_grows() {
    let store = store();
    let trees = trees(&store);
    let large = |seed: usize| format!("{seed:08}").repeat(32 * 1024);
    let mut model = Model::new();
    let kept: Vec<String> = (0..40).map(|n| format!("kept-{n}")).collect();
    let puts: Vec<_> = kept.iter().map(|name| (&**name, &**name, "t")).collect();
    commit(&trees, &puts).await;
    model.extend(kept.iter().map(|n| (n.clone(), (body(n), "t".into()))));
    let mut most = 0;
    for round in 0..60 {
        let mut writer = TreeWriter::begin(&trees).await.unwrap();
        for n in 0..4 {
            let (name, text) = (format!("large-{n}"), large(round * 4 + n));
            writer.put(&name, body(&text), "").await.unwrap();
            model.insert(name, (body(&text), String::new()));
        }
        let snapshot = writer.commit().await.unwrap().snapshot;
        assert_eq!(contents(&snapshot).await.unwrap(), model, "round {round}");
        let segments = objects(&store, "t/segments").await;
        most = most.max(segments.iter().map(|object| object.size).sum::<u64>());
    }
    let live: u64 = model.values().map(|(body, _)| body.len() as u64).sum();
    // This state and the one before it, each with as much garbage as is allowed.
    let bound = 2 * (2 * live + 5 * 1024 * 1024);
    assert!(most < bound, "{most} bytes of segments for {live}");
    assert!(objects(&store, "t/shards").await.len() <= 2);
}

#[tokio::test]
async fn a_reader_of_the_state_before_reads_it_whole() {
    let store = store();
    let writer = trees(&store);
    commit(&writer, &[("a", "one", ""), ("b", "one", "")]).await;
    let reader = trees(&store).get().await.unwrap();
    commit(
        &writer,
        &[("a", "two", ""), ("b", "", ""), ("c", "two", "")],
    )
    .await;
    let old = contents(&reader).await.unwrap();
    assert_eq!(old["a"].0, "one");
    assert_eq!(old["b"].0, "one");
    assert_eq!(old.len(), 2);
}

#[tokio::test]
async fn of_two_writers_on_one_state_the_second_fails() {
    let store = store();
    let (one, other) = (trees(&store), trees(&store));
    for begun in [false, true] {
        if begun {
            commit(&one, &[("base", "x", "")]).await;
        }
        let mut first = TreeWriter::begin(&one).await.unwrap();
        let mut second = TreeWriter::begin(&other).await.unwrap();
        let name = format!("first-{begun}");
        first.put(&name, body("1"), "").await.unwrap();
        second.put("second", body("2"), "").await.unwrap();
        first.commit().await.unwrap();
        let error = second.commit().await.unwrap_err();
        let TreeError::Store(error) = error else {
            panic!("{error}");
        };
        let expected = if begun {
            matches!(error, StoreError::Precondition { .. })
        } else {
            matches!(error, StoreError::AlreadyExists { .. })
        };
        assert!(expected, "{error}");
        let state = contents(&trees(&store).get().await.unwrap()).await.unwrap();
        assert!(state.contains_key(&name) && !state.contains_key("second"));
    }
}

/// Reads everything and writes something.
async fn exercise(store: &Arc<dyn Store>) -> Result<Model, TreeError> {
    let trees = trees(store);
    let snapshot = trees.get().await?;
    let model = contents(&snapshot).await?;
    let mut writer = TreeWriter::begin(&trees).await?;
    writer.put("new", body("new"), "").await?;
    writer.remove("a");
    writer.remove("b");
    writer.commit().await?;
    Ok(model)
}

#[tokio::test]
async fn hostile_f18_damage_is_told_of_by_key_and_never_a_panic() {
    let whole = store();
    commit(
        &trees(&whole),
        &[("a", "body of a", "t"), ("b", "body of b", "")],
    )
    .await;
    let mut told = 0;
    for object in objects(&whole, "t").await {
        let (_, good) = whole.try_read(&object.key, 1 << 20).await.unwrap().unwrap();
        let cuts = (0..good.len()).map(|length| good[..length].to_vec());
        let flips = (0..good.len()).map(|at| {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << (at % 7);
            bytes
        });
        for bad in cuts.chain(flips) {
            let store = store();
            for other in objects(&whole, "t").await {
                let (_, bytes) = whole.try_read(&other.key, 1 << 20).await.unwrap().unwrap();
                store.put(&other.key, bytes).await.unwrap();
            }
            store.put(&object.key, bad.clone()).await.unwrap();
            match exercise(&store).await {
                Ok(model) => panic!("{} was damaged: {model:?}", object.key),
                Err(TreeError::Damaged { key, reason }) => {
                    assert!(!reason.is_empty());
                    assert_eq!(key, object.key);
                    told += 1;
                }
                Err(error) => panic!("{}: {error}", object.key),
            }
        }
    }
    assert!(told > 500, "{told}");
}

#[tokio::test]
async fn a_large_body_is_read_where_its_segment_is_not_kept_in_memory() {
    let store = store();
    let trees = trees(&store);
    let mut writer = TreeWriter::begin(&trees).await.unwrap();
    let large: Vec<(String, Bytes)> = (0..40)
        .map(|n| {
            (
                format!("l{n}"),
                body(&format!("{n:07}\n").repeat(64 * 1024)),
            )
        })
        .collect();
    for (name, body) in &large {
        writer.put(name, body.clone(), "").await.unwrap();
    }
    writer.commit().await.unwrap();
    let reader = self::trees(&store).get().await.unwrap();
    for (name, body) in &large {
        let record = reader.find(name).await.unwrap().unwrap();
        assert_eq!(reader.body(&record).await.unwrap(), body);
        assert_eq!(record.digest, Sha256Digest::of(body));
    }
}
