//! Serves the crates and index files below a directory, from scratch.
//!
//! Shows what a store and an index of one's own take, and serves as the subject
//! of load tests. Real mirrors are served by `romt serve`.
//!
//! Run with `cargo run -p romt-server --example directory -- DIRECTORY ADDRESS [CACHE_MIB]`.

use std::{collections::HashMap, error::Error, fmt, fs, path::Path, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use romt_core::{
    CrateName, IndexBackend, MirrorLayout, Sha256Digest,
    crates::IndexConfig,
    ports::{IndexError, Loaded, Tag},
};
use romt_server::{HostPolicy, Limits, ServedMirror, ServerOptions, router, serve};
use romt_store::FsStore;
use tokio::net::TcpListener;

/// An index that was read once and for all.
#[derive(Debug, Default)]
struct Snapshot(HashMap<String, (Bytes, Tag)>);

impl Snapshot {
    /// Reads every file below `directory`, whose names are those of crates.
    fn read(directory: &Path) -> std::io::Result<Self> {
        let mut snapshot = Self::default();
        let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                    continue;
                }
                let body = Bytes::from(fs::read(entry.path())?);
                let tag = Tag::of_digest(&Sha256Digest::of(&body));
                let name = entry.file_name().to_string_lossy().into_owned();
                snapshot.0.insert(name, (body, tag));
            }
        }
        Ok(snapshot)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }
}

#[async_trait]
impl IndexBackend for Snapshot {
    async fn config(&self) -> Result<IndexConfig, IndexError> {
        let index = self.to_string();
        Err(IndexError::Unpublished { index })
    }

    async fn load(&self, name: &CrateName, known: Option<&Tag>) -> Result<Loaded, IndexError> {
        Ok(match self.0.get(&name.to_lowercase()) {
            None => Loaded::Absent,
            Some((_, tag)) if known == Some(tag) => Loaded::Unchanged,
            Some((body, tag)) => Loaded::Fresh {
                body: body.clone(),
                tag: tag.clone(),
            },
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(directory), Some(address)) = (arguments.next(), arguments.next()) else {
        return Err("usage: directory DIRECTORY ADDRESS".into());
    };
    let directory = PathBuf::from(directory);
    let listener = TcpListener::bind(address).await?;
    let cache: usize = arguments.next().unwrap_or("64".into()).parse()?;
    let policy = HostPolicy::for_address(&listener.local_addr()?);
    let options = ServerOptions::default()
        .with_allowed_hosts(policy)
        .with_cache_bytes(cache << 20);
    let mirror = ServedMirror::new(
        Arc::new(FsStore::open(&directory)?),
        Arc::new(Snapshot::read(&directory.join("index"))?),
        MirrorLayout::default(),
    );
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    serve(
        listener,
        router(mirror, &options),
        Limits::default(),
        interrupt,
    )
    .await?;
    Ok(())
}
