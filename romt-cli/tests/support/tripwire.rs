//! The rest of the world, which nothing may reach.

use std::{
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A proxy that every address but loopback is sent to. It turns everybody away
/// and counts them.
#[derive(Debug)]
pub(crate) struct Tripwire {
    address: SocketAddr,
    touched: Arc<AtomicU64>,
}

impl Tripwire {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let touched = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&touched);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        Self { address, touched }
    }

    /// Sends what `command` wants of the world here.
    pub(crate) fn guard(&self, command: &mut Command) {
        let proxy = format!("http://{}", self.address);
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, &proxy);
            command.env(name.to_uppercase(), &proxy);
        }
        command.env("no_proxy", "127.0.0.1");
        command.env("NO_PROXY", "127.0.0.1");
    }

    /// How often somebody tried.
    pub(crate) fn touched(&self) -> u64 {
        self.touched.load(Ordering::SeqCst)
    }
}
