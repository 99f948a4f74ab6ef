//! A part of a file, for any number of readers at a time.

use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};

/// Bytes of a file that do not change. They can be read as long as this is there,
/// whatever becomes of the file's name.
#[derive(Clone, Debug)]
pub(in crate::git) struct Stretch {
    pub(in crate::git) file: Arc<File>,
    pub(in crate::git) start: u64,
    pub(in crate::git) length: u64,
}

impl Stretch {
    /// Reads it from its beginning.
    pub(in crate::git) fn read(&self) -> impl Read + Send + use<> {
        Reading(self.clone())
    }
}

/// What is still to be read.
struct Reading(Stretch);

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Stretch {
            file,
            start,
            length,
        } = &mut self.0;
        let size = usize::try_from(*length).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = read_at(file, &mut buffer[..size], *start)?;
        *start += read as u64;
        *length -= read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn readers_do_not_disturb_one_another() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let stretch = Stretch {
            file: Arc::new(file),
            start: 2,
            length: 6,
        };
        let mut readers = [stretch.read(), stretch.read()];
        let mut bytes = [0; 4];
        for expected in [b"2345", b"67\0\0"] {
            for reader in &mut readers {
                bytes.fill(0);
                let _ = reader.read(&mut bytes).unwrap();
                assert_eq!(&bytes, expected);
            }
        }
        assert_eq!(readers[0].read(&mut bytes).unwrap(), 0);
    }
}
