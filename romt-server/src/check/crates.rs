//! The crates that the index shows.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use romt_core::{
    CrateName, ErrorClass, Sha256Digest, Sha256Hasher, StoreExt as _, Version,
    crates::IndexFile,
    ports::{IndexError, Loaded, StoreError, StreamError},
};

use super::{CheckDepth, CheckError, Fault, Findings, chain};
use crate::ServedMirror;

/// How many crates are looked at at a time.
const CRATES: usize = 32;

/// What was found of one crate.
#[derive(Default)]
struct Found {
    versions: u64,
    faults: Vec<Fault>,
}

pub(super) async fn check(
    mirror: &ServedMirror,
    depth: CheckDepth,
    findings: &mut Findings<'_>,
) -> Result<(), CheckError> {
    let names = match mirror.crate_names().await {
        Ok(names) => names,
        // A mirror of toolchains has none.
        Err(IndexError::Unpublished { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Names are all that is kept of the whole index.
    let mut looks = stream::iter(names)
        .map(|name| {
            let mirror = mirror.clone();
            tokio::spawn(async move { one(&mirror, depth, &name).await })
        })
        .buffered(CRATES);
    while let Some(found) = looks.next().await {
        let found = found.expect("looking at a crate does not panic");
        findings.report.crates += 1;
        findings.report.versions += found.versions;
        for fault in found.faults {
            findings.note(&fault);
        }
    }
    Ok(())
}

async fn one(mirror: &ServedMirror, depth: CheckDepth, name: &CrateName) -> Found {
    let body = match mirror.index.load(name, None).await {
        Ok(Loaded::Fresh { body, .. }) => body,
        // It went since the names were told.
        Ok(_) => return Found::default(),
        Err(error) => return Found::only(Fault::of(error.class(), chain(&error))),
    };
    let file = match IndexFile::parse(name, &body) {
        Ok(file) => file,
        Err(error) => {
            let what = format!("index file of {name}: {error}");
            return Found::only(Fault::of(ErrorClass::Refused, what));
        }
    };
    let mut found = Found::default();
    for line in &file.rejected {
        let what = format!(
            "index file of {name}, line {}: {}",
            line.number, line.reason
        );
        found.faults.push(Fault::of(ErrorClass::Refused, what));
    }
    for entry in &file.entries {
        found.versions += 1;
        let looked = version(
            mirror,
            depth,
            entry.name(),
            entry.version(),
            entry.checksum(),
        );
        found.faults.extend(looked.await);
    }
    found
}

impl Found {
    fn only(fault: Fault) -> Self {
        Self {
            versions: 0,
            faults: vec![fault],
        }
    }
}

async fn version(
    mirror: &ServedMirror,
    depth: CheckDepth,
    name: &CrateName,
    version: &Version,
    checksum: &Sha256Digest,
) -> Option<Fault> {
    let key = mirror.layout.crate_file(name, version);
    if depth == CheckDepth::Present {
        return match mirror.store.try_head(&key).await {
            Ok(Some(meta)) if meta.size == 0 => {
                Some(Fault::of(ErrorClass::Integrity, format!("{key} is empty")))
            }
            Ok(Some(_)) => None,
            Ok(None) => Some(Fault::missing(&key)),
            Err(error) => Some(Fault::of(error.class(), chain(&error))),
        };
    }
    let mut body = match mirror.store.get(&key).await {
        Ok(object) => object.body,
        Err(StoreError::NotFound { .. }) => return Some(Fault::missing(&key)),
        Err(error) => return Some(Fault::of(error.class(), chain(&error))),
    };
    let mut hasher = Sha256Hasher::new();
    loop {
        match body.try_next().await {
            Ok(Some(piece)) => hasher.update(&piece),
            Ok(None) => break,
            Err(error) => return Some(broken(&key, &error)),
        }
    }
    let digest = hasher.finish();
    (digest != *checksum).then(|| {
        let what = format!("{key} has the digest {digest}, and the index says {checksum}");
        Fault::of(ErrorClass::Integrity, what)
    })
}

fn broken(key: &romt_core::Key, error: &StreamError) -> Fault {
    Fault::of(error.class(), format!("{key}: {}", chain(error)))
}
