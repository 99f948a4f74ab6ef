//! Progress on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use romt_core::Event;

/// One bar: first for the index, then for the crates.
pub(crate) struct Bars {
    bar: ProgressBar,
}

impl Bars {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        bar.set_style(style("index  {bar:30} {pos}/{len} crates {msg}"));
        Self { bar }
    }

    pub(crate) fn draw(&self, event: &Event) {
        match event {
            Event::Resolving { crates } => {
                self.bar.inc_length(*crates);
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Planned {
                to_fetch,
                known_bytes,
                unknown_sizes,
                ..
            } => self.plan(*to_fetch, *known_bytes, *unknown_sizes),
            Event::Started { label, .. } => self.bar.set_message(label.to_string()),
            Event::Resolved { .. } | Event::Finished { .. } | Event::AlreadyPresent { .. } => {
                self.bar.inc(1);
            }
            Event::Retrying {
                label,
                reason,
                wait,
            } => self.bar.println(format!(
                "retrying {label} in {:.1} s: {reason}",
                wait.as_secs_f64()
            )),
            Event::Failed { label, reason, .. } => {
                self.bar.inc(1);
                self.bar.println(format!("failed: {label}: {reason}"));
            }
            Event::Note { message } => self.bar.println(message),
            _ => {}
        }
    }

    fn plan(&self, to_fetch: u64, known_bytes: u64, unknown_sizes: u64) {
        if let Some(plan) = super::lines::plan(to_fetch, known_bytes, unknown_sizes) {
            self.bar.println(plan);
        }
        // The style comes first, lest the old one be drawn with the new numbers.
        self.bar
            .set_style(style("crates {bar:30} {pos}/{len} {eta} left  {wide_msg}"));
        self.bar.set_length(to_fetch);
        self.bar.reset();
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [
            "index  {bar:30} {pos}/{len} crates {msg}",
            "crates {bar:30} {pos}/{len} {eta} left  {wide_msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
