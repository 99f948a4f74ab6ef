//! A registry in memory, scripted by tests.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod yielding;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use romt_core::{
    CrateName, IndexBackend as _, Key, Location, Mirror, MirrorLayout, Sha256Digest, Source, Store,
    StoreExt as _, Upstream, Version,
    crates::IndexFile,
    ports::{
        Fetched, IndexError, Loaded, ObjectMeta, OpenOptions, Opened, SourceError, SourceErrorKind,
        StreamError, Validator, once,
    },
    sync::RetryPolicy,
};
use romt_index::{SnapshotIndex, SparseIndex};
use std::time::Duration;

/// A registry: index files and crates, with faults on request.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    files: Mutex<HashMap<String, Vec<u8>>>,
    faults: Mutex<HashMap<String, Vec<Fault>>>,
    pub(crate) asked: AtomicU64,
    pub(crate) unconditional: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Transient,
    BreakAfter(usize),
    WrongBytes,
    Gone,
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the test registry")
    }
}

pub(crate) fn crate_bytes(name: &str, version: &str) -> Vec<u8> {
    format!("bytes of {name} {version}").repeat(50).into_bytes()
}

pub(crate) fn line(name: &str, version: &str, yanked: bool, deps: &str) -> String {
    let sum = Sha256Digest::of(crate_bytes(name, version));
    format!(
        r#"{{"name":"{name}","vers":"{version}","deps":[{deps}],"cksum":"{sum}","yanked":{yanked}}}"#
    )
}

impl Registry {
    pub(crate) fn new() -> Arc<Self> {
        let registry = Self::default();
        registry.set("config.json", br#"{"dl":"dl/{crate}/{version}"}"#.to_vec());
        Arc::new(registry)
    }

    pub(crate) fn set(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().unwrap().insert(path.into(), bytes.into());
    }

    pub(crate) fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    pub(crate) fn fault(&self, path: &str, faults: &[Fault]) {
        self.faults
            .lock()
            .unwrap()
            .insert(path.into(), faults.to_vec());
    }

    /// Publishes versions of a crate, in this order, `!` before yanked ones.
    pub(crate) fn publish(&self, name: &str, versions: &[&str]) {
        let mut body = String::new();
        for version in versions {
            let (yanked, version) = match version.strip_prefix('!') {
                Some(version) => (true, version),
                None => (false, *version),
            };
            body.push_str(&line(name, version, yanked, ""));
            body.push('\n');
            self.set(&format!("dl/{name}/{version}"), crate_bytes(name, version));
        }
        let name: CrateName = name.parse().unwrap();
        self.set(&name.index_path(), body);
    }

    pub(crate) fn index_file(&self, name: &str) -> String {
        let name: CrateName = name.parse().unwrap();
        let files = self.files.lock().unwrap();
        String::from_utf8(files[&name.index_path()].clone()).unwrap()
    }

    fn next_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let queue = faults.get_mut(path)?;
        (!queue.is_empty()).then(|| queue.remove(0))
    }

    pub(crate) fn upstream(self: &Arc<Self>, store: &Arc<dyn Store>) -> Upstream {
        let index = SparseIndex::new(self.clone())
            .with_retry(quick())
            .with_cache(store.clone());
        Upstream::new(Arc::new(index), self.clone())
    }
}

/// The usual policy, without the waits.
pub(crate) fn quick() -> RetryPolicy {
    RetryPolicy::default().with_first_wait(Duration::from_millis(1))
}

#[async_trait]
impl Source for Registry {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        let path = location.to_string();
        let failed = |kind, reason: &str| Err(SourceError::new(kind, location, reason));
        self.asked.fetch_add(1, Ordering::SeqCst);
        if options.if_changed.is_none() {
            self.unconditional.fetch_add(1, Ordering::SeqCst);
        }
        let fault = self.next_fault(&path);
        let bytes = self.files.lock().unwrap().get(&path).cloned();
        let Some(mut bytes) = bytes.filter(|_| fault != Some(Fault::Gone)) else {
            return failed(SourceErrorKind::NotFound, "the server answered 404");
        };
        if fault == Some(Fault::Transient) {
            return failed(SourceErrorKind::Transient, "the server answered 500");
        }
        let validator = Validator::new(&Sha256Digest::of(&bytes).to_string());
        if options.if_changed.is_some() && options.if_changed == validator {
            return Ok(Opened::Unchanged);
        }
        let size = bytes.len() as u64;
        let offset = match options.resume {
            Some(resume) if Some(&resume.validator) == validator.as_ref() => resume.offset,
            _ => 0,
        };
        if fault == Some(Fault::WrongBytes) {
            bytes.reverse();
        }
        let rest = bytes.split_off(usize::try_from(offset).unwrap());
        self.sent_bytes
            .fetch_add(rest.len() as u64, Ordering::SeqCst);
        let body = match fault {
            Some(Fault::BreakAfter(length)) => {
                let error = SourceError::new(SourceErrorKind::Transient, location, "it broke off");
                let pieces: [Result<_, StreamError>; 2] =
                    [Ok(rest[..length].to_vec().into()), Err(error.into())];
                futures::stream::iter(pieces).boxed()
            }
            _ => once(rest),
        };
        Ok(Opened::Body(Fetched {
            body,
            offset,
            size: Some(size),
            validator,
        }))
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        let files = self.files.lock().unwrap();
        Ok(files
            .get(&location.to_string())
            .map(|bytes| bytes.len() as u64))
    }
}

/// A mirror in `store`.
pub(crate) fn mirror(store: &Arc<dyn Store>) -> Mirror {
    Mirror::new(store.clone(), Arc::new(SnapshotIndex::new(store.clone())))
}

/// A lock file that pins these, as `name version`.
pub(crate) fn lock(pins: &[&str]) -> romt_core::Selection {
    let packages = pins.iter().map(|pin| {
        let (name, version) = pin.split_once(' ').unwrap();
        let sum = Sha256Digest::of(crate_bytes(name, version));
        let registry = romt_core::defaults::LOCKED_CRATES_IO;
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{registry}\"\nchecksum = \"{sum}\"\n"
        )
    });
    let text: String = std::iter::once("version = 4\n".to_owned())
        .chain(packages)
        .collect();
    romt_core::Lockfile::parse(&text, None).unwrap().into()
}

/// What the mirror shows, as `name version` in order. Each crate that it shows
/// must be there and right, and the plain files must show the same.
pub(crate) async fn shown(store: &Arc<dyn Store>, names: &[&str]) -> Vec<String> {
    let mut shown = Vec::new();
    for (name, body) in view(store, names).await {
        let plain = plain(store, &name).await;
        assert_eq!(plain, body, "the plain file of {name}");
        let body = body.unwrap_or_default();
        shown.extend(whole(store, &name, &body).await);
    }
    shown
}

/// What the mirror shows after a writer may have died: the index file of each
/// crate, as a process that starts now reads it.
///
/// Each crate version that it or a plain file shows must be there and right. The
/// plain files may be of another state than the rest.
pub(crate) async fn survived(store: &Arc<dyn Store>, names: &[&str]) -> View {
    let view = view(store, names).await;
    for (name, body) in &view {
        let plain = plain(store, name).await;
        for body in body.iter().chain(&plain) {
            whole(store, name, body).await;
        }
    }
    view
}

/// The index files by crate.
pub(crate) type View = Vec<(CrateName, Option<Bytes>)>;

async fn view(store: &Arc<dyn Store>, names: &[&str]) -> View {
    let index = SnapshotIndex::new(store.clone());
    let mut view = View::new();
    for name in names {
        let name: CrateName = name.parse().unwrap();
        let body = match index.load(&name, None).await {
            Ok(Loaded::Fresh { body, .. }) => Some(body),
            Ok(Loaded::Absent) | Err(IndexError::Unpublished { .. }) => None,
            other => panic!("{name} cannot be read: {other:?}"),
        };
        view.push((name, body));
    }
    view
}

async fn plain(store: &Arc<dyn Store>, name: &CrateName) -> Option<Bytes> {
    let key = MirrorLayout::default().index_file(name);
    let file = store.try_read(&key, 1 << 20).await.unwrap();
    file.map(|(_, bytes)| bytes)
}

/// The versions that an index file shows, each of which is there and right.
async fn whole(store: &Arc<dyn Store>, name: &CrateName, body: &Bytes) -> Vec<String> {
    let layout = MirrorLayout::load(&**store).await.unwrap();
    let mut shown = Vec::new();
    for entry in IndexFile::parse(name, body).unwrap().entries {
        let key = layout.crate_file(entry.name(), entry.version());
        let file = store.try_read(&key, 1 << 30).await.unwrap();
        let (_, bytes) = file.unwrap_or_else(|| panic!("INV-1: {key} is shown and is not there"));
        assert_eq!(Sha256Digest::of(&bytes), *entry.checksum(), "INV-1: {key}");
        shown.push(format!("{} {}", entry.name(), entry.version()));
    }
    shown
}

/// All objects but those that only romt reads.
pub(crate) async fn served(store: &Arc<dyn Store>) -> BTreeMap<Key, Bytes> {
    let mut served = objects(store).await;
    let private: Key = ".romt".parse().unwrap();
    served.retain(|key, _| !key.starts_with(&private));
    served
}

/// All objects.
pub(crate) async fn objects(store: &Arc<dyn Store>) -> BTreeMap<Key, Bytes> {
    let listed: Vec<ObjectMeta> = store.list(None).try_collect().await.unwrap();
    let mut objects = BTreeMap::new();
    for meta in listed {
        let read = store.try_read(&meta.key, 1 << 30).await.unwrap();
        objects.extend(read.map(|(meta, bytes)| (meta.key, bytes)));
    }
    objects
}

/// Two states of a registry, and what is wanted of each: the second has more
/// versions, a crate more, and a yank.
pub(crate) struct Story;

impl Story {
    pub(crate) const NAMES: [&str; 4] = ["a", "B-x", "c", "d"];

    pub(crate) fn first(registry: &Registry) -> romt_core::Selection {
        registry.publish("a", &["1.0.0", "1.1.0"]);
        registry.publish("B-x", &["0.1.0"]);
        registry.publish("d", &["1.0.0"]);
        lock(&["a 1.0.0", "B-x 0.1.0", "d 1.0.0"])
    }

    pub(crate) fn second(registry: &Registry) -> romt_core::Selection {
        registry.publish("a", &["!1.0.0", "1.1.0", "1.2.0"]);
        registry.publish("B-x", &["0.1.0", "0.2.0"]);
        registry.publish("c", &["3.0.0"]);
        lock(&["a 1.1.0", "a 1.2.0", "B-x 0.2.0", "c 3.0.0", "d 1.0.0"])
    }
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// Syncs as the tests do, and expects it to be possible.
pub(crate) async fn sync(
    store: &Arc<dyn Store>,
    registry: &Arc<Registry>,
    selection: &romt_core::Selection,
) -> romt_core::SyncOutcome {
    let options = romt_core::SyncOptions::default().with_retry(quick());
    mirror(store)
        .sync(&registry.upstream(store), selection, &options, Arc::new(()))
        .await
        .unwrap()
}
