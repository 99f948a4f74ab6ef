//! What a run of a program needs: time, processor time and memory.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failure,
    figures::Samples,
    process::{own_memory_of, peak_memory_of, processor_time},
};

/// How often a running program is looked at.
const PAUSE: Duration = Duration::from_millis(2);

/// What one thing needed, each time that it was done.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Seconds from start to end.
    pub time: Samples,
    /// Seconds of all processors together, those of the programs that it ran
    /// included.
    pub work: Samples,
    /// The most memory of the program itself, in MiB, mapped files included.
    pub memory: Samples,
    /// The same without mapped files.
    pub own: Samples,
}

impl Usage {
    /// Runs `command` to its end, with what it prints in the file `output`, and
    /// notes what that needed.
    pub fn run(&mut self, command: &mut Command, output: &Path) -> Result<(), Failure> {
        let before = processor_time();
        let errors = output.with_extension("errors");
        let began = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(File::create(output)?)
            .stderr(File::create(&errors)?)
            .spawn()?;
        let (mut peak, mut own) = (None, None);
        let status = loop {
            let id = child.id().to_string();
            peak = peak.max(peak_memory_of(&id));
            own = own.max(own_memory_of(&id));
            if let Some(status) = child.try_wait()? {
                break status;
            }
            thread::sleep(PAUSE);
        };
        let took = began.elapsed();
        if !status.success() {
            let program = command.get_program().to_string_lossy();
            let text = [std::fs::read(output)?, std::fs::read(errors)?].concat();
            let text = String::from_utf8_lossy(&text);
            return Err(format!("{program} failed ({status}): {text}").into());
        }
        self.time.push_time(took);
        if let (Some(before), Some(after)) = (before, processor_time()) {
            self.work.push(after - before);
        }
        for (samples, kibibytes) in [(&mut self.memory, peak), (&mut self.own, own)] {
            if let Some(kibibytes) = kibibytes {
                samples.push(f64::from(u32::try_from(kibibytes)?) / 1024.0);
            }
        }
        Ok(())
    }

    /// Lines about it.
    pub fn rows(&self, label: &str) -> String {
        [
            self.time.row(label, "s", 2),
            self.work.row("  processor time", "s", 2),
            self.memory.row("  peak memory", "MiB", 1),
            self.own.row("    without mapped files", "MiB", 1),
        ]
        .join("\n")
    }
}
