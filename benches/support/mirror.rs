//! What `romt up --no-serve` and `romt serve` do, through the libraries.
//!
//! Both run in a process of their own, which is the bench itself with other
//! arguments, so that time and memory are those of romt alone.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use romt_core::{Event, EventSink, Lockfile, Mirror, Selection, SyncOptions, Upstream};
use romt_index::{SnapshotIndex, SparseIndex};
use romt_server::{HostPolicy, Limits, ServedMirror, ServerOptions, router, serve};
use romt_store::{
    FsStore, FsStoreOptions, HttpClient, HttpOptions, HttpSource, SyncPolicy, http::ProxyChoice,
};
use tokio::net::TcpListener;
use url::Url;

use crate::{Failure, process};

const SYNC: &str = "child-sync";
const SERVE: &str = "child-serve";

/// What a run of sync was.
#[derive(Clone, Copy, Debug)]
pub struct Synced {
    /// How long the process took, from its start to its end.
    pub took: Duration,
    /// How many crates were fetched.
    pub fetched: u64,
    /// How many were there already.
    pub present: u64,
    /// The most memory that the process had, in MiB.
    pub peak: Option<f64>,
    /// How long it took until the plan was made, until the last crate was durable
    /// and until all was published.
    pub until: [Duration; 3],
}

/// Notes when the parts of a sync end.
struct Phases {
    began: Instant,
    until: Mutex<[Duration; 3]>,
}

impl EventSink for Phases {
    fn emit(&self, event: Event) {
        let ended = match event {
            Event::Planned { .. } => 0,
            Event::Finished { .. } => 1,
            Event::Published { .. } => 2,
            _ => return,
        };
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        // A part that did not happen took no time.
        until[ended..].fill(self.began.elapsed());
    }
}

/// Does what this process was started for, if it was started as a child.
pub fn run_if_child() -> Result<bool, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [SYNC, mirror, lockfile, index, policy] => {
            let given = [mirror, lockfile, index, policy].map(str::to_owned);
            // As `romt up` does.
            runtime()?.block_on(async { tokio::spawn(sync_here(given)).await })??;
        }
        [SERVE, mirror] => runtime()?.block_on(serve_here(mirror))?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Syncs in a process of its own what `lockfile` pins, from the index at
/// `address`, into `mirror`. `durable` is whether files are flushed.
pub fn sync(
    mirror: &Path,
    lockfile: &Path,
    address: &str,
    durable: bool,
) -> Result<Synced, Failure> {
    let (took, text) = process::timed(
        Command::new(std::env::current_exe()?)
            .arg(SYNC)
            .arg(mirror)
            .arg(lockfile)
            .arg(format!("http://{address}/"))
            .arg(if durable { "batch" } else { "never" }),
    )?;
    let mut values = text.split_whitespace().map(str::parse::<u64>);
    let mut next = || values.next().ok_or("the child printed too little");
    Ok(Synced {
        took,
        fetched: next()??,
        present: next()??,
        peak: match next()?? {
            0 => None,
            kib => Some(f64::from(u32::try_from(kib)?) / 1024.0),
        },
        until: [
            Duration::from_millis(next()??),
            Duration::from_millis(next()??),
            Duration::from_millis(next()??),
        ],
    })
}

/// A romt that serves a mirror until this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Serves `mirror` at a free port, in a process of its own.
    pub fn start(mirror: &Path) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .arg(mirror)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the child has no output")?;
        let mut server = Self {
            child,
            address: String::new(),
        };
        BufReader::new(stdout).read_line(&mut server.address)?;
        server.address.truncate(server.address.trim_end().len());
        if server.address.is_empty() {
            return Err("the server did not come up".into());
        }
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The most memory that it has had so far, in MiB, where that can be known.
    pub fn peak_memory(&self) -> Option<f64> {
        let kib = process::peak_memory_of(&self.child.id().to_string())?;
        Some(f64::from(u32::try_from(kib).ok()?) / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

#[expect(clippy::print_stdout, reason = "this is how the child answers")]
async fn sync_here([mirror, lockfile, index, policy]: [String; 4]) -> Result<(), Failure> {
    let phases = Arc::new(Phases {
        began: Instant::now(),
        until: Mutex::default(),
    });
    let policy = match policy.as_str() {
        "never" => SyncPolicy::Never,
        _ => SyncPolicy::Batch,
    };
    let options = FsStoreOptions::default().with_sync(policy);
    let store = Arc::new(FsStore::create_with(mirror, options)?);
    let mirror = Mirror::new(store.clone(), Arc::new(SnapshotIndex::new(store.clone())));
    let http = HttpOptions::default().with_proxy(Some(ProxyChoice::Direct));
    let source = Arc::new(HttpSource::new(
        HttpClient::new(http)?,
        Url::parse(&index)?,
    )?);
    let sparse = SparseIndex::new(source.clone()).with_cache(store);
    let upstream = Upstream::new(Arc::new(sparse), source);
    let lockfile = Lockfile::parse(&std::fs::read_to_string(lockfile)?, None)?;
    let selection = Selection::from(lockfile);
    let outcome = mirror
        .sync(
            &upstream,
            &selection,
            &SyncOptions::default(),
            phases.clone(),
        )
        .await?;
    if let Some(failure) = outcome.failed.first() {
        return Err(format!("{}: {}", failure.label, failure.reason).into());
    }
    let peak = process::peak_memory().unwrap_or_default();
    let until = *phases.until.lock().unwrap_or_else(PoisonError::into_inner);
    let [planned, fetched, published] = until.map(|until| until.as_millis());
    println!(
        "{} {} {peak} {planned} {fetched} {published}",
        outcome.fetched, outcome.present
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is how the child answers")]
async fn serve_here(mirror: &str) -> Result<(), Failure> {
    let mirror = ServedMirror::open(Path::new(mirror)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let options = ServerOptions::default().with_allowed_hosts(HostPolicy::for_address(&address));
    let router = router(mirror, &options);
    println!("{address}");
    let never = std::future::pending();
    serve(listener, router, Limits::default(), never).await?;
    Ok(())
}
