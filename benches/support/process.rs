//! Running and timing other programs.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::Failure;

/// Whether the program `name` can be run here.
pub fn is_installed(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|directory| directory.join(name).is_file())
        // Servers are often not on the path of people.
        || Path::new("/usr/sbin").join(name).is_file()
}

/// Runs `command` to its end and says how long it took and what it printed.
pub fn timed(command: &mut Command) -> Result<(Duration, String), Failure> {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let took = began.elapsed();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let program = command.get_program().to_string_lossy();
        return Err(format!("{program} failed ({}): {stderr}", output.status).into());
    }
    Ok((took, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// Makes everything in the file system of `directory` durable.
pub fn flush_file_system(directory: &Path) -> Result<Duration, Failure> {
    Ok(timed(Command::new("sync").arg("-f").arg(directory))?.0)
}

/// The most memory that this process has had, in KiB, where that can be known.
pub fn peak_memory() -> Option<u64> {
    peak_memory_of("self")
}

/// The most memory that the running process `id` has had so far, in KiB, where
/// that can be known.
pub fn peak_memory_of(id: &str) -> Option<u64> {
    kibibytes(id, "VmHWM:")
}

/// The memory that is the running process's own at the moment, in KiB: without files
/// that are mapped, which the system takes back whenever it has other use for it.
pub fn own_memory_of(id: &str) -> Option<u64> {
    kibibytes(id, "RssAnon:")
}

fn kibibytes(id: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processor time of all programs that this process has run to their ends,
/// in seconds, where that can be known.
///
/// On a machine that has other work too, it says more than the time that passed.
pub fn processor_time() -> Option<f64> {
    /// Ticks per second, which Linux never changes for programs.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may have spaces.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Some(ticks.iter().sum::<f64>() / TICKS)
}

/// A port of this machine that nobody listens at.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// The value that follows `name` among the arguments of this process.
pub fn argument(name: &str) -> Option<String> {
    std::env::args().skip_while(|given| given != name).nth(1)
}
