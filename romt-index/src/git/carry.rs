//! The bundle that an archive carries, as a file beside the repository.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use romt_core::ports::{
    BundleBranch, BundleFacts, ByteStream, IndexError, Position, SourceError, SourceErrorKind,
    StreamError,
};
use tokio::sync::mpsc;

use super::{
    GitIndex,
    error::Failures,
    objects::sync_directory,
    open::Opened,
    refs::{BUNDLE, Move, SHOWN},
    revision::position,
    seam,
    setup::BUNDLE_FILE,
};

const TAKE: &str = "take the bundle in";
const READ: &str = "read the bundle";

/// How much of a bundle is read at once, in bytes.
const PIECE: usize = 256 * 1024;

impl GitIndex {
    /// Where upstream is, as the repository's settings say, if they do.
    pub async fn origin(&self) -> Result<Option<String>, IndexError> {
        self.work(|opened| Ok(opened.settings("remote.origin.url").pop()))
            .await
    }

    /// Where the bundle lies that a pull takes in, or where one would.
    pub async fn bundle_path(&self) -> Result<PathBuf, IndexError> {
        self.work(super::open::Opened::bundle_path).await
    }

    /// Where a bundle goes that is packed: never where upstream's lies, unless that
    /// is in the mirror itself.
    pub(super) fn pack_path(&self) -> PathBuf {
        let chosen = self.inner.options.bundle_path.clone();
        chosen.unwrap_or_else(|| self.inner.directory.join(BUNDLE_FILE))
    }

    /// Writes what brings who is at `start` to `end`, to the file `path`: whole and
    /// durable, or not at all.
    pub async fn write_bundle_to(
        &self,
        start: Option<&Position>,
        end: &Position,
        branch: BundleBranch,
        path: &Path,
    ) -> Result<BundleFacts, IndexError> {
        let (start, end, path) = (start.cloned(), end.clone(), path.to_owned());
        self.work(move |opened| {
            let start = start.map(|start| opened.commit_at(&start)).transpose()?;
            let start = start.map(|commit| commit.id);
            let tip = opened.commit_at(&end)?.id;
            let name = match branch {
                BundleBranch::Master => SHOWN,
                BundleBranch::Bundle => {
                    let name = BUNDLE;
                    opened.move_refs(&[Move { name, to: tip }], "pack")?;
                    name
                }
            };
            seam::write_bundle(&opened.repo, &opened.index, start, tip, name, &path)
        })
        .await
    }

    /// Takes in what the bundle in the file `path` brings, after judging it, and
    /// says which state that is. No name moves.
    pub async fn take_bundle(&self, path: &Path) -> Result<Position, IndexError> {
        let path = path.to_owned();
        self.work(move |opened| {
            let incoming = seam::take_bundle(&opened.repo, &opened.index, &path)?;
            Ok(position(incoming.tip))
        })
        .await
    }

    /// The bundle that was packed last, with its length.
    pub(super) async fn open_bundle(&self) -> Result<(u64, ByteStream), IndexError> {
        let path = self.pack_path();
        let (file, size) = self
            .blocking(move |inner| {
                let opened = File::open(&path).and_then(|file| {
                    let size = file.metadata()?.len();
                    Ok((file, size))
                });
                opened.map_err(|error| Failures(&inner.name).at(READ, &path, error))
            })
            .await?;
        Ok((size, pieces(file, self.inner.name.clone())))
    }

    /// Writes a bundle beside the place where a pull looks for it, and takes it in.
    pub(super) async fn stage(&self, mut body: ByteStream) -> Result<Position, IndexError> {
        let path = self.staged_path().await?.0;
        let (to, from) = mpsc::channel(16);
        let writing = self.blocking({
            let path = path.clone();
            move |inner| {
                let written = write_pieces(&path, from);
                written.map_err(|error| Failures(&inner.name).at(TAKE, &path, error))
            }
        });
        let fed = async {
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| self.broke_off(error))?;
                // Nobody takes it any more if writing failed, which says why.
                if to.send(piece).await.is_err() {
                    break;
                }
            }
            drop(to);
            Ok(())
        };
        let (written, fed) = futures::join!(writing, fed);
        let staged = match fed.and(written) {
            Ok(()) => self.take_bundle(&path).await,
            Err(error) => Err(error),
        };
        if staged.is_err() {
            drop(tokio::task::spawn_blocking(move || fs::remove_file(path)).await);
        }
        staged
    }

    /// Removes the staged bundle, if there is one.
    pub(super) async fn discard(&self) -> Result<(), IndexError> {
        self.work(Opened::discard_staged_bundle).await
    }

    /// Moves the staged bundle to where a pull looks for it.
    pub(super) async fn keep(&self) -> Result<(), IndexError> {
        let (staged, path) = self.staged_path().await?;
        self.blocking(move |inner| {
            let moved = fs::rename(&staged, &path).and_then(|()| {
                let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
                sync_directory(parent.unwrap_or(Path::new(".")))
            });
            moved.map_err(|error| Failures(&inner.name).at(TAKE, &path, error))
        })
        .await
    }

    /// Where a bundle waits, and where a pull looks for it.
    async fn staged_path(&self) -> Result<(PathBuf, PathBuf), IndexError> {
        let chosen = self.inner.options.bundle_path.clone();
        self.work(move |opened| {
            let path = opened.import_path()?;
            let fail = Failures(&opened.index);
            let plain = |path: &Path| std::path::absolute(path).unwrap_or(path.to_owned());
            if chosen.is_some_and(|chosen| plain(&chosen) != plain(&path)) {
                let reason = "BUNDLE_PATH must match ``url`` for INDEX's ``origin`` remote";
                return Err(fail.usage(TAKE, reason));
            }
            Ok((staged(&path), path))
        })
        .await
    }

    fn broke_off(&self, error: StreamError) -> IndexError {
        Failures(&self.inner.name).class(TAKE, error.class(), error)
    }
}

/// Where the bundle waits that is to be called `path`.
fn staged(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".staged");
    path.with_file_name(name)
}

impl Opened {
    /// Removes a bundle that waits, if there is one.
    pub(super) fn discard_staged_bundle(&self) -> Result<(), IndexError> {
        // Where nothing is imported, nothing waits.
        let Ok(path) = self.import_path() else {
            return Ok(());
        };
        let path = staged(&path);
        match fs::remove_file(&path) {
            Err(error) if path.symlink_metadata().is_ok() => {
                Err(self.fail().at("remove a leftover", &path, error))
            }
            _ => Ok(()),
        }
    }
}

/// The bytes of an open file.
fn pieces(file: File, name: String) -> ByteStream {
    stream::unfold(Some(file), move |file| {
        let name = name.clone();
        async move {
            let mut file = file?;
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; PIECE];
                let count = file.read(&mut piece)?;
                piece.truncate(count);
                Ok::<_, std::io::Error>((piece, file))
            });
            let read = read.await.map_err(std::io::Error::other).flatten();
            match read {
                Ok((piece, _)) if piece.is_empty() => None,
                Ok((piece, file)) => Some((Ok(Bytes::from(piece)), Some(file))),
                Err(error) => {
                    let failed = SourceErrorKind::Failed;
                    let error = SourceError::new(failed, &name, "the bundle").with_source(error);
                    Some((Err(error.into()), None))
                }
            }
        }
    })
    .boxed()
}

fn write_pieces(path: &Path, mut from: mpsc::Receiver<Bytes>) -> std::io::Result<()> {
    // Never into what lies there: it may be a link.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(path)?;
    while let Some(piece) = from.blocking_recv() {
        file.write_all(&piece)?;
    }
    file.sync_all()
}
