//! The arguments of `romt toolchain` and `romt rustup`, which are those of romt for
//! Python and a few more.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use romt_core::toolchain::{FormatChoice, Profile};

use crate::sealing::SealArgs;

const EXAMPLES: &str = "\
Commands run in the order given; each is one of:
  download        fetch what SPEC and TARGET select, then fixup
  fetch-manifest  fetch the manifest of SPEC only
  verify          check what is here of SPEC
  list            print what is here of SPEC
  all-targets     print the targets in the manifest of SPEC
  all-components  print the components in the manifest of SPEC
  pack            put what is here of SPEC into --archive
  unpack          take releases out of --archive, then verify and fixup
  fixup           give what is here of SPEC the names that rustup asks for
  prune           delete old releases, all but the --keep-latest of each channel

SPEC is CHANNEL, CHANNEL-DATE or DATE; CHANNEL is nightly, beta, stable, 1.76, 1.76.0
or *; DATE is YYYY-MM-DD, latest or *. TARGET is a target triple, linux, windows or
darwin, all, or * for those that are here.

Examples:
  romt toolchain -s stable -t linux download pack    and carry toolchain.tar.gz over
  romt toolchain unpack                              once it is there
  romt toolchain -s nightly -t linux --profile minimal --keep-latest 5 download
  romt toolchain -s stable -t all --cross download   the standard library for all targets
  romt toolchain -s nightly --since 'nightly-2026-01-05' pack
                                                     only what that release lacks";

/// Mirror toolchains, as rustup installs them
///
/// Works in this directory, on the tree of romt for Python: dist/.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, infer_long_args = true)]
pub(crate) struct ToolchainArgs {
    /// What to do, in this order
    #[arg(value_name = "COMMAND")]
    pub(crate) commands: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The directory of the toolchains
    #[arg(long, value_name = "DIR", default_value = "dist")]
    pub(crate) dest: PathBuf,
    /// Where toolchains come from: an address or a directory
    /// [default: /dist at `RUSTUP_DIST_SERVER`, or where rustup gets them]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The archive that pack writes and unpack reads
    #[arg(long, value_name = "FILE", default_value = "toolchain.tar.gz")]
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) carry: CarryArgs,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
}

/// What `romt toolchain` and `romt rustup` have in common.
#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// The releases; several in one, or repeated
    #[arg(short, long = "select", value_name = "SPEC")]
    pub(crate) specs: Vec<String>,
    /// The targets; several in one, or repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Take a file that is there for right, without reading it
    #[arg(long)]
    pub(crate) assume_ok: bool,
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
    #[command(flatten)]
    pub(crate) seal: SealArgs,
    /// How hard the archive is compressed, 0 to 9
    #[arg(long, value_name = "0-9", value_parser = clap::value_parser!(u8).range(0..=9))]
    pub(crate) compress_level: Option<u8>,
}

/// Which components.
#[derive(Debug, Args)]
#[command(next_help_heading = "Components")]
pub(crate) struct SelectArgs {
    /// Fetch the standard library of the targets only, to build for them elsewhere
    #[arg(long)]
    pub(crate) cross: bool,
    /// Only these components, or all but those with a ! before them; repeatable
    #[arg(long, value_name = "LIST")]
    pub(crate) components: Vec<String>,
    /// Only the components that rustup installs with this profile
    #[arg(long, value_enum, value_name = "PROFILE")]
    pub(crate) profile: Option<ProfileArg>,
    /// Which compressions of the components [default: xz]; for list, json
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Option<FormatArg>,
}

/// What vouches for toolchains.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signatures")]
pub(crate) struct TrustArgs {
    /// Keep files without a good signature, with a warning for each
    #[arg(long, conflicts_with = "no_signature")]
    pub(crate) warn_signature: bool,
    /// Neither fetch nor check signatures
    #[arg(long)]
    pub(crate) no_signature: bool,
    /// Trust the public keys in this file instead of the Rust project's
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Take SHA-1 signatures made before this date for good; they were usual before 2018
    #[arg(long, value_name = "DATE")]
    pub(crate) allow_sha1_before: Option<String>,
    /// Let a channel go back to an older release
    #[arg(long)]
    pub(crate) allow_rollback: bool,
}

/// What the other side of the air gap has.
#[derive(Debug, Args)]
#[command(next_help_heading = "Archives")]
pub(crate) struct CarryArgs {
    /// Leave out of the archive what the other side has: the components of an earlier
    /// archive, of a list, or of a SPEC that is here; repeatable
    #[arg(long, value_name = "ARCHIVE|LIST|SPEC")]
    pub(crate) since: Vec<String>,
    /// Write down what the other side will have, for the next --since
    #[arg(long, value_name = "FILE")]
    pub(crate) carried: Option<PathBuf>,
}

/// What stays.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keeping")]
pub(crate) struct KeepArgs {
    /// Of each channel keep the N newest releases and delete the others: with prune,
    /// or after download and unpack
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep_latest: Option<u32>,
    /// Only say what prune would delete
    #[arg(long, requires = "keep_latest")]
    pub(crate) dry_run: bool,
}

/// A profile of rustup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileArg {
    /// Compiler, cargo and standard library
    Minimal,
    /// Also documentation, rustfmt and clippy
    Default,
    /// All there is
    Complete,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Minimal => Self::Minimal,
            ProfileArg::Default => Self::Default,
            ProfileArg::Complete => Self::Complete,
        }
    }
}

/// A compression of components, or of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatArg {
    /// The smaller files
    Xz,
    /// The older ones
    Gz,
    /// Both
    All,
    /// For list: an object for each release
    Json,
}

impl FormatArg {
    /// Which components that asks for, if it is about them.
    pub(crate) fn choice(self) -> Option<FormatChoice> {
        match self {
            Self::Xz => Some(FormatChoice::Xz),
            Self::Gz => Some(FormatChoice::Gz),
            Self::All => Some(FormatChoice::All),
            Self::Json => None,
        }
    }
}

const RUSTUP_EXAMPLES: &str = "\
Commands run in the order given; each is one of:
  download     fetch what SPEC and TARGET select, then fixup
  verify       check what is here of SPEC
  list         print what is here of SPEC
  all-targets  print the targets that rustup is known to be built for
  pack         put what is here of SPEC into --archive
  unpack       take installers out of --archive, then verify and fixup
  fixup        tell clients of the newest version that is here

SPEC is stable, X.Y.Z, latest or *. TARGET is a target triple, linux, windows or darwin,
all, or * for those that are here.

Installers have no signature: upstream vouches for them by its connection alone. --pin
takes only those whose digests you know.

Examples:
  romt rustup -s stable -t linux,windows download pack   and carry rustup.tar.gz over
  romt rustup unpack                                     once it is there";

/// Mirror rustup itself: its installers
///
/// Works in this directory, on the tree of romt for Python: rustup/.
#[derive(Debug, Args)]
#[command(after_help = RUSTUP_EXAMPLES, infer_long_args = true)]
pub(crate) struct RustupArgs {
    /// What to do, in this order
    #[arg(value_name = "COMMAND")]
    pub(crate) commands: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The directory of rustup
    #[arg(long, value_name = "DIR", default_value = "rustup")]
    pub(crate) dest: PathBuf,
    /// Where rustup comes from: an address or a directory
    /// [default: `RUSTUP_UPDATE_ROOT`, or where rustup gets its updates]
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The archive that pack writes and unpack reads
    #[arg(long, value_name = "FILE", default_value = "rustup.tar.gz")]
    pub(crate) archive: PathBuf,
    /// Take only installers whose digests are in this file, as sha256sum writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) pin: Option<PathBuf>,
    /// Take this list of targets for all, one a line
    #[arg(long, value_name = "FILE")]
    pub(crate) target_list: Option<PathBuf>,
    /// How list prints
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: ListFormat,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people
    #[default]
    Text,
    /// An object for each version
    Json,
}
