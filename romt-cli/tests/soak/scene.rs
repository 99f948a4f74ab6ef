//! A mirror of everything, the two servers of it, and what is known of upstream.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;

use crate::{
    crates::{Mirror, Origin, Tool},
    support::{process::Running, tripwire::Tripwire},
};

/// What clients and the changes under them have in common.
pub(crate) struct Scene {
    pub(crate) mirror: Mirror,
    pub(crate) tripwire: Tripwire,
    /// Certificates, keys and the distribution server's tree.
    work: TempDir,
    /// As `http://127.0.0.1:8000`.
    pub(crate) http: String,
    /// The other one, with TLS.
    pub(crate) https: String,
    is_over: AtomicBool,
    /// How many nightlies the mirror has shown.
    pub(crate) nightlies: AtomicUsize,
    /// Crates that upstream has removed, or will have in a moment.
    removed: Mutex<BTreeSet<String>>,
    /// The crates that there were.
    names: Mutex<BTreeSet<String>>,
    /// How often each client, or each kind of change, has been through.
    rounds: Mutex<BTreeMap<&'static str, usize>>,
}

impl Scene {
    /// A mirror of `origin` that is not served yet.
    pub(crate) fn new(origin: &Origin) -> Self {
        let mirror = Mirror::updated(Tool::Ours, origin);
        let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let [http, https] = two_free_ports();
        let http = format!("http://127.0.0.1:{http}");
        mirror.krate(&["config", "--server-url", &http]).expect(0);
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(work.path().join("cert.pem"), made.cert.pem()).unwrap();
        fs::write(
            work.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        Self {
            mirror,
            tripwire: Tripwire::new(),
            work,
            http,
            https: format!("https://127.0.0.1:{https}"),
            is_over: AtomicBool::new(false),
            nightlies: AtomicUsize::new(0),
            removed: Mutex::default(),
            names: Mutex::default(),
            rounds: Mutex::default(),
        }
    }

    /// The server in cleartext, and the one with TLS.
    pub(crate) fn serve(&self) -> [Running; 2] {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
        let tls = ["--tls-cert", cert, "--tls-key", key];
        [(&self.http, &[][..]), (&self.https, &tls)].map(|(url, more)| {
            let (_, port) = url.rsplit_once(':').unwrap();
            let args = ["serve", "--mirror", ".", "--port", port];
            let args = [&args[..], &["--access-log", "json"], more].concat();
            let mut server = Running::spawn(&mut self.mirror.command(&args));
            assert_eq!(server.serving().trim_end_matches('/'), url);
            server
        })
    }

    /// A file that is not in the mirror.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Upstream is about to remove a crate.
    pub(crate) fn will_remove(&self, name: &str) {
        lock(&self.removed).insert(name.to_owned());
    }

    pub(crate) fn is_removed(&self, name: &str) -> bool {
        lock(&self.removed).contains(name)
    }

    /// Upstream has published a crate.
    pub(crate) fn has_published(&self, name: &str) {
        lock(&self.names).insert(name.to_owned());
    }

    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.names).iter().cloned().collect()
    }

    /// Counts something that was done.
    pub(crate) fn count(&self, what: &'static str) {
        *lock(&self.rounds).entry(what).or_default() += 1;
    }

    /// What was done so far.
    pub(crate) fn counted(&self) -> BTreeMap<&'static str, usize> {
        lock(&self.rounds).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn two_free_ports() -> [u16; 2] {
    let both = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    both.map(|listener| listener.local_addr().unwrap().port())
}

/// Ends everything if the thread that has it panics: what others do is of no interest
/// any more.
pub(crate) struct EndOnPanic<'s>(pub(crate) &'s Scene);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}
