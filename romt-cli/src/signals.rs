//! Ctrl-C and its kin.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

/// What a signal asks for.
#[derive(Clone, Debug)]
pub(crate) struct Signals {
    pub(crate) stop: CancellationToken,
    terminated: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Signals {
    /// Listens from now on. The first signal asks to stop; the second ends the
    /// process at once, which leaves the mirror as whole as a loss of power does.
    pub(crate) fn listen() -> Self {
        let this = Self {
            stop: CancellationToken::new(),
            terminated: std::sync::Arc::default(),
        };
        let signals = this.clone();
        tokio::spawn(async move {
            signals.note(next().await);
            signals.stop.cancel();
            signals.note(next().await);
            std::process::exit(i32::from(signals.status()));
        });
        this
    }

    fn note(&self, terminated: bool) {
        self.terminated
            .store(terminated, std::sync::atomic::Ordering::Relaxed);
    }

    /// The exit status of a command that a signal interrupted.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    fn status(&self) -> u8 {
        if self.terminated.load(std::sync::atomic::Ordering::Relaxed) {
            143
        } else {
            130
        }
    }
}

/// Waits for a signal; says whether it was the one to terminate.
#[cfg(unix)]
async fn next() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        drop(tokio::signal::ctrl_c().await);
        return false;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => false,
        _ = terminate.recv() => true,
        _ = hang_up.recv() => true,
    }
}

#[cfg(not(unix))]
async fn next() -> bool {
    drop(tokio::signal::ctrl_c().await);
    false
}
