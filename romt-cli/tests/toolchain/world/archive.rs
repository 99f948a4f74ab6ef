//! Archives, read and made by hand.

use std::{fs::File, io::Read as _, path::Path};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tar::{Archive, Builder, Header};

/// The members of an archive, in their order, with their bytes.
pub(crate) fn members(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let file = File::open(archive).unwrap();
    let mut archive = Archive::new(GzDecoder::new(file));
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, content)
    });
    members.collect()
}

/// Makes an archive of these members.
pub(crate) fn pack(archive: &Path, members: &[(String, Vec<u8>)]) {
    let file = File::create(archive).unwrap();
    let mut tar = Builder::new(GzEncoder::new(file, Compression::fast()));
    for (path, content) in members {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, &content[..]).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap();
}
