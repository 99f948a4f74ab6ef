//! Making an archive of crates.

use std::io::{Read, Write};

use super::{
    ArchiveFormat, ArchiveWriteError, BUNDLE_MEMBER, Compression, FORMAT_MEMBER, TreeWriter, member,
};
use crate::{CrateName, Version};

/// Writes a `crates.tar.gz`.
///
/// First the [bundle](Self::bundle), then each [crate](Self::crate_file), in an
/// order that is for the caller to fix: by name and version, as plain text. The
/// same members in the same order make the same bytes, as [`TreeWriter`] says.
///
/// Any tar reads it, and romt for Python does.
pub struct ArchiveWriter<W: Write> {
    tree: TreeWriter<W>,
    format: ArchiveFormat,
    has_bundle: bool,
}

impl<W: Write> std::fmt::Debug for ArchiveWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArchiveWriter")
            .field("format", &self.format)
            .field("tree", &self.tree)
            .finish_non_exhaustive()
    }
}

impl<W: Write> ArchiveWriter<W> {
    /// Begins an archive on `output`.
    pub fn new(
        output: W,
        format: ArchiveFormat,
        compression: Compression,
    ) -> Result<Self, ArchiveWriteError> {
        let mut tree = TreeWriter::new(output, compression);
        let content = format!("{}\n", format.number());
        tree.file(FORMAT_MEMBER, content.len() as u64, content.as_bytes())?;
        Ok(Self {
            tree,
            format,
            has_bundle: false,
        })
    }

    /// Adds the index, `size` bytes of a bundle.
    pub fn bundle(&mut self, size: u64, input: impl Read) -> Result<(), ArchiveWriteError> {
        if self.has_bundle {
            return Err(ArchiveWriteError::Misused("the bundle is there already"));
        }
        if size == 0 {
            return Err(ArchiveWriteError::Refused {
                member: BUNDLE_MEMBER.to_owned(),
                reason: "it is empty",
            });
        }
        // If it fails, nothing more can be written anyway.
        self.has_bundle = true;
        self.tree.file(BUNDLE_MEMBER, size, input)
    }

    /// Adds the `.crate` file of a version, which has `size` bytes.
    pub fn crate_file(
        &mut self,
        name: &CrateName,
        version: &Version,
        size: u64,
        input: impl Read,
    ) -> Result<(), ArchiveWriteError> {
        if !self.has_bundle {
            let reason = "the bundle comes before the crates";
            return Err(ArchiveWriteError::Misused(reason));
        }
        let path = member::crate_path(self.format, name, version);
        self.tree.file(&path, size, input)
    }

    /// Ends the archive and returns what it was written to.
    pub fn finish(self) -> Result<W, ArchiveWriteError> {
        if !self.has_bundle {
            return Err(ArchiveWriteError::Misused("the bundle is missing"));
        }
        self.tree.finish()
    }
}
