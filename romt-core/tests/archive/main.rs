//! Transfer archives: hostile ones, damaged ones, and those of other tools.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod damage;
mod headers;
mod hostile;
mod names;
mod referees;
mod round_trip;
mod support;
