//! Running the real binary.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stderr: Vec<u8>,
    pub elapsed: Duration,
    /// The most memory that it had, in bytes, as far as was seen.
    pub peak: u64,
}

impl Ended {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// The exit status is `code`, and stderr has every one of `needles`.
    #[track_caller]
    pub fn assert(&self, code: i32, needles: &[&str]) {
        let text = self.text();
        assert_eq!(self.code, Some(code), "the exit status; stderr:\n{text}");
        for needle in needles {
            assert!(text.contains(needle), "no `{needle}` in stderr:\n{text}");
        }
        assert!(
            !self.stderr.contains(&0x1b),
            "an escape character reaches the terminal: {text:?}"
        );
    }
}

/// The command, cut off from this machine's settings.
pub fn romt(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_romt"));
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "ROMT_MIRROR",
        "ROMT_LOG",
    ] {
        command.env_remove(name);
    }
    command
        .env("NO_PROXY", "*")
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Runs to the end. A run that takes over a minute is killed, and fails the test.
pub fn finish(mut command: Command) -> Ended {
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        drop(stderr.read_to_end(&mut text));
        text
    });
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_of(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > Duration::from_mins(1) {
            child.kill().unwrap();
            child.wait().unwrap();
            let text = reader.join().unwrap();
            panic!("it does not end:\n{}", String::from_utf8_lossy(&text));
        }
        thread::sleep(Duration::from_millis(5));
    };
    Ended {
        code: status.code(),
        stderr: reader.join().unwrap(),
        elapsed: started.elapsed(),
        peak,
    }
}

/// The most memory that a process had so far, in bytes; 0 where nobody says.
fn peak_of(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// `romt serve`, until it is dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// Address and port.
    pub host: String,
}

impl Serving {
    pub fn start(mirror: &Path) -> Self {
        let mut command = romt(mirror.parent().unwrap());
        command.arg("serve").arg("--mirror").arg(mirror);
        let mut child = command.args(["--port", "0"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let host = loop {
            let Some(Ok(line)) = lines.next() else {
                drop(child.kill());
                panic!("the server does not start: {said:?}");
            };
            if let Some(rest) = line.strip_prefix("serving http://") {
                break rest.split(';').next().unwrap().trim().to_owned();
            }
            said.push(line);
        };
        // It is not to stop at a full pipe.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, host }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
