//! What a session that has unpacked an archive still knows when it verifies.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{io::Cursor, sync::Arc};

use romt_core::{
    DistLayout, ErrorClass, Event, EventSink, Key, PartAt, Sha256Digest, Store, StoreExt as _,
    dist::{DistMirror, DistOptions, DistSession, SignaturePolicy, Wanted},
    transfer::{Compression, TreeWriter},
};
use romt_store::MemoryStore;

const COMPONENT: &str = "dist/2025-09-18/rustc-1.90.0-x86_64-unknown-linux-gnu.tar.xz";
const BYTES: &[u8] = b"what a compiler is made of";

#[derive(Debug)]
struct Deaf;

impl EventSink for Deaf {
    fn emit(&self, _: Event) {}
}

/// An archive of a release of one component.
fn archive() -> Vec<u8> {
    let digest = Sha256Digest::of(BYTES);
    let manifest = format!(
        "manifest-version = \"2\"\ndate = \"2025-09-18\"\n\
         [pkg.rust]\nversion = \"1.90.0 (2025-09-18)\"\n\
         [pkg.rustc]\nversion = \"1.90.0 (2025-09-18)\"\n\
         [pkg.rustc.target.x86_64-unknown-linux-gnu]\navailable = true\n\
         xz_url = \"https://example.com/{COMPONENT}\"\nxz_hash = \"{digest}\"\n"
    );
    let path = "dist/2025-09-18/channel-rust-stable.toml";
    let mut archive = TreeWriter::new(Vec::new(), Compression::None);
    for (path, bytes) in [(path, manifest.as_bytes()), (COMPONENT, BYTES)] {
        let digest = format!("{}\n", Sha256Digest::of(bytes));
        let beside = format!("{path}.sha256");
        archive.file(path, bytes.len() as u64, bytes).unwrap();
        let length = digest.len() as u64;
        archive.file(&beside, length, digest.as_bytes()).unwrap();
    }
    archive.finish().unwrap()
}

async fn unpacked(store: &Arc<dyn Store>) -> (DistSession, Vec<Wanted>) {
    let mirror = DistMirror::new(store.clone(), DistLayout::new(PartAt::Directory));
    let options = DistOptions::new(SignaturePolicy::Ignored);
    let mut session = mirror.session(options, Arc::new(Deaf));
    let input = Box::new(Cursor::new(archive()));
    let unpacked = session.unpack(input, "a.tar").await.unwrap();
    assert_eq!(unpacked.new, 1);
    let wanted = unpacked.releases.into_iter().flat_map(|it| it.1).collect();
    (session, wanted)
}

#[tokio::test]
async fn what_was_unpacked_is_good_in_the_same_session_and_in_another() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (session, wanted) = unpacked(&store).await;
    assert_eq!(session.verify(&wanted).await.unwrap().good, 1);
    let options = DistOptions::new(SignaturePolicy::Ignored);
    let another = session.mirror().session(options, Arc::new(Deaf));
    assert_eq!(another.verify(&wanted).await.unwrap().good, 1);
}

#[tokio::test]
async fn what_somebody_changed_since_it_was_unpacked_is_read_again() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (session, wanted) = unpacked(&store).await;
    let key: Key = COMPONENT.parse().unwrap();
    // As long as what was there.
    let other = b"what a COMPILER is made of".to_vec();
    store.put(&key, other).await.unwrap();
    let outcome = session.verify(&wanted).await.unwrap();
    assert_eq!((outcome.good, outcome.bad.len()), (0, 1));
    assert_eq!(outcome.class(), Some(ErrorClass::Integrity));
    store.delete(&key).await.unwrap();
    let outcome = session.verify(&wanted).await.unwrap();
    assert_eq!(outcome.class(), Some(ErrorClass::Partial));
}
