//! The arguments of `romt crate`, which are those of romt for Python and a few more.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};
use romt_core::PrefixStyle;

use crate::sealing::SealArgs;

const EXAMPLES: &str = "\
Commands run in the order given; each is one of:
  init         make a mirror of the registry at --index-url
  init-import  make a mirror that is fed by archives
  pull         fetch the index; nothing of it is shown yet
  prune        delete the crates that the index lost
  download     fetch the crates that the index gained
  verify       check the crates that the index gained
  mark         show what is here to clients, and remember where this run ended
  pack         put index and crates into --archive
  unpack       take index and crates out of --archive
  list         print what the index gained and lost
  config       tell clients that crates are at --server-url
  update       pull prune download mark
  export       pull prune download pack mark
  import       unpack pull prune verify mark

Examples:
  romt crate init                       once, where there is internet
  romt crate update                     every day
  romt crate export                     and carry crates.tar.gz over
  romt crate init-import                once, where there is none
  romt crate import                     for each crates.tar.gz
  romt crate config --server-url http://mirror.example:8000

A crate that cannot be had is held back: clients do not see it, and the next run
tries it again.";

/// Mirror a whole registry, or what filters select of it
///
/// Works in this directory, on the tree of romt for Python: crates/ and
/// git/crates.io-index/. Takes over a mirror that it made, and hands it back.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, infer_long_args = true)]
pub(crate) struct CrateArgs {
    /// What to do, in this order
    #[arg(value_name = "COMMAND")]
    pub(crate) commands: Vec<String>,
    /// The git repository of the index
    #[arg(long, value_name = "DIR", default_value = "git/crates.io-index")]
    pub(crate) index: PathBuf,
    /// The directory of the crates
    #[arg(long, value_name = "DIR", default_value = "crates")]
    pub(crate) crates: PathBuf,
    /// The archive that pack writes and unpack reads
    #[arg(long, value_name = "FILE", default_value = "crates.tar.gz")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    #[command(flatten)]
    pub(crate) upstream: FetchArgs,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) rows: RowArgs,
    #[command(flatten)]
    pub(crate) seal: SealArgs,
}

/// What to work on.
#[derive(Debug, Args)]
#[command(next_help_heading = "Range")]
pub(crate) struct RangeArgs {
    /// The revision where the range begins; 0 is before everything [default: mark]
    #[arg(
        long,
        value_name = "REF",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) start: String,
    /// The revision where the range ends
    #[arg(long, value_name = "REF", default_value = "HEAD")]
    pub(crate) end: String,
    /// Begin before everything if there is no such START
    #[arg(long)]
    pub(crate) allow_missing_start: bool,
    /// Only these crates: NAME@VERSION patterns with `*`, `?`, `[a-z]`; either side
    /// may be left out; repeatable
    #[arg(long, value_name = "PATTERNS")]
    pub(crate) filter: Vec<String>,
    /// Only the crates whose patterns are in this file; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) filter_file: Vec<PathBuf>,
}

/// Where things come from, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Upstream")]
pub(crate) struct FetchArgs {
    /// The git index that init mirrors
    #[arg(long, value_name = "URL", default_value = romt_core::defaults::GIT_INDEX,
          hide_default_value = true)]
    pub(crate) index_url: String,
    /// Where the crates are: an address or a path with {crate}, {version}, {prefix}
    /// and {lowerprefix} in it
    #[arg(long, value_name = "TEMPLATE", default_value = romt_core::defaults::CRATE_FILES,
          hide_default_value = true)]
    pub(crate) crates_url: String,
    /// How many downloads run at once
    #[arg(
        short = 'j',
        long,
        value_name = "N",
        default_value_t = 4,
        allow_negative_numbers = true
    )]
    pub(crate) num_jobs: i64,
    /// How many seconds of silence end an attempt; 0 waits for ever
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        allow_negative_numbers = true
    )]
    pub(crate) timeout: i64,
}

/// How to work.
#[derive(Debug, Args)]
#[command(next_help_heading = "Work")]
pub(crate) struct WorkArgs {
    /// Go on with the next command though some crates failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Take a crate that is there for right, without reading it
    #[arg(long)]
    pub(crate) assume_ok: bool,
    /// Let so many versions vanish at once, if upstream lost more than a hundredth
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) accept_removals: u64,
    /// Let so many versions get other bytes at once, if upstream changed more than
    /// a hundredth
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) accept_changes: u64,
    /// The file of the bundle [default: origin.bundle in INDEX]
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle_path: Option<PathBuf>,
    /// How hard the archive is compressed; crates are compressed already
    #[arg(long, value_name = "0-9", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) compress_level: u8,
    /// How init spells the directories above the crates: as cargo's index does, or
    /// as the crates themselves, which needs a disk that tells upper from lower case
    #[arg(long, value_enum, value_name = "STYLE", default_value_t)]
    pub(crate) prefix: Prefix,
    /// The address of the server, for config
    #[arg(long, value_name = "URL", default_value = "http://localhost:8000")]
    pub(crate) server_url: String,
}

/// How the directories above crates are spelt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prefix {
    /// In lower case
    #[default]
    Lower,
    /// As the crates are
    Mixed,
}

impl From<Prefix> for PrefixStyle {
    fn from(prefix: Prefix) -> Self {
        match prefix {
            Prefix::Lower => Self::Lower,
            Prefix::Mixed => Self::Mixed,
        }
    }
}

/// How crates are printed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Lists")]
pub(crate) struct RowArgs {
    /// Print paths
    #[arg(long)]
    pub(crate) show_path: bool,
    /// Print digests and paths, as sha256sum does
    #[arg(long)]
    pub(crate) show_hash: bool,
    /// With list: print what is held back
    #[arg(long)]
    pub(crate) held_back: bool,
    /// Write the good crates of download or verify into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) good_crates: Option<PathBuf>,
    /// Write the bad crates of download or verify into this file
    #[arg(long, value_name = "FILE")]
    pub(crate) bad_crates: Option<PathBuf>,
}

/// Whether `-v` or `-q` stands before `crate`. romt for Python refuses that, and a
/// script that probes for it should find one tool or the other, not a third.
pub(crate) fn has_early_level(args: impl IntoIterator<Item = OsString>) -> bool {
    let mut early = false;
    for arg in args {
        let arg = arg.to_string_lossy();
        let is_level = arg == "--verbose"
            || arg == "--quiet"
            || (arg.len() > 1
                && arg.starts_with('-')
                && arg[1..].bytes().all(|one| matches!(one, b'v' | b'q')));
        if !is_level {
            return early && ["crate", "toolchain", "rustup"].contains(&&*arg);
        }
        early = true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_02_levels_come_after_the_operation() {
        let early = |args: &[&str]| has_early_level(args.iter().map(OsString::from));
        assert!(early(&["--verbose", "crate", "list"]));
        assert!(early(&["-qv", "crate"]));
        assert!(!early(&["crate", "--verbose", "list"]));
        assert!(!early(&["-q", "up"]));
        assert!(!early(&["crate", "-", "-v"]));
    }
}
