//! The archive of a component, as rustup's installer takes it.
//!
//! ```text
//! {name}/rust-installer-version   "3"
//! {name}/components               the component, one line
//! {name}/{component}/manifest.in  a line `file:{path}` for each file
//! {name}/{component}/{path}       the files
//! ```

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use lzma_rust2::{XzOptions, XzWriter};
use romt_core::{Sha256Digest, Sha256Hasher};
use tar::{Builder, EntryType, Header};

/// A file of a component.
#[derive(Debug)]
pub(super) struct Entry {
    /// Where it is installed.
    pub(super) path: String,
    pub(super) content: Content,
    pub(super) is_executable: bool,
}

/// What is in a file.
#[derive(Debug)]
pub(super) enum Content {
    File(PathBuf),
    Text(String),
}

pub(super) fn is_executable(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o100 != 0)
}

/// Packs `entries` as the component `inside`, in a directory `name`, into `archive`,
/// which is there whole or not at all.
pub(super) fn pack(archive: &Path, name: &str, inside: &str, entries: &[Entry]) {
    let staged = archive.with_extension(format!("{}.part", std::process::id()));
    let written = write(&staged, name, inside, entries);
    written.unwrap_or_else(|error| panic!("{} cannot be packed: {error}", archive.display()));
    fs::rename(&staged, archive).expect("it is in the same directory");
}

fn write(to: &Path, name: &str, inside: &str, entries: &[Entry]) -> io::Result<()> {
    let file = BufWriter::new(File::create(to)?);
    // The fastest: nobody keeps it for long.
    let mut tar = Builder::new(XzWriter::new(file, XzOptions::with_preset(0))?);
    directory(&mut tar, name)?;
    text(&mut tar, &format!("{name}/rust-installer-version"), "3\n")?;
    text(
        &mut tar,
        &format!("{name}/components"),
        &format!("{inside}\n"),
    )?;
    directory(&mut tar, &format!("{name}/{inside}"))?;
    let mut list = String::new();
    for entry in entries {
        list.push_str("file:");
        list.push_str(&entry.path);
        list.push('\n');
    }
    text(&mut tar, &format!("{name}/{inside}/manifest.in"), &list)?;
    for parent in parents(entries) {
        directory(&mut tar, &format!("{name}/{inside}/{parent}"))?;
    }
    for entry in entries {
        let path = format!("{name}/{inside}/{}", entry.path);
        let mode = if entry.is_executable { 0o755 } else { 0o644 };
        match &entry.content {
            Content::Text(content) => {
                let size = content.len() as u64;
                append(
                    &mut tar,
                    &path,
                    EntryType::Regular,
                    mode,
                    size,
                    content.as_bytes(),
                )?;
            }
            Content::File(from) => {
                let from = File::open(from)?;
                let size = from.metadata()?.len();
                append(&mut tar, &path, EntryType::Regular, mode, size, from)?;
            }
        }
    }
    tar.into_inner()?.finish()?.into_inner()?.sync_all()
}

/// The directories above all `entries`, each after the one above it.
fn parents(entries: &[Entry]) -> BTreeSet<&str> {
    let mut all = BTreeSet::new();
    for entry in entries {
        let slashes = entry.path.match_indices('/');
        all.extend(slashes.map(|(end, _)| &entry.path[..end]));
    }
    all
}

fn directory<W: Write>(tar: &mut Builder<W>, path: &str) -> io::Result<()> {
    append(tar, path, EntryType::Directory, 0o755, 0, io::empty())
}

fn text<W: Write>(tar: &mut Builder<W>, path: &str, content: &str) -> io::Result<()> {
    let size = content.len() as u64;
    append(
        tar,
        path,
        EntryType::Regular,
        0o644,
        size,
        content.as_bytes(),
    )
}

fn append<W: Write>(
    tar: &mut Builder<W>,
    path: &str,
    kind: EntryType,
    mode: u32,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    tar.append_data(&mut header, path, content)
}

/// The digest of the file at `path`.
pub(super) fn digest_of(path: &Path) -> Sha256Digest {
    let mut file = File::open(path).expect("it was packed");
    let (mut hasher, mut buffer) = (Sha256Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).expect("it can be read") {
            0 => return hasher.finish(),
            read => hasher.update(&buffer[..read]),
        }
    }
}
