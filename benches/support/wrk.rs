//! The load: wrk, cycling over many addresses.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::{Failure, process};

/// Connections that ask at the same time.
const CONNECTIONS: &str = "32";

/// What wrk found out.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Answers per second.
    pub requests: f64,
    /// How many answers were not as they should be.
    pub bad: u64,
}

/// A list of paths to ask for, as a script for wrk.
#[derive(Debug)]
pub struct Script(std::path::PathBuf);

impl Script {
    /// Writes the script to `file`.
    pub fn write(file: &Path, paths: &[String]) -> Result<Self, Failure> {
        let mut text = "local paths = {\n".to_owned();
        for path in paths {
            writeln!(text, "\"/{path}\",")?;
        }
        text.push_str(
            "}
local requests = {}
local at = 0
function init(args)
    for i, path in ipairs(paths) do requests[i] = wrk.format('GET', path) end
end
function request()
    at = at % #requests + 1
    return requests[at]
end
",
        );
        fs::write(file, text)?;
        Ok(Self(file.to_owned()))
    }

    /// Loads the server at `address` for so many seconds.
    pub fn run(&self, address: &str, seconds: u32) -> Result<Load, Failure> {
        let (_, text) = process::timed(
            Command::new("wrk")
                .args(["--threads", "1", "--connections", CONNECTIONS])
                .args(["--duration", &format!("{seconds}s"), "--script"])
                .arg(&self.0)
                .arg(format!("http://{address}/")),
        )?;
        let after = |label: &str| {
            text.lines()
                .find_map(|line| line.trim().strip_prefix(label))
                .map(str::trim)
        };
        let requests = after("Requests/sec:").ok_or("wrk printed no rate")?;
        let non_2xx = after("Non-2xx or 3xx responses:").unwrap_or("0");
        let errors = after("Socket errors:").unwrap_or_default();
        let errors = errors
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse::<u64>().ok())
            .sum::<u64>();
        Ok(Load {
            requests: requests.parse()?,
            bad: non_2xx.parse::<u64>()? + errors,
        })
    }
}
