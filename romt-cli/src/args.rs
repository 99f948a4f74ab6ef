//! The command line.

use std::{ffi::OsStr, fmt, marker::PhantomData, path::PathBuf, str::FromStr};

use clap::{
    ArgAction, Args, Parser, Subcommand, ValueEnum, builder::TypedValueParser, error::ErrorKind,
};
use romt_core::toolchain::ReleaseDate;
use romt_core::{CrateRequest, crates::DownloadTemplate};
use romt_server::{BaseUrl, CheckArg, FrontArgs, TokenName};

use crate::{
    dist::args::{RustupArgs, ToolchainArgs},
    full::args::CrateArgs,
};

const EXAMPLES: &str = "\
Examples:
  romt up                          mirror what the nearest Cargo.lock needs, and serve it
  romt up --crate serde@1 --crate tokio
                                   mirror two crates and all that they depend on
  romt serve --mirror /media/disk  serve a mirror that was carried here
  romt client-config --write       point the project in this directory at the mirror
  romt crate export                carry what is new in the whole registry
  romt toolchain -s stable -t linux download pack
                                   carry a toolchain; `romt rustup` carries rustup

Exit status: 0 done, 1 some items failed and were held back, 2 bad usage, 3 a digest
differs, 4 refused, 5 the disk failed, 6 another romt is writing, 7 upstream failed,
8 a bug in romt, 130 or 143 interrupted.";

/// Use Rust where there is no internet.
///
/// Mirrors the crates that your projects need, verified, and serves them to
/// unmodified cargo.
#[derive(Debug, Parser)]
#[command(name = "romt", version, after_help = EXAMPLES, propagate_version = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What romt says, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Say nothing but errors; twice: not even those
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) quiet: u8,
    /// Say more: each crate; twice: what the library does
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How messages are written
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people: bars on a terminal, else lines
    #[default]
    Text,
    /// For programs: a JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Mirror what a project needs, and serve it
    Up(Box<UpArgs>),
    /// Serve a mirror, with no connection to anywhere
    Serve(ServeArgs),
    /// Print, or install, the lines that point cargo at a mirror
    ClientConfig(ClientConfigArgs),
    /// Make tokens for a mirror that not everybody may read
    Token(TokenArgs),
    /// Mirror a whole registry, or what filters select of it
    Crate(Box<CrateArgs>),
    /// Mirror toolchains, as rustup installs them
    Toolchain(Box<ToolchainArgs>),
    /// Mirror rustup itself: its installers
    Rustup(Box<RustupArgs>),
}

const UP_EXAMPLES: &str = "\
Examples:
  romt up                              the nearest Cargo.lock, served at http://127.0.0.1:8000
  romt up --lockfile a/Cargo.lock --lockfile b/Cargo.lock --mirror /media/disk --no-serve
  romt up --crate serde@1 --crate tokio
  romt up --offline                    serve what is here
  romt up --index-url ~/.cargo         mirror what cargo has downloaded already

Run it again whenever you like: it asks upstream only for what changed. If that fails,
what was there is served all the same, and the exit status after Ctrl-C says how it
failed.";

/// Mirror what a project needs, and serve it
///
/// Takes exactly the registry packages of the lock files, for all targets, and
/// the closure of each --crate. With neither, the nearest Cargo.lock is taken,
/// upwards from here. What the mirror holds already stays in it.
#[derive(Debug, Args)]
#[command(after_help = UP_EXAMPLES)]
pub(crate) struct UpArgs {
    /// A Cargo.lock whose packages belong in the mirror; repeatable
    #[arg(long = "lockfile", value_name = "PATH", conflicts_with = "offline")]
    pub(crate) lockfiles: Vec<PathBuf>,
    /// A crate that belongs in the mirror with all that it depends on; repeatable
    #[arg(long = "crate", value_name = "NAME[@REQ]", conflicts_with = "offline")]
    pub(crate) crates: Vec<CrateRequest>,
    /// Where the mirror is
    #[arg(
        long,
        value_name = "DIR",
        default_value = "mirror",
        env = "ROMT_MIRROR"
    )]
    pub(crate) mirror: PathBuf,
    /// Serve what is there and open no connection
    #[arg(long, conflicts_with = "no_serve")]
    pub(crate) offline: bool,
    /// Stop when the mirror is up to date, without serving it
    #[arg(long)]
    pub(crate) no_serve: bool,
    #[command(flatten)]
    pub(crate) upstream: UpstreamArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

/// Where crates come from, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Upstream")]
pub(crate) struct UpstreamArgs {
    /// The sparse index to mirror from: an address, a directory, or a cargo home
    #[arg(long, value_name = "URL", default_value = romt_core::defaults::SPARSE_INDEX,
          hide_default_value = true)]
    pub(crate) index_url: String,
    /// Where the crates are, if not where the index says; the markers are {crate},
    /// {version}, {prefix}, {lowerprefix} and {sha256-checksum}
    #[arg(long, value_name = "TEMPLATE", value_parser = Discreet::<DownloadTemplate>::new())]
    pub(crate) crates_url: Option<DownloadTemplate>,
    /// Take crates that this cargo home has downloaded already from there
    #[arg(long, value_name = "DIR")]
    pub(crate) cargo_home: Option<PathBuf>,
    /// How many downloads run at once, 1 to 64
    #[arg(short = 'j', long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) num_jobs: u8,
    /// How many seconds of silence end an attempt
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: u64,
    /// How often a failed request is made again
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) retries: u32,
    /// The proxy to go through; otherwise `HTTP_PROXY`, `HTTPS_PROXY`,
    /// `ALL_PROXY` and `NO_PROXY` of the environment count
    // Parsed by us: clap would show the password of an address that is no URL.
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Trust the certificate authorities in this PEM file too; `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` replace the system's
    #[arg(long, value_name = "FILE", env = "CARGO_HTTP_CAINFO")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Allow an upstream that is neither encrypted nor on this machine, and an
    /// encrypted one whose crates are at such an address
    #[arg(long)]
    pub(crate) allow_http: bool,
}

/// Where to listen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ListenArgs {
    /// The address to listen on; 0.0.0.0 is every one of this machine
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub(crate) bind: String,
    /// The port to listen on; 0 chooses a free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    pub(crate) port: u16,
    /// The address that clients reach the server at, if a proxy stands before it
    #[arg(long, value_name = "URL", value_parser = Discreet::<BaseUrl>::new())]
    pub(crate) server_url: Option<BaseUrl>,
    #[command(flatten)]
    pub(crate) front: FrontArgs,
}

/// Serve a mirror, with no connection to anywhere
///
/// The mirror may be synced by another romt meanwhile; what that publishes is
/// noticed within a second.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where the mirror is; by default this directory if it is one, else ./mirror
    #[arg(long, value_name = "DIR", env = "ROMT_MIRROR")]
    pub(crate) mirror: Option<PathBuf>,
    /// Say what clients would be missing, and exit; with `=full` every byte is read
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
          default_missing_value = "present")]
    pub(crate) check: Option<CheckArg>,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

const CLIENT_EXAMPLES: &str = "\
Examples:
  romt client-config                   print the lines
  romt client-config --write           put them into ./.cargo/config.toml
  romt client-config --url http://mirror.example:8000 --write ~/project";

/// Print, or install, the lines that point cargo at a mirror
#[derive(Debug, Args)]
#[command(after_help = CLIENT_EXAMPLES)]
pub(crate) struct ClientConfigArgs {
    /// The mirror's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000",
          value_parser = Discreet::<BaseUrl>::new())]
    pub(crate) url: BaseUrl,
    /// Put the lines into the .cargo/config.toml of the project in DIR
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".")]
    pub(crate) write: Option<PathBuf>,
    /// Replace another mirror or registry that the project's configuration names
    #[arg(long, requires = "write")]
    pub(crate) force: bool,
}

const TOKEN_EXAMPLES: &str = "\
Examples:
  romt token new --name ci --file tokens.txt
  romt token new --name anna --file tokens.txt --expires 2027-01-01
  romt serve --token-file tokens.txt";

/// Make tokens for a mirror that not everybody may read
#[derive(Debug, Args)]
#[command(after_help = TOKEN_EXAMPLES)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, print it once, and add its SHA-256 to a file
    ///
    /// A running server takes it in within a second. To take it back, remove its line.
    New(NewTokenArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NewTokenArgs {
    /// What the log says of who comes with it
    #[arg(long)]
    pub(crate) name: TokenName,
    /// The file of `romt serve --token-file`; made, for its owner alone, if there is none
    #[arg(long, value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The day, in UTC, from which on it is not valid any more
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub(crate) expires: Option<ReleaseDate>,
}

/// Parses an address. Where it is refused, clap would quote it with the password
/// in it; this leaves that to the error, which knows better.
#[derive(Clone)]
struct Discreet<T>(PhantomData<fn() -> T>);

impl<T> Discreet<T> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> TypedValueParser for Discreet<T>
where
    T: FromStr<Err: fmt::Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        value.to_string_lossy().parse().map_err(|error| {
            let arg = arg.map(ToString::to_string).unwrap_or_default();
            let message = format!("invalid value for '{arg}': {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
