//! Times of OpenPGP, which are seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `seconds` since 1970 as people read it.
pub(super) fn show(seconds: u64) -> String {
    // The format ends with the year 9999; no sum of two 32-bit numbers comes near.
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Whether `seconds` is later than this machine's clock, which decides nothing.
pub(super) fn is_future(seconds: u32) -> bool {
    UNIX_EPOCH + Duration::from_secs(seconds.into()) > SystemTime::now()
}
