//! A disk that is small, or cannot be written.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A mounted tmpfs, until it is dropped.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one, or says that it cannot be done here.
    pub fn mount(place: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size},mode=0755");
        if run(
            "mount",
            &["-t", "tmpfs", "-o", &options, "romt-test"],
            place,
        ) {
            return Some(Self(place.to_owned()));
        }
        eprintln!("skipped: mounting a tmpfs takes privileges");
        None
    }

    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        // It is busy while a process that is being started has a copy of a handle.
        for _ in 0..100 {
            if run("mount", &["-o", &options], &self.0) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("it cannot be remounted: {options}");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        if !run("umount", &[], &self.0) {
            run("umount", &["-l"], &self.0);
        }
    }
}

fn run(program: &str, arguments: &[&str], place: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(place).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
