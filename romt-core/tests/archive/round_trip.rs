//! What we write, everybody reads.

use std::{fs, io};

use romt_core::{
    CrateName, ErrorClass, PrefixStyle, Sha256Digest, Version,
    transfer::{
        ArchiveFormat, ArchiveLimits, ArchiveReader, ArchiveWriteError, ArchiveWriter, Compression,
        GzipLevel,
    },
};

use crate::{
    referees::{gnu_tar, python, tar_crate},
    support::{BUNDLE, Row, read},
};

fn crates() -> Vec<(CrateName, Version, Vec<u8>)> {
    let long = format!("1.0.0-{}", "x".repeat(144));
    let names = [
        "a".repeat(64),
        "Beta".to_owned(),
        "aux".to_owned(),
        "b".to_owned(),
        "zz".to_owned(),
    ];
    let mut crates = Vec::new();
    for (number, name) in names.iter().enumerate() {
        for version in ["0.1.0", "0.1.0-rc.1+b7", &long] {
            // None, some, and more than a block of gzip.
            let data = vec![b'd'; number * number * 100_000 + number];
            crates.push((name.parse().unwrap(), version.parse().unwrap(), data));
        }
    }
    crates
}

fn packed(format: ArchiveFormat, compression: Compression) -> Vec<u8> {
    let mut writer = ArchiveWriter::new(Vec::new(), format, compression).unwrap();
    let bundle = b"a bundle".repeat(200_000);
    writer.bundle(bundle.len() as u64, &bundle[..]).unwrap();
    for (name, version, data) in crates() {
        writer
            .crate_file(&name, &version, data.len() as u64, &data[..])
            .unwrap();
    }
    writer.finish().unwrap()
}

fn expected(format: ArchiveFormat) -> Vec<Row> {
    let style = format.prefix_style();
    let content = format!("{}\n", format.number());
    let bundle = b"a bundle".repeat(200_000);
    let mut rows = vec![
        ("ARCHIVE_FORMAT".to_owned(), 2, Sha256Digest::of(content)),
        (
            BUNDLE.to_owned(),
            bundle.len() as u64,
            Sha256Digest::of(bundle),
        ),
    ];
    rows.extend(crates().iter().map(|(name, version, data)| {
        let prefix = name.prefix(style);
        let path = format!("crates/{prefix}/{name}/{name}-{version}.crate");
        (path, data.len() as u64, Sha256Digest::of(data))
    }));
    rows
}

fn level(level: u8) -> Compression {
    Compression::Gzip(GzipLevel::new(level).unwrap())
}

#[test]
fn hostile_a43_ours_list_the_same_everywhere() {
    let room = tempfile::tempdir().unwrap();
    for format in [ArchiveFormat::Mixed, ArchiveFormat::Lower] {
        for compression in [Compression::None, level(0), level(6)] {
            let bytes = packed(format, compression);
            let rows = expected(format);
            assert_eq!(read(&bytes).unwrap(), rows[1..]);
            let path = room.path().join("crates.tar.gz");
            fs::write(&path, &bytes).unwrap();
            assert_eq!(python(std::slice::from_ref(&path))[0], rows);
            assert_eq!(gnu_tar(&path), rows);
            if compression == Compression::None {
                assert_eq!(tar_crate(&bytes), rows);
                assert_eq!(bytes.len() % 10_240, 0);
            }
        }
    }
}

#[test]
fn the_same_content_makes_the_same_bytes_without_a_trace_of_who_made_it() {
    for compression in [Compression::None, level(0), level(9)] {
        let once = packed(ArchiveFormat::Lower, compression);
        assert!(once == packed(ArchiveFormat::Lower, compression));
    }
    let tar = packed(ArchiveFormat::Lower, Compression::None);
    let mut archive = tar::Archive::new(&tar[..]);
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(
            (header.mode().unwrap(), header.mtime().unwrap()),
            (0o644, 946_684_800)
        );
        assert_eq!(
            (header.username(), header.groupname()),
            (Ok(Some("")), Ok(Some("")))
        );
    }
    // No name, no time, an unknown system.
    let zipped = packed(ArchiveFormat::Lower, level(6));
    assert_eq!(zipped[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
}

#[test]
fn a_reader_says_what_was_in_it() {
    let bytes = packed(ArchiveFormat::Mixed, level(1));
    let size = bytes.len() as u64;
    let input = io::Cursor::new(bytes);
    let reader = ArchiveReader::open(input, "x", ArchiveLimits::default()).unwrap();
    assert_eq!(reader.format().prefix_style(), PrefixStyle::Mixed);
    let summary = reader.finish().unwrap();
    assert_eq!(summary.format, ArchiveFormat::Mixed);
    assert_eq!((summary.crates, summary.size), (15, size));
}

fn begun() -> ArchiveWriter<Vec<u8>> {
    ArchiveWriter::new(Vec::new(), ArchiveFormat::Lower, Compression::None).unwrap()
}

#[test]
fn a_member_of_another_size_breaks_the_archive() {
    for (size, than) in [(2, "longer"), (4, "shorter")] {
        let mut writer = begun();
        let error = writer.bundle(size, &b"abc"[..]).unwrap_err();
        assert_eq!(error.class(), ErrorClass::Integrity);
        assert!(error.to_string().contains(than), "{error}");
        let error = writer.finish().unwrap_err();
        assert!(
            error.to_string().contains("an earlier member failed"),
            "{error}"
        );
    }
}

#[test]
fn what_no_reader_takes_is_not_written() {
    let (name, version) = ("Foo".parse().unwrap(), "1.0.0".parse().unwrap());
    let mut writer = begun();
    let early = writer
        .crate_file(&name, &version, 1, &b"x"[..])
        .unwrap_err();
    assert_eq!(early.class(), ErrorClass::Bug);
    assert!(matches!(
        writer.bundle(0, io::empty()),
        Err(ArchiveWriteError::Refused { .. })
    ));
    writer.bundle(1, &b"b"[..]).unwrap();
    assert!(matches!(
        writer.bundle(1, &b"b"[..]),
        Err(ArchiveWriteError::Misused(_))
    ));
    writer.crate_file(&name, &version, 1, &b"x"[..]).unwrap();
    // Without harm to what is there.
    let again = writer
        .crate_file(&"foo".parse().unwrap(), &version, 1, &b"y"[..])
        .unwrap_err();
    assert_eq!(again.class(), ErrorClass::Refused);
    assert_eq!(read(&writer.finish().unwrap()).unwrap().len(), 2);
    assert!(matches!(
        begun().finish(),
        Err(ArchiveWriteError::Misused(_))
    ));
}

#[test]
fn a_failing_input_is_named() {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("scratched"))
        }
    }
    let error = begun().bundle(7, Failing).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Storage);
    assert_eq!(
        error.to_string(),
        format!("`{BUNDLE}` could not be read to be packed")
    );
}
