//! What the arguments of `romt toolchain` and `romt rustup` name, opened.

use std::{
    env, fs, io,
    path::{Path, absolute},
    sync::Arc,
};

use romt_core::{
    ErrorClass, InvalidValue, PartAt, Source, Store, defaults,
    dist::{DistOptions, SignaturePolicy},
    installers::{InstallerOptions, Pins},
    ports::SignatureVerifier,
    toolchain::{ComponentFilter, ReleaseDate, TargetChoice},
    transfer::{ArchiveOutput, Compression, GzipLevel},
};
use romt_store::{ArchiveFile, FsStore, OpenPgp};

use super::args::{CommonArgs, FormatArg, RustupArgs, SelectArgs, ToolchainArgs, TrustArgs};
use crate::{
    error::{CliError, shown},
    signals::Signals,
    upstream::source_at,
};

/// The longest file of keys, pins or names that is read, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// The store that DEST is in, and where in it. A directory of the usual name is part of
/// a mirror, whose other parts are beside it; any other is all there is.
/// Made if there is none and something is to be put there.
pub(super) fn store(
    dest: &Path,
    usual: &str,
    makes: bool,
) -> Result<(Arc<dyn Store>, PartAt), CliError> {
    let whole = absolute(dest).unwrap_or_else(|_| dest.to_owned());
    let (root, at) = match whole.parent() {
        Some(mirror) if whole.file_name().is_some_and(|name| name == usual) => {
            (mirror.to_owned(), PartAt::Directory)
        }
        _ => (whole, PartAt::Root),
    };
    let open = if makes {
        FsStore::create
    } else {
        FsStore::open
    };
    let store = open(&root).map_err(|error| {
        CliError::from_error(ErrorClass::Storage, &error)
            .with_help("--dest names the directory of the mirror")
    })?;
    Ok((Arc::new(store), at))
}

/// Where toolchains come from.
pub(super) fn dist_source(args: &ToolchainArgs) -> Result<Arc<dyn Source>, CliError> {
    let url = args.url.clone().unwrap_or_else(|| {
        let server = set("RUSTUP_DIST_SERVER");
        let server = server.as_deref().unwrap_or(defaults::DIST_SERVER);
        format!("{}/dist", server.trim_end_matches('/'))
    });
    source_at(&url, args.common.timeout)
}

/// Where rustup comes from.
pub(super) fn rustup_url(args: &RustupArgs) -> String {
    let url = args.url.clone().or_else(|| set("RUSTUP_UPDATE_ROOT"));
    url.unwrap_or_else(|| defaults::RUSTUP_UPDATE_ROOT.to_owned())
}

/// A variable of the environment, if it says anything.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// How a session over toolchains works.
pub(super) fn dist_options(
    args: &ToolchainArgs,
    signals: &Signals,
) -> Result<DistOptions, CliError> {
    let jobs = usize::try_from(args.common.num_jobs).unwrap_or(1);
    Ok(DistOptions::new(signatures(&args.trust)?)
        .with_components(components(&args.select)?, args.select.cross)
        .with_format(args.select.format.and_then(FormatArg::choice))
        .with_assume_ok(args.common.assume_ok)
        .with_allow_rollback(args.trust.allow_rollback)
        .with_jobs(jobs)
        .with_holder("romt toolchain")
        .with_cancel(signals.stop.clone()))
}

fn components(args: &SelectArgs) -> Result<ComponentFilter, CliError> {
    let filter = ComponentFilter::parse_all(&args.components);
    let filter = filter.map_err(|error| invalid(&error))?;
    Ok(filter.with_profile(args.profile.map(Into::into)))
}

/// What is asked of signatures. A verifier that cannot work is an error now, and not
/// when nobody looks.
fn signatures(args: &TrustArgs) -> Result<SignaturePolicy, CliError> {
    if args.no_signature {
        return Ok(SignaturePolicy::Ignored);
    }
    let usage = |error: &(dyn std::error::Error + 'static)| {
        CliError::from_error(ErrorClass::Usage, error)
            .with_help("--key-file names a file of public OpenPGP keys")
    };
    let mut verifier = match &args.key_file {
        None => OpenPgp::rust_release().map_err(|error| usage(&error))?,
        Some(path) => {
            let bytes = read(path)?;
            OpenPgp::from_key_file(&bytes).map_err(|error| usage(&error))?
        }
    };
    if let Some(date) = &args.allow_sha1_before {
        let date: ReleaseDate = date.parse().map_err(|error| invalid(&error))?;
        let time = u32::try_from(date.begins_at()).unwrap_or(u32::MAX);
        verifier = verifier.with_sha1_before(time);
    }
    let verifier: Arc<dyn SignatureVerifier> = Arc::new(verifier);
    Ok(if args.warn_signature {
        SignaturePolicy::Warn(verifier)
    } else {
        SignaturePolicy::Required(verifier)
    })
}

/// How a session over rustup works.
pub(super) fn installer_options(
    args: &RustupArgs,
    signals: &Signals,
) -> Result<InstallerOptions, CliError> {
    let jobs = usize::try_from(args.common.num_jobs).unwrap_or(1);
    let pins = match &args.pin {
        None => Pins::default(),
        Some(path) => Pins::parse(&text(path)?).map_err(|error| invalid(&error))?,
    };
    Ok(InstallerOptions::default()
        .with_pins(pins)
        .with_assume_ok(args.common.assume_ok)
        .with_jobs(jobs)
        .with_holder("romt rustup")
        .with_cancel(signals.stop.clone()))
}

/// The targets that are asked for.
pub(super) fn targets(args: &CommonArgs) -> Result<Option<TargetChoice>, CliError> {
    let choice = TargetChoice::parse_all(&args.targets).map_err(|error| invalid(&error))?;
    let is_none = matches!(&choice, TargetChoice::Named(names) if names.is_empty());
    Ok((!is_none).then_some(choice))
}

/// A SPEC that is none, in the words of romt for Python; what would be one is help.
pub(super) fn invalid_spec(error: &InvalidValue) -> CliError {
    let text = error.to_string();
    match text.split_once("': ") {
        Some((what, reason)) => CliError::usage(format!("{what}'")).with_help(reason),
        None => invalid(error),
    }
}

/// What is asked for is none.
pub(super) fn invalid(error: &InvalidValue) -> CliError {
    CliError::from_error(ErrorClass::Usage, error)
}

/// What is asked for, or the error of romt for Python.
pub(super) fn required<T>(specs: &[T]) -> Result<&[T], CliError> {
    if specs.is_empty() {
        return Err(CliError::usage("missing required SPEC; try --select"));
    }
    Ok(specs)
}

/// The bytes of a file that the user names.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CliError> {
    use io::Read as _;
    let failed = |error: &io::Error| {
        CliError::usage(format!("could not read {}", shown(path))).caused_by(error)
    };
    let file = fs::File::open(path).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_FILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        let path = shown(path);
        return Err(CliError::usage(format!(
            "{path} is larger than the limit of {MAX_FILE} bytes"
        )));
    }
    Ok(bytes)
}

/// The text of a file that the user names.
pub(super) fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read(path)?)
        .map_err(|_| CliError::usage(format!("{} is not UTF-8", shown(path))))
}

/// Writes a small file that has its name once it is whole.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use io::Write as _;
    let written = ArchiveFile::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        Box::new(file).commit()
    });
    written.map_err(|error| CliError::from_io("write", shown(path), &error))
}

/// Like romt for Python, a name that does not end in `.gz` is that of a plain tar.
pub(super) fn compression(
    archive: &Path,
    level: Option<u8>,
    usual: u8,
) -> Result<Compression, CliError> {
    if archive.extension().is_none_or(|end| end != "gz") {
        return Ok(Compression::None);
    }
    GzipLevel::new(level.unwrap_or(usual))
        .map(Compression::Gzip)
        .map_err(|error| invalid(&error))
}
