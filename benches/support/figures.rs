//! Medians and how they are printed.

use std::time::Duration;

/// Values of one thing, measured several times.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds a value.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Adds a time, in seconds.
    pub fn push_time(&mut self, time: Duration) {
        self.push(time.as_secs_f64());
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The middle value, or the mean of the two in the middle.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        match (
            sorted.get((sorted.len().max(1) - 1) / 2),
            sorted.get(sorted.len() / 2),
        ) {
            (Some(low), Some(high)) => f64::midpoint(*low, *high),
            _ => f64::NAN,
        }
    }

    /// The lowest value and the highest.
    pub fn range(&self) -> (f64, f64) {
        let sorted = self.sorted();
        let at = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (at(sorted.first()), at(sorted.last()))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// One line about the samples, in the unit `unit`.
    pub fn row(&self, label: &str, unit: &str, digits: usize) -> String {
        let (low, high) = self.range();
        format!(
            "  {label:<44} {:>9.digits$} {unit:<5} ({low:.digits$} to {high:.digits$})",
            self.median()
        )
    }
}

/// One line about a ratio. `target` is what it ought to be at most or at least.
pub fn ratio(label: &str, value: f64, target: Target) -> String {
    let (met, target) = match target {
        Target::AtMost(most) => (value <= most, format!("target: at most {most}")),
        Target::AtLeast(least) => (value >= least, format!("target: at least {least}")),
        Target::None => (true, String::new()),
    };
    let verdict = if met { "" } else { "  MISSED" };
    format!("  {label:<44} {value:>9.2}       {target}{verdict}")
}

/// What a ratio ought to be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// It is there for information.
    None,
}
