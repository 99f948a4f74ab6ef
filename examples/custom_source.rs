//! A source of your own: here a bundle of files in memory, as from an archive.
//!
//! Run with `cargo run -p romt-examples --bin custom_source`.
//!
//! The suite of checks that every source must pass is part of `romt-store`; see
//! the test at the end.

#![expect(clippy::print_stdout, reason = "the programs here talk to people")]

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use romt_core::{
    CrateRequest, Location, Mirror, Sha256Digest, Source, SyncOptions, Upstream,
    ports::{Fetched, OpenOptions, Opened, SourceError, SourceErrorKind, Validator, once},
};
use romt_index::{SnapshotIndex, SparseIndex};
use romt_store::MemoryStore;

/// Files by their paths.
#[derive(Debug, Default)]
struct Bundle {
    files: BTreeMap<String, Bytes>,
}

impl Bundle {
    fn add(&mut self, path: &str, bytes: impl Into<Bytes>) {
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// Adds a crate to the index and its bytes to the crates.
    fn add_crate(&mut self, name: &str, version: &str, needs: &str) {
        let bytes = format!("the bytes of {name} {version}");
        let digest = Sha256Digest::of(&bytes);
        let line = format!(
            r#"{{"name":"{name}","vers":"{version}","deps":[{needs}],"features":{{}},"cksum":"{digest}","yanked":false}}"#
        );
        let (first, rest) = name.split_at(2);
        self.add(&format!("{first}/{}/{name}", &rest[..2]), line);
        self.add(&format!("crates/{name}-{version}.crate"), bytes);
    }

    fn find(&self, location: &Location) -> Result<&Bytes, SourceError> {
        match location {
            Location::Path(path) => self.files.get(&**path).ok_or_else(|| {
                // The kind decides what becomes of it: this one is believed at once,
                // `Transient` would be tried again.
                SourceError::new(SourceErrorKind::NotFound, location, "it is not bundled")
            }),
            Location::Address(_) => Err(SourceError::new(
                SourceErrorKind::Refused,
                location,
                "a bundle has only paths",
            )),
        }
    }
}

#[async_trait]
impl Source for Bundle {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        let bytes = self.find(location)?;
        let validator = Validator::new(&Sha256Digest::of(bytes).to_string());
        if options.if_changed.is_some() && options.if_changed == validator {
            return Ok(Opened::Unchanged);
        }
        // From the middle only if the bytes are those that the caller has begun with.
        let size = bytes.len();
        let resumed = options
            .resume
            .filter(|r| Some(&r.validator) == validator.as_ref());
        let offset = resumed.and_then(|resume| usize::try_from(resume.offset).ok());
        let offset = offset.filter(|offset| *offset <= size).unwrap_or(0);
        Ok(Opened::Body(Fetched {
            body: once(bytes.slice(offset..)),
            offset: offset as u64,
            size: Some(size as u64),
            validator,
        }))
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        Ok(Some(self.find(location)?.len() as u64))
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a bundle of {} files", self.files.len())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut bundle = Bundle::default();
    bundle.add("config.json", r#"{"dl":"crates/{crate}-{version}.crate"}"#);
    bundle.add_crate("words", "0.3.1", "");
    let needs = r#"{"name":"words","req":"^0.3","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}"#;
    bundle.add_crate("hello", "1.0.0", needs);

    let source = Arc::new(bundle);
    println!("mirroring from {source}");
    let upstream = Upstream::new(Arc::new(SparseIndex::new(source.clone())), source);
    let store = Arc::new(MemoryStore::new());
    let mirror = Mirror::new(store.clone(), Arc::new(SnapshotIndex::new(store)));
    let selection = ["hello".parse::<CrateRequest>()?].into_iter().collect();
    let options = SyncOptions::default();
    let outcome = mirror
        .sync(&upstream, &selection, &options, Arc::new(()))
        .await?;
    println!(
        "fetched {} crates, {} bytes in all",
        outcome.fetched, outcome.bytes
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn it_does_all_that_a_source_must() {
        let files = romt_store::conformance::source::files();
        let bundle = Bundle {
            files: files.into_iter().collect(),
        };
        romt_store::conformance::source::all(Arc::new(bundle)).await;
    }
}
