//! Archives with a sidecar, signed or not: writing both, and opening what is right.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use romt_core::{
    ErrorClass, Escaped, InvalidValue, Sha256Digest, Sha256Hasher,
    ports::{SignatureError, Signed},
    transfer::{ArchiveOutput, MAX_SIDECAR_SIZE, SIDECAR_ENDING, Sidecar},
};

use crate::{ArchiveFile, ArchiveInput, Operators};

/// What a sidecar's name has behind it where the signatures are.
const SIGNATURE_ENDING: &str = ".asc";

/// How much is hashed at once.
const PIECE: usize = 256 * 1024;

/// An archive being written whose [`Sidecar`] is written right after it.
///
/// What says the same of an older archive of the name is gone by then, and so are
/// signatures over it.
#[derive(Debug)]
pub struct SealedArchive {
    archive: ArchiveFile,
    path: PathBuf,
    kind: &'static str,
    hasher: Sha256Hasher,
}

impl SealedArchive {
    /// Begins an archive that is to be called `path` and carries a `kind` of thing.
    pub fn create(path: &Path, kind: &'static str) -> io::Result<Self> {
        Ok(Self {
            archive: ArchiveFile::create(path)?,
            path: path.to_owned(),
            kind,
            hasher: Sha256Hasher::new(),
        })
    }
}

impl Write for SealedArchive {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.archive.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.archive.flush()
    }
}

impl ArchiveOutput for SealedArchive {
    fn commit(self: Box<Self>) -> io::Result<()> {
        let Self {
            mut archive,
            path,
            kind,
            hasher,
        } = *self;
        // An archive that cannot be written leaves the older one with all that vouches for it.
        archive.settle()?;
        let beside = beside(&path, SIDECAR_ENDING);
        for old in [self::beside(&beside, SIGNATURE_ENDING), beside.clone()] {
            match fs::remove_file(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Box::new(archive).commit()?;
        let mut sidecar = ArchiveFile::create(&beside)?;
        sidecar.write_all(Sidecar::of(kind, hasher).render().as_bytes())?;
        Box::new(sidecar).commit()
    }
}

/// What vouches for an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seal {
    /// What the archive is.
    pub sidecar: Sidecar,
    /// Who has signed that, if it had to be.
    pub signed: Vec<Signed>,
}

/// Why an archive is not to be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A file cannot be read.
    #[error("could not read {}", Escaped::new(path.to_string_lossy().as_bytes()))]
    Read {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file that must be there is not.
    #[error("{} is missing, which must vouch for the archive", Escaped::new(path.to_string_lossy().as_bytes()))]
    Missing {
        /// Which one.
        path: PathBuf,
    },
    /// The sidecar is none.
    #[error("{} is unusable", Escaped::new(path.to_string_lossy().as_bytes()))]
    Invalid {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: InvalidValue,
    },
    /// The archive is not the one that the sidecar is of.
    #[error(
        "{archive} is not the archive that its sidecar is of: it has {size} bytes with the digest {digest}, and should have {} with {}",
        expected.size,
        expected.sha256
    )]
    Differs {
        /// The archive.
        archive: Escaped,
        /// Its size, in bytes.
        size: u64,
        /// Its digest.
        digest: Sha256Digest,
        /// What the sidecar says.
        expected: Box<Sidecar>,
    },
    /// The archive carries something else.
    #[error("{archive} carries {found}, not {expected}")]
    Kind {
        /// The archive.
        archive: Escaped,
        /// What it carries.
        found: Escaped,
        /// What was asked for.
        expected: &'static str,
    },
    /// The people who must sign have not.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// It was given up.
    #[error("interrupted")]
    Cancelled,
}

impl SealError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Read { source, .. } => match source.kind() {
                io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidInput => ErrorClass::Usage,
                _ => ErrorClass::Storage,
            },
            Self::Kind { .. } => ErrorClass::Usage,
            Self::Missing { .. } | Self::Invalid { .. } | Self::Differs { .. } => {
                ErrorClass::Integrity
            }
            Self::Signature(error) => error.class(),
            Self::Cancelled => ErrorClass::Partial,
        }
    }
}

/// Opens the archive called `path`, which carries a `kind` of thing, to be read from its
/// begin.
///
/// If a sidecar lies beside it, or if `operators` must have signed one, all of the
/// archive is read and compared with it first; nothing of it has been parsed by then.
/// `goes_on` is asked now and then whether to go on.
pub fn open_archive(
    path: &Path,
    kind: &'static str,
    operators: Option<&Operators>,
    goes_on: &dyn Fn() -> bool,
) -> Result<(ArchiveInput, Option<Seal>), SealError> {
    let failed = |source| SealError::Read {
        path: path.to_owned(),
        source,
    };
    let mut archive = ArchiveInput::open(path).map_err(failed)?;
    let at = beside(path, SIDECAR_ENDING);
    let Some(bytes) = read_small(&at)? else {
        return match operators {
            Some(_) => Err(SealError::Missing { path: at }),
            None => Ok((archive, None)),
        };
    };
    let signed = match operators {
        Some(operators) => {
            let signatures = beside(&at, SIGNATURE_ENDING);
            let found = read_small(&signatures)?;
            let found = found.ok_or(SealError::Missing { path: signatures })?;
            operators.check(&at.to_string_lossy(), &found, &bytes)?
        }
        None => Vec::new(),
    };
    let sidecar =
        Sidecar::parse(&bytes).map_err(|source| SealError::Invalid { path: at, source })?;
    let name = || Escaped::new(path.to_string_lossy().as_bytes());
    if sidecar.kind != kind {
        return Err(SealError::Kind {
            archive: name(),
            found: Escaped::new(&sidecar.kind),
            expected: kind,
        });
    }
    let (size, digest) = hash(&mut archive, goes_on)
        .map_err(failed)?
        .ok_or(SealError::Cancelled)?;
    if (size, digest) != (sidecar.size, sidecar.sha256) {
        return Err(SealError::Differs {
            archive: name(),
            size,
            digest,
            expected: Box::new(sidecar),
        });
    }
    archive.rewind().map_err(failed)?;
    Ok((archive, Some(Seal { sidecar, signed })))
}

/// The size and the digest of all of it, unless it was given up.
fn hash(
    archive: &mut ArchiveInput,
    goes_on: &dyn Fn() -> bool,
) -> io::Result<Option<(u64, Sha256Digest)>> {
    let mut hasher = Sha256Hasher::new();
    let mut piece = vec![0; PIECE];
    while goes_on() {
        match archive.read(&mut piece) {
            Ok(0) => return Ok(Some((hasher.length(), hasher.finish()))),
            Ok(count) => hasher.update(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// A small file, if it is there: at most one byte more than it may have.
fn read_small(path: &Path) -> Result<Option<Vec<u8>>, SealError> {
    let failed = |source| SealError::Read {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(meta) if !meta.is_file() => {
            let what = "it is not a regular file";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, what)));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        let mut file = file.take(MAX_SIDECAR_SIZE + 1);
        file.read_to_end(&mut bytes)
    });
    read.map_err(failed)?;
    Ok(Some(bytes))
}

/// `path` with something behind its name.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(ending);
    name.into()
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
