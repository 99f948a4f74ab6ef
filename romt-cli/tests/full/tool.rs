//! Running romt and git.

use std::{
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::fault_support::process;

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it said, stdout first.
    pub(crate) text: String,
}

impl Ended {
    /// The exit status is `code`, and all of `needles` were said.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, needles: &[&str]) {
        let text = &self.text;
        assert_eq!(self.code, Some(code), "the exit status; it said:\n{text}");
        for needle in needles {
            assert!(text.contains(needle), "no `{needle}` in:\n{text}");
        }
        assert!(!text.contains('\x1b'), "an escape character: {text:?}");
        assert!(!text.contains("panicked"), "{text}");
    }
}

/// `romt crate` with these arguments, in the mirror at `directory`.
pub(crate) fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = process::romt(directory);
    command.arg("crate").args(args);
    command
}

/// Runs to the end, which must come within a minute.
#[track_caller]
pub(crate) fn finish(mut command: Command) -> Ended {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    wait(child.spawn().unwrap(), Duration::from_mins(1))
}

/// Waits for the end, which must come within `limit`.
#[track_caller]
pub(crate) fn wait(mut child: Child, limit: Duration) -> Ended {
    let started = Instant::now();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let out = thread::spawn(move || out.map(read_all).unwrap_or_default());
    let err = thread::spawn(move || err.map(read_all).unwrap_or_default());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(3));
    };
    let text = out.join().unwrap() + &err.join().unwrap();
    let status = status.unwrap_or_else(|| panic!("it does not end within {limit:?}:\n{text}"));
    Ended {
        code: status.code(),
        text,
    }
}

fn read_all(mut from: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    drop(from.read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs git, as no user and with no settings.
pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let output = git_with(directory, args, b"");
    String::from_utf8(output).unwrap().trim_end().to_owned()
}

pub(crate) fn git_with(directory: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    match try_git(directory, args, input) {
        Ok(output) => output,
        Err(error) => panic!("git {args:?}: {error}"),
    }
}

pub(crate) fn try_git(directory: &Path, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(args);
    for (key, value) in [
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_AUTHOR_NAME", "upstream"),
        ("GIT_AUTHOR_EMAIL", "upstream@localhost"),
        ("GIT_COMMITTER_NAME", "upstream"),
        ("GIT_COMMITTER_EMAIL", "upstream@localhost"),
        ("GIT_AUTHOR_DATE", "2024-01-01T00:00:00Z"),
        ("GIT_COMMITTER_DATE", "2024-01-01T00:00:00Z"),
    ] {
        command.env(key, value);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
