//! Regular files of this machine, as bodies.

use std::{
    fs::{File, Metadata, OpenOptions as FileOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use romt_core::{
    Location,
    ports::{
        ByteStream, Fetched, OpenOptions, Opened, SourceError, SourceErrorKind, StreamError,
        Validator, once,
    },
};

/// How much is read at once.
const PIECE: u64 = 256 * 1024;

/// Opens the regular file at `path`, if it lies below `inside`, whatever links
/// there are on the way.
pub(crate) async fn open(
    inside: &Path,
    path: PathBuf,
    place: &Location,
    options: OpenOptions,
) -> Result<Opened, SourceError> {
    let (inside, place) = (inside.to_owned(), place.clone());
    blocking(&place.clone(), move || {
        let (file, meta) = regular_file(&inside, &path, &place)?;
        let validator = validator(&meta);
        if options.if_changed.is_some() && options.if_changed == validator {
            return Ok(Opened::Unchanged);
        }
        let size = meta.len();
        let resumed = options
            .resume
            .filter(|resume| Some(&resume.validator) == validator.as_ref());
        let offset = resumed.map_or(0, |resume| resume.offset);
        let offset = if offset <= size { offset } else { 0 };
        Ok(Opened::Body(Fetched {
            body: body(file, offset, size, &place)?,
            offset,
            size: Some(size),
            validator,
        }))
    })
    .await
}

/// Reads the whole regular file at `path`, which may have up to `limit` bytes.
pub(crate) async fn read(
    inside: &Path,
    path: PathBuf,
    place: &Location,
    limit: u64,
) -> Result<(Bytes, Option<Validator>), SourceError> {
    let (inside, place) = (inside.to_owned(), place.clone());
    blocking(&place.clone(), move || {
        let (file, meta) = regular_file(&inside, &path, &place)?;
        if meta.len() > limit {
            let reason = format!("it is larger than the limit of {limit} bytes");
            return Err(SourceError::new(SourceErrorKind::Refused, &place, reason));
        }
        let mut file = file;
        let bytes = read_piece(&mut file, meta.len()).map_err(|error| failed(error, &place))?;
        if bytes.len() as u64 != meta.len() {
            return Err(changed(&place));
        }
        Ok((bytes, validator(&meta)))
    })
    .await
}

/// The size of the regular file at `path`.
pub(crate) async fn size(
    inside: &Path,
    path: PathBuf,
    place: &Location,
) -> Result<u64, SourceError> {
    let (inside, place) = (inside.to_owned(), place.clone());
    blocking(&place.clone(), move || {
        let (_, meta) = regular_file(&inside, &path, &place)?;
        Ok(meta.len())
    })
    .await
}

async fn blocking<T: Send + 'static>(
    place: &Location,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            let reason = "the reading of it was cut short";
            Err(SourceError::new(SourceErrorKind::Failed, place, reason).with_source(error))
        }
    }
}

fn regular_file(
    inside: &Path,
    path: &Path,
    place: &Location,
) -> Result<(File, Metadata), SourceError> {
    let refused = |reason| SourceError::new(SourceErrorKind::Refused, place, reason);
    let real = path.canonicalize().map_err(|error| failed(error, place))?;
    let root = inside
        .canonicalize()
        .map_err(|error| failed(error, place))?;
    if !real.starts_with(&root) {
        return Err(refused("a link leads out of the directory"));
    }
    // Looked at before it is opened: a directory cannot be, everywhere.
    let meta = real.metadata().map_err(|error| failed(error, place))?;
    if !meta.is_file() {
        return Err(refused("it is no regular file"));
    }
    let file = file_options()
        .open(&real)
        .map_err(|error| failed(error, place))?;
    // And after: only this is about what will be read.
    let meta = file.metadata().map_err(|error| failed(error, place))?;
    if !meta.is_file() {
        return Err(refused("it is no regular file"));
    }
    Ok((file, meta))
}

fn file_options() -> FileOptions {
    let mut options = FileOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        // Opening a pipe that came between would otherwise wait for a writer.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        options.custom_flags(flags.bits().cast_signed());
    }
    options
}

fn validator(meta: &Metadata) -> Option<Validator> {
    let modified = meta.modified().ok()?;
    let modified = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    #[cfg(unix)]
    let more = {
        use std::os::unix::fs::MetadataExt as _;
        format!("-{}.{:09}-{}", meta.ctime(), meta.ctime_nsec(), meta.ino())
    };
    #[cfg(not(unix))]
    let more = "";
    Validator::new(&format!(
        "file: {}-{}{more}",
        meta.len(),
        modified.as_nanos()
    ))
}

fn body(
    mut file: File,
    offset: u64,
    size: u64,
    place: &Location,
) -> Result<ByteStream, SourceError> {
    if offset > 0 {
        file.seek(SeekFrom::Start(offset))
            .map_err(|error| failed(error, place))?;
    }
    let left = size - offset;
    if left <= PIECE {
        let bytes = read_piece(&mut file, left).map_err(|error| failed(error, place))?;
        if bytes.len() as u64 != left {
            return Err(changed(place));
        }
        return Ok(once(bytes));
    }
    let state = (file, left, place.clone());
    let pieces = stream::try_unfold(state, |(mut file, left, place)| async move {
        if left == 0 {
            return Ok(None);
        }
        let wanted = left.min(PIECE);
        let blamed = place.clone();
        let (file, bytes) = blocking(&place, move || {
            let bytes = read_piece(&mut file, wanted).map_err(|error| failed(error, &blamed))?;
            Ok((file, bytes))
        })
        .await?;
        if bytes.len() as u64 != wanted {
            return Err(changed(&place).into());
        }
        Ok::<_, StreamError>(Some((bytes, (file, left - wanted, place))))
    });
    Ok(pieces.boxed())
}

/// Reads up to `wanted` bytes; fewer only at the end of the file.
fn read_piece(file: &mut File, wanted: u64) -> io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
    file.take(wanted).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn changed(place: &Location) -> SourceError {
    let reason = "the file changed while it was read";
    SourceError::new(SourceErrorKind::Transient, place, reason)
}

fn failed(error: io::Error, place: &Location) -> SourceError {
    let (kind, reason) = match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput => (SourceErrorKind::NotFound, "there is no such file"),
        io::ErrorKind::PermissionDenied => (SourceErrorKind::Denied, "the file may not be read"),
        _ => (SourceErrorKind::Failed, "the file could not be read"),
    };
    SourceError::new(kind, place, reason).with_source(error)
}
