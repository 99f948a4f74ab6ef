//! Archives that somebody answers for: the options, and what they do.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use romt_core::{ErrorClass, transfer::ArchiveOutput};
use romt_store::{
    ArchiveFile, ArchiveInput, KeyFileError, Operators, Seal, SealError, SealedArchive,
    open_archive,
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::{CliError, shown},
    report::Out,
};

/// The largest file of public keys, in bytes.
const MAX_KEYS: u64 = 1 << 20;

/// Who answers for archives.
#[derive(Debug, Args)]
#[command(next_help_heading = "Archives")]
pub(crate) struct SealArgs {
    /// With pack: write ARCHIVE.romt.json too, which says what the archive must be
    #[arg(long)]
    pub(crate) sidecar: bool,
    /// With unpack: take only what the owners of the public keys in this file have
    /// signed, in ARCHIVE.romt.json.asc; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) operator_key: Vec<PathBuf>,
    /// How many of them must have signed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "operator_key",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub(crate) operator_signatures: u16,
}

impl SealArgs {
    /// What begins an archive at `path` that carries a `kind` of thing.
    pub(crate) fn create(
        &self,
        path: &Path,
        kind: &'static str,
    ) -> impl FnOnce() -> io::Result<Box<dyn ArchiveOutput>> + Send + use<> {
        let (path, sealed) = (path.to_owned(), self.sidecar);
        move || {
            Ok(if sealed {
                Box::new(SealedArchive::create(&path, kind)?) as Box<dyn ArchiveOutput>
            } else {
                Box::new(ArchiveFile::create(&path)?)
            })
        }
    }

    /// Opens the archive at `path`, which carries a `kind` of thing, once it is known to
    /// be what those say who answer for it.
    pub(crate) async fn open(
        &self,
        path: &Path,
        kind: &'static str,
        out: &Out,
    ) -> Result<Box<dyn io::Read + Send>, CliError> {
        let operators = self.operators()?;
        let at = path.to_owned();
        // It may be gigabytes on a slow disk. Ctrl-C drops this, which ends it.
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        let opening = tokio::task::spawn_blocking(move || {
            let goes_on = || !stop.is_cancelled();
            open_archive(&at, kind, operators.as_ref(), &goes_on)
        });
        let opened = match opening.await {
            Ok(opened) => opened,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        let (archive, seal) = opened.map_err(|error| refused(&error, path))?;
        if let Some(seal) = seal {
            tell(&seal, out);
        }
        Ok(Box::new(archive))
    }

    /// Those who must have signed, if anybody must.
    fn operators(&self) -> Result<Option<Operators>, CliError> {
        if self.operator_key.is_empty() {
            return Ok(None);
        }
        let keys = self.operator_key.iter().map(|path| read_keys(path));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        let operators = Operators::new(keys, self.operator_signatures.into());
        operators
            .map(Some)
            .map_err(|error: KeyFileError| CliError::from_error(error.class(), &error))
    }
}

/// Opens an archive of one's own to be looked at.
pub(crate) fn open_own(path: &Path) -> Result<Box<dyn io::Read + Send>, CliError> {
    let archive = ArchiveInput::open(path).map_err(|error| unopened(path, &error))?;
    Ok(Box::new(archive))
}

fn read_keys(path: &Path) -> Result<Vec<u8>, CliError> {
    let failed = |error: &io::Error| {
        CliError::usage(format!("could not read {}", shown(path))).caused_by(error)
    };
    let size = std::fs::metadata(path)
        .map_err(|error| failed(&error))?
        .len();
    if size > MAX_KEYS {
        let path = shown(path);
        let reason = format!("{path} is larger than the limit of {MAX_KEYS} bytes for public keys");
        return Err(CliError::usage(reason));
    }
    std::fs::read(path).map_err(|error| failed(&error))
}

fn tell(seal: &Seal, out: &Out) {
    out.say(2, "the archive is the one that its sidecar is of");
    for signed in &seal.signed {
        out.say(1, format_args!("signed by {}", signed.primary));
        for note in &signed.notes {
            out.say(0, format_args!("warning: {note}"));
        }
    }
}

fn unopened(path: &Path, error: &io::Error) -> CliError {
    let name = shown(path);
    CliError::usage(format!("could not open the archive {name}")).caused_by(error)
}

fn refused(error: &SealError, path: &Path) -> CliError {
    if let SealError::Read {
        path: failed,
        source,
    } = error
        && failed == path
        && error.class() == ErrorClass::Usage
    {
        return unopened(path, source);
    }
    let this = CliError::from_error(error.class(), error);
    match error {
        SealError::Differs { .. } | SealError::Invalid { .. } => this
            .with_note("nothing of the archive was read")
            .with_help("copy the archive and what lies beside it again, or pack it again"),
        SealError::Missing { .. } | SealError::Signature(_) => this
            .with_note("nothing of the archive was read")
            .with_help("pack with --sidecar, then: gpg --armor --detach-sign ARCHIVE.romt.json"),
        _ => this,
    }
}
