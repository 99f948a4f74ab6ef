//! Running the `romt` of this build, and never leaving it running.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::tripwire::Tripwire;

/// How long anything may take before a test gives up on it. Generous: it is met
/// only by what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// `romt`, in the directory `dir` and with an environment that has nothing of the
/// user's in it: every address but loopback leads into `tripwire`.
///
/// # Panics
///
/// If the arguments leave the upstream at its default, which is crates.io: a test
/// that goes wrong must not call there.
pub(crate) fn romt<I: AsRef<OsStr>>(
    dir: &Path,
    tripwire: &Tripwire,
    args: impl IntoIterator<Item = I>,
) -> Command {
    let args: Vec<_> = args
        .into_iter()
        .map(|arg| arg.as_ref().to_owned())
        .collect();
    let has = |wanted: &str| args.iter().any(|arg| arg == wanted);
    assert!(
        !has("up") || has("--index-url") || has("--help"),
        "{args:?} would mean crates.io"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_romt"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("ROMT_") || name.starts_with("CARGO") || name == "RUST_LOG" {
            command.env_remove(&*name);
        }
    }
    tripwire.guard(&mut command);
    command.args(args).current_dir(dir);
    command
}

/// What a process did.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) elapsed: Duration,
}

impl Finished {
    /// The exit code; `None` if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Fails the test unless the process ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{self:#?}");
        self
    }
}

/// Runs `command` to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Finished {
    Running::spawn(command).wait()
}

/// A process under way. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    started: Instant,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{command:?} could not be started: {error}"),
        };
        Self {
            stdout: Collected::from(child.stdout.take().expect("it is piped")),
            stderr: Collected::from(child.stderr.take().expect("it is piped")),
            started: Instant::now(),
            child,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Everything on stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Everything on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line of stderr that has `wanted` in it, and returns it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        let mut found = None;
        self.wait_until(wanted, |this| {
            let text = this.stderr.text();
            found = text
                .lines()
                .find(|line| line.contains(wanted))
                .map(str::to_owned);
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Waits until `is_so`, while the process lives.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        loop {
            let ended = self.child.try_wait().expect("the child is ours");
            if is_so(self) {
                return;
            }
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "waited for {what:?} in vain, {ended:?}\nstdout: {}\nstderr: {}",
                self.stdout.text(),
                self.stderr.text(),
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The address that `romt` says it serves at.
    #[track_caller]
    pub(crate) fn serving(&mut self) -> String {
        let line = self.wait_for("serving http");
        let url = line.split("serving ").nth(1).expect("it was found");
        url.split([' ', ';']).next().unwrap_or_default().to_owned()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("ids are positive");
        let id = rustix::process::Pid::from_raw(id).expect("ids are positive");
        rustix::process::kill_process(id, signal).expect("the child is ours");
    }

    /// Stops a server as Ctrl-C does, and expects it to end well.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn stop(self) -> Finished {
        self.signal(rustix::process::Signal::INT);
        self.wait().expect(0)
    }

    /// Stops a server.
    #[cfg(not(unix))]
    pub(crate) fn stop(mut self) -> Finished {
        drop(self.child.kill());
        self.wait()
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Finished {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                break status;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it does not end\nstdout: {}\nstderr: {}",
                self.stdout.text(),
                self.stderr.text(),
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        Finished {
            status,
            elapsed: self.elapsed(),
            stdout: self.stdout.join(),
            stderr: self.stderr.join(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a pipe brought so far.
#[derive(Debug)]
struct Collected {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let mut text = sink.lock().expect("nobody panics with it");
                text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self {
            text,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        self.text.lock().expect("nobody panics with it").clone()
    }

    /// Everything, once the pipe has ended.
    fn join(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        self.text()
    }
}
