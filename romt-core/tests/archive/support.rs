//! A tar builder that can build wrong tars, and what a reader makes of one.

use std::io::{Cursor, Read as _, Write as _};

use romt_core::{
    ErrorClass, Escaped, Sha256Digest, Sha256Hasher,
    transfer::{ArchiveError, ArchiveLimits, ArchiveReader, Member},
};

pub(crate) const BLOCK: usize = 512;
pub(crate) const BUNDLE: &str = "git/crates.io-index/origin.bundle";
pub(crate) const SERDE: &str = "crates/se/rd/serde/serde-1.0.0.crate";

/// A header of which each field can be set to anything.
#[derive(Clone)]
pub(crate) struct Header(pub(crate) [u8; BLOCK]);

impl Header {
    pub(crate) fn new(name: impl AsRef<[u8]>, kind: u8, size: usize) -> Self {
        let mut header = Self([0; BLOCK]);
        header = header.set(0, name.as_ref());
        for (at, text) in [
            (100, "0000644\0"),
            (108, "0001750\0"),
            (116, "0001750\0"),
            (136, "14371573540\0"),
            (265, "someone"),
            (297, "somegroup"),
            (329, "0000000\0"),
            (337, "0000000\0"),
        ] {
            header = header.set(at, text);
        }
        header.0[156] = kind;
        header
            .set(124, format!("{size:011o}\0"))
            .set(257, b"ustar\x0000")
    }

    pub(crate) fn gnu(self) -> Self {
        self.set(257, b"ustar  \0")
    }

    pub(crate) fn set(mut self, at: usize, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self.sealed()
    }

    pub(crate) fn sealed(mut self) -> Self {
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|&byte| u32::from(byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }
}

/// A tar, member by member.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    /// With the format and the bundle that each archive begins with.
    pub(crate) fn begun() -> Self {
        Self::default()
            .file("ARCHIVE_FORMAT", "2\n")
            .file(BUNDLE, "a bundle")
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, data: impl AsRef<[u8]>) -> Self {
        let header = Header::new(name, b'0', data.as_ref().len());
        self.member(&header, data)
    }

    pub(crate) fn member(mut self, header: &Header, data: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(&header.0);
        self.0.extend_from_slice(data.as_ref());
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        let data: String = records.iter().map(|it| pax_record(it.0, it.1)).collect();
        self.pax_raw(data)
    }

    pub(crate) fn pax_raw(self, data: impl AsRef<[u8]>) -> Self {
        let header = Header::new("././@PaxHeader", b'x', data.as_ref().len());
        self.member(&header, data)
    }

    pub(crate) fn long_name(self, data: impl AsRef<[u8]>) -> Self {
        let header = Header::new("././@LongLink", b'L', data.as_ref().len()).gnu();
        self.member(&header, data)
    }

    /// With the two blocks at the end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

pub(crate) fn pax_record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while format!("{length}{rest}").len() != length {
        length = format!("{length}{rest}").len();
    }
    format!("{length}{rest}")
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// What a reader sees of a member: its name, size and digest.
pub(crate) type Row = (String, u64, Sha256Digest);

/// Reads an archive to its end as its user would.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Row>, ArchiveError> {
    read_within(bytes, ArchiveLimits::default())
}

pub(crate) fn read_within(bytes: &[u8], limits: ArchiveLimits) -> Result<Vec<Row>, ArchiveError> {
    let input = Cursor::new(bytes.to_vec());
    let mut reader = ArchiveReader::open(input, "to/update.tar", limits)?;
    let style = reader.format().prefix_style();
    let mut rows = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let path = match &entry.member {
            Member::Bundle => BUNDLE.to_owned(),
            Member::Crate { name, version } => {
                let prefix = name.prefix(style);
                format!("crates/{prefix}/{name}/{name}-{version}.crate")
            }
        };
        assert_eq!(entry.place.name(), Some(&Escaped::new(&path)));
        let mut hasher = Sha256Hasher::new();
        let mut buffer = [0; 1000];
        loop {
            match reader.read_data(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        assert_eq!(hasher.length(), entry.size);
        rows.push((path, entry.size, hasher.finish()));
    }
    Ok(rows)
}

/// The message about an archive that must be refused, the same twice.
#[track_caller]
pub(crate) fn refused(bytes: &[u8]) -> String {
    refused_within(bytes, &ArchiveLimits::default())
}

#[track_caller]
pub(crate) fn refused_within(bytes: &[u8], limits: &ArchiveLimits) -> String {
    let error = read_within(bytes, limits.clone()).expect_err("the archive must be refused");
    assert_eq!(error.class(), ErrorClass::Refused, "{error}");
    let message = error.to_string();
    let start = format!("to/update.tar, {}: ", error.place());
    assert!(message.starts_with(&start), "{message}");
    assert!(
        message.contains("member #") && message.contains(" at byte "),
        "{message}"
    );
    assert!(
        message.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{message:?}"
    );
    // Passing over the data must not pass over the fault, nor may a second look.
    let reader = ArchiveReader::open(Cursor::new(bytes.to_vec()), "to/update.tar", limits.clone());
    let again = reader.and_then(ArchiveReader::finish).unwrap_err();
    assert_eq!(again.to_string(), message);
    message
}

/// Refused, for a reason with this text in it.
#[track_caller]
pub(crate) fn refused_as(bytes: &[u8], reason: &str) {
    let message = refused(bytes);
    assert!(
        message.contains(reason),
        "{message}\ndoes not say: {reason}"
    );
}

/// Reads on after an error: only errors may come.
pub(crate) fn stays_failed(bytes: &[u8]) {
    let input = Cursor::new(bytes.to_vec());
    let Ok(mut reader) = ArchiveReader::open(input, "x", ArchiveLimits::default()) else {
        return;
    };
    while let Ok(entry) = reader.next_entry() {
        assert!(entry.is_some(), "the archive is not refused");
    }
    assert!(reader.next_entry().is_err());
    assert!(reader.read(&mut [0; 16]).is_err());
    assert!(reader.finish().is_err());
}
