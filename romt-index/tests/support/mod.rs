//! A registry in memory, scripted by tests.

#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, atomic::AtomicU64, atomic::Ordering},
};

use async_trait::async_trait;
use futures::StreamExt as _;
use romt_core::{
    CrateName, Location, Mirror, Sha256Digest, Source, Store, Upstream, Version,
    ports::{
        Fetched, OpenOptions, Opened, SourceError, SourceErrorKind, StreamError, Validator, once,
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
    let mut text = "version = 4\n".to_owned();
    for pin in pins {
        let (name, version) = pin.split_once(' ').unwrap();
        let sum = Sha256Digest::of(crate_bytes(name, version));
        text.push_str(&format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{}\"\nchecksum = \"{sum}\"\n",
            romt_core::defaults::LOCKED_CRATES_IO
        ));
    }
    romt_core::Lockfile::parse(&text, None).unwrap().into()
}

/// What the mirror shows, as `name version` in order, and whether each crate that
/// it shows is there and right.
pub(crate) async fn shown(store: &Arc<dyn Store>, names: &[&str]) -> Vec<String> {
    use romt_core::{IndexBackend as _, StoreExt as _, crates::IndexFile, ports::Loaded};
    let index = SnapshotIndex::new(store.clone());
    let layout = romt_core::MirrorLayout::load(&**store).await.unwrap();
    let mut shown = Vec::new();
    for name in names {
        let name: CrateName = name.parse().unwrap();
        let plain = store
            .try_read(&layout.index_file(&name), 1 << 20)
            .await
            .unwrap();
        let body = match index.load(&name, None).await {
            Ok(Loaded::Fresh { body, .. }) => body,
            _ => {
                assert!(
                    plain.is_none(),
                    "a plain file for a crate that is not shown: {name}"
                );
                continue;
            }
        };
        assert_eq!(plain.map(|(_, bytes)| bytes), Some(body.clone()), "{name}");
        for entry in IndexFile::parse(&name, &body).unwrap().entries {
            let key = layout.crate_file(entry.name(), entry.version());
            let (_, bytes) = store
                .try_read(&key, 1 << 30)
                .await
                .unwrap()
                .unwrap_or_else(|| panic!("INV-1: {key} is shown and is not there"));
            assert_eq!(Sha256Digest::of(&bytes), *entry.checksum(), "INV-1: {key}");
            shown.push(format!("{} {}", entry.name(), entry.version()));
        }
    }
    shown
}

pub(crate) fn version(text: &str) -> Version {
    text.parse().unwrap()
}
