//! The real `git`, as upstream and as referee.

use std::{path::Path, process::Command};

use crate::support::process::run;

/// Keeps the settings of the machine and of the user away from `git`, and gives
/// it somebody to commit as.
pub(crate) fn isolate(command: &mut Command) {
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "A Tester");
        command.env(format!("GIT_{role}_EMAIL"), "tester@localhost");
    }
}

/// `git` in `dir`, without what the environment says of another repository.
pub(crate) fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(name);
    }
    isolate(&mut command);
    command.args(args).current_dir(dir);
    command
}

/// What `git` says, which ends well.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let finished = run(&mut command(dir, args)).expect(0);
    finished.stdout.trim_end().to_owned()
}

/// What `git` says, or `None` if it does not like the question.
pub(crate) fn try_git(dir: &Path, args: &[&str]) -> Option<String> {
    let finished = run(&mut command(dir, args));
    (finished.code() == Some(0)).then(|| finished.stdout.trim_end().to_owned())
}
