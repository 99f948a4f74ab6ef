//! Addresses of the servers that were there before: that of romt for Python and that
//! of panamax. Clients that were set up for one of them go on as they are.
//!
//! ```text
//! /crates-index/…                                     romt for Python's sparse index
//! /crates/{name}/{version}/download                   panamax; what cargo makes of a bare `dl`
//! /crates/{prefix}/{name}/{version}/{name}-{version}.crate   panamax
//! ```
//!
//! What else they serve (`/index/…`, `/crates/{name}/{file}`, `/dist/…`, `/rustup/…`)
//! has the same address here.

use crate::target::is_prefix;

/// Where romt for Python has its sparse index.
pub(crate) const PYTHON_INDEX: &str = "/crates-index/";

/// The crate file at `path` below `/crates/`, as `{name}/{name}-{version}.crate`, if
/// the path is one of panamax's.
pub(crate) fn crate_file(path: &str) -> Option<String> {
    download(path).or_else(|| versioned(path))
}

/// The crate file that `{name}/{version}/download` means.
pub(crate) fn download(path: &str) -> Option<String> {
    let (name, version) = path.strip_suffix("/download")?.split_once('/')?;
    let is_one = !name.is_empty() && !version.is_empty() && !version.contains('/');
    is_one.then(|| format!("{name}/{name}-{version}.crate"))
}

/// The crate file that `{prefix}/{name}/{version}/{name}-{version}.crate` means.
fn versioned(path: &str) -> Option<String> {
    let (directory, file) = path.rsplit_once('/')?;
    let (directory, version) = directory.rsplit_once('/')?;
    let (prefix, name) = directory.rsplit_once('/')?;
    let fits = is_prefix(prefix, name, |a, b| a == b)
        || is_prefix(prefix, name, |a, b| a == b.to_ascii_lowercase());
    let stem = file.strip_suffix(".crate")?.strip_prefix(name)?;
    let is_one = fits && stem.strip_prefix('-')? == version;
    is_one.then(|| format!("{name}/{file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panamaxs_addresses_mean_crates() {
        for (path, file) in [
            ("x/1.0.0/download", "x/x-1.0.0.crate"),
            (
                "MyCrate/1.0.0+b1/download",
                "MyCrate/MyCrate-1.0.0+b1.crate",
            ),
            ("1/x/1.0.0/x-1.0.0.crate", "x/x-1.0.0.crate"),
            ("2/xy/1.0.0/xy-1.0.0.crate", "xy/xy-1.0.0.crate"),
            ("3/x/xyz/1.0.0/xyz-1.0.0.crate", "xyz/xyz-1.0.0.crate"),
            (
                "My/Cr/MyCrate/1.0.0/MyCrate-1.0.0.crate",
                "MyCrate/MyCrate-1.0.0.crate",
            ),
            (
                "my/cr/MyCrate/1.0.0/MyCrate-1.0.0.crate",
                "MyCrate/MyCrate-1.0.0.crate",
            ),
        ] {
            assert_eq!(crate_file(path).as_deref(), Some(file), "{path}");
        }
    }

    #[test]
    fn hostile_h16_nothing_else_means_any() {
        for path in [
            "",
            "download",
            "x/download",
            "/1.0.0/download",
            "x//download",
            "x/1.0.0/download/",
            "a/x/1.0.0/download",
            "x/1.0.0/x-1.0.0.crate",
            "1/x/1.0.0/x-1.0.1.crate",
            "1/x/1.0.0/y-1.0.0.crate",
            "2/x/1.0.0/x-1.0.0.crate",
            "xx/yy/serde/1.0.0/serde-1.0.0.crate",
            "SE/RD/serde/1.0.0/serde-1.0.0.crate",
            "se/rd/serde/1.0.0/serde-1.0.0.crate.part",
        ] {
            assert_eq!(crate_file(path), None, "{path}");
        }
    }
}
