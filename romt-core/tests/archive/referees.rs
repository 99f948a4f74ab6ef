//! Other tar readers: what we accept, all of them list as we do.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
};

use romt_core::Sha256Digest;

use crate::{
    damage::Dice,
    support::{BLOCK, BUNDLE, Header, Row, SERDE, Tar, read},
};

const PYTHON: &str = r"
import hashlib, sys, tarfile
for path in sys.argv[1:]:
    print('archive')
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isdir():
                continue
            data = tar.extractfile(member).read() if member.isreg() else b'no file'
            print(member.name, member.size, hashlib.sha256(data).hexdigest(), sep='\t')
";

/// What GNU tar runs for each file.
const GNU: &str = "printf '%s\\t%s\\t' \"$TAR_FILENAME\" \"$TAR_SIZE\"; sha256sum | cut -d' ' -f1";

/// What Python's tarfile lists, of each archive.
pub(crate) fn python(archives: &[PathBuf]) -> Vec<Vec<Row>> {
    let mut lists: Vec<Vec<Row>> = Vec::new();
    for batch in archives.chunks(500) {
        let text = run(Command::new("python3").args(["-c", PYTHON]).args(batch));
        for line in text.lines() {
            match (line, lists.last_mut()) {
                ("archive", _) => lists.push(Vec::new()),
                (line, Some(rows)) => rows.push(row(line)),
                _ => panic!("{line}"),
            }
        }
    }
    lists
}

/// What GNU tar extracts. It may say that it cannot set an odd time or owner.
pub(crate) fn gnu_tar(archive: &Path) -> Vec<Row> {
    let room = tempfile::tempdir().unwrap();
    let output = Command::new("tar")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(room.path())
        .arg(format!("--to-command={GNU}"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(row).collect()
}

/// What the `tar` crate lists of a plain tar.
pub(crate) fn tar_crate(bytes: &[u8]) -> Vec<Row> {
    let mut rows = Vec::new();
    for entry in tar::Archive::new(bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.header().entry_type().is_dir() {
            continue;
        }
        assert!(entry.header().entry_type().is_file());
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        rows.push((path, entry.size(), Sha256Digest::of(&data)));
    }
    rows
}

fn row(line: &str) -> Row {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, size, digest] = fields[..] else {
        panic!("{line:?}");
    };
    (
        name.to_owned(),
        size.parse().unwrap(),
        digest.parse().unwrap(),
    )
}

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Our list with the format, which the reader keeps to itself.
fn with_format(format: &str, rows: Vec<Row>) -> Vec<Row> {
    let digest = Sha256Digest::of(format);
    let first = ("ARCHIVE_FORMAT".to_owned(), format.len() as u64, digest);
    std::iter::once(first).chain(rows).collect()
}

/// A tar of every kind of member that is accepted, and where its headers are.
fn sample() -> (Vec<u8>, Vec<usize>) {
    let long = format!("crates/ab/cd/abcd/abcd-1.0.0-{}.crate", "x".repeat(120));
    let inner = Tar::default()
        .file("crates/1/i/i-0.1.0.crate", "inner")
        .end();
    let split = Header::new("split-1.0.0.crate", b'0', 600).set(345, "crates/sp/li/split");
    let large = Header::new("crates/1/l/l-0.1.0.crate", b'0', 5)
        .gnu()
        .set(124, [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    let members = [
        Tar::default().file("ARCHIVE_FORMAT", "2\n"),
        Tar::default().file(BUNDLE, "a bundle"),
        Tar::default().member(&Header::new("crates/", b'5', 0), ""),
        Tar::default().member(&Header::new(SERDE, 0, inner.len()), &inner),
        Tar::default().member(&split, "s".repeat(600)),
        Tar::default().member(&large, "large"),
        Tar::default().pax(&[("path", &long), ("mtime", "1700000000.5"), ("size", "3")]),
        Tar::default().file("short", "pax"),
        Tar::default().long_name("crates/1/a/a-0.1.0.crate\0"),
        Tar::default().member(&Header::new("short", b'0', 3).gnu(), "gnu"),
    ];
    let mut headers = Vec::new();
    let mut tar = Tar::default();
    for member in members {
        headers.push(tar.0.len());
        tar.0.extend_from_slice(&member.0);
    }
    (tar.end(), headers)
}

/// Changes some bytes of a header to what may mean something, and seals it.
fn mutate(tar: &[u8], headers: &[usize], dice: &mut Dice) -> Vec<u8> {
    const TELLING: &[u8] = b"\0\0\0 01237589./xLKgS\x80\xff-+_a\n\\=";
    let mut tar = tar.to_vec();
    let at = headers[dice.below(headers.len())];
    let mut block: [u8; BLOCK] = tar[at..at + BLOCK].try_into().unwrap();
    for _ in 0..=dice.below(2) {
        // Not the name of its owner, which is most of what nobody reads.
        let byte = match dice.below(4) {
            0 => dice.below(148),
            1 => 156 + dice.below(2),
            2 => 257 + dice.below(8),
            _ => 329 + dice.below(BLOCK - 329),
        };
        block[byte] = TELLING[dice.below(TELLING.len())];
    }
    tar[at..at + BLOCK].copy_from_slice(&Header(block).sealed().0);
    if dice.below(4) == 0 {
        // Data of an extension header, or of anything else.
        let byte = (at + BLOCK + dice.below(64)).min(tar.len() - 1);
        tar[byte] = TELLING[dice.below(TELLING.len())];
    }
    tar
}

#[test]
fn hostile_a43_every_accepted_archive_lists_the_same_everywhere() {
    let (tar, headers) = sample();
    let room = tempfile::tempdir().unwrap();
    let mut dice = Dice::new();
    let mut accepted = Vec::new();
    let mut paths = Vec::new();
    for round in 0..3000 {
        let mutant = if round == 0 {
            tar.clone()
        } else {
            mutate(&tar, &headers, &mut dice)
        };
        let Ok(rows) = read(&mutant) else {
            assert_ne!(round, 0);
            continue;
        };
        // A mutant may have lost its format, which is then no member of it.
        let listed = tar_crate(&mutant);
        let rows = match listed.first() {
            Some(first) if first.0 == "ARCHIVE_FORMAT" => [vec![first.clone()], rows].concat(),
            _ => rows,
        };
        assert_eq!(listed, rows, "the tar crate in round {round}");
        let path = room.path().join(format!("{round}.tar"));
        fs::write(&path, &mutant).unwrap();
        accepted.push(rows);
        paths.push(path);
    }
    assert!(accepted.len() > 100, "only {} are accepted", accepted.len());
    for (path, (listed, rows)) in paths.iter().zip(python(&paths).iter().zip(&accepted)) {
        assert_eq!(listed, rows, "Python of {}", path.display());
    }
    // A process each is slow.
    for (path, rows) in paths.iter().zip(&accepted).step_by(3) {
        assert_eq!(&gnu_tar(path), rows, "GNU tar of {}", path.display());
    }
}

#[test]
fn archives_of_python_are_read_in_each_of_its_formats() {
    const PACK: &str = r"
import io, sys, tarfile
path, mode, form, version = sys.argv[1:]
with tarfile.open(path, mode, format=getattr(tarfile, form)) as tar:
    def add(name, data, mode=0o644):
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = len(data), 1700000000.25, mode
        info.uid, info.gid, info.uname, info.gname = 1000, 1000, 'someone', 'some'
        tar.addfile(info, io.BytesIO(data))
    add('ARCHIVE_FORMAT', b'2\n', 0o600)
    add('git/crates.io-index/origin.bundle', b'bundle' * 999)
    add('crates/se/rd/serde/serde-1.0.0.crate', b'serde' * 5000)
    add(f'crates/lo/ng/long-name/long-name-{version}.crate', b'long' * 700)
";
    let room = tempfile::tempdir().unwrap();
    for (form, length) in [
        ("USTAR_FORMAT", 50),
        ("GNU_FORMAT", 130),
        ("PAX_FORMAT", 130),
    ] {
        for (mode, at, magic) in [
            ("w", 257, "ustar".as_bytes()),
            ("w:gz", 0, &[0x1f, 0x8b]),
            ("w:xz", 1, b"7zXZ"),
        ] {
            let path = room.path().join("misnamed.zip");
            let version = format!("1.0.0-{}", "x".repeat(length));
            run(Command::new("python3")
                .args(["-c", PACK])
                .arg(&path)
                .args([mode, form, &version]));
            let bytes = fs::read(&path).unwrap();
            assert!(bytes[at..].starts_with(magic));
            let rows = read(&bytes).unwrap_or_else(|error| panic!("{form} {mode}: {error}"));
            assert_eq!(rows.len(), 3);
            assert_eq!(
                rows[2].0,
                format!("crates/lo/ng/long-name/long-name-{version}.crate")
            );
            let rows = with_format("2\n", rows);
            assert_eq!(
                python(std::slice::from_ref(&path))[0],
                rows,
                "{form} {mode}"
            );
            assert_eq!(gnu_tar(&path), rows, "{form} {mode}");
        }
    }
}

#[test]
fn archives_of_gnu_tar_are_read_in_each_of_its_formats() {
    let room = tempfile::tempdir().unwrap();
    let crates = room.path().join("crates/1");
    fs::create_dir_all(crates.join("a")).unwrap();
    fs::create_dir_all(room.path().join("git/crates.io-index")).unwrap();
    let long = format!("a/a-1.0.0-{}.crate", "x".repeat(120));
    fs::write(room.path().join("ARCHIVE_FORMAT"), "1\n").unwrap();
    fs::write(room.path().join(BUNDLE), "a bundle").unwrap();
    fs::write(crates.join(&long), "data").unwrap();
    for form in ["gnu", "posix"] {
        for packing in ["--no-auto-compress", "--gzip", "--xz"] {
            let path = room.path().join("out.tar");
            run(Command::new("tar")
                .args([&format!("--format={form}"), packing, "-cf"])
                .arg(&path)
                .arg("-C")
                .arg(room.path())
                .args(["ARCHIVE_FORMAT", BUNDLE, "crates"]));
            let rows = read(&fs::read(&path).unwrap());
            let rows = rows.unwrap_or_else(|error| panic!("{form} {packing}: {error}"));
            assert_eq!(rows[1].0, format!("crates/1/{long}"));
        }
    }
}

#[test]
fn hostile_a21_damaged_xz_is_refused() {
    let (tar, _) = sample();
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("x.tar");
    let rows = read(&tar).unwrap();
    let pack = |data: &[u8], options: &[&str]| {
        fs::write(&path, data).unwrap();
        let output = Command::new("xz")
            .args(options)
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    for options in [
        ["-kc6", "--check=crc64"],
        ["-kc9", "--check=sha256"],
        ["-kc0", "--check=crc32"],
    ] {
        let packed = pack(&tar, &options);
        assert_eq!(read(&packed).unwrap(), rows, "{options:?}");
        // Streams one after the other, with zeros between them.
        let several = [
            pack(&tar[..3000], &options),
            vec![0; 8],
            pack(&tar[3000..], &options),
        ]
        .concat();
        assert_eq!(read(&several).unwrap(), rows, "{options:?}");
        for end in (6..packed.len()).step_by(7) {
            assert!(read(&packed[..end]).is_err(), "{options:?} at {end}");
        }
        assert!(read(&[&packed, b"junk".as_slice()].concat()).is_err());
        for at in 0..packed.len() {
            let mut hit = packed.clone();
            hit[at] ^= 1 << (at % 8);
            if let Ok(read) = read(&hit) {
                assert_eq!(read, rows, "{options:?} at {at}");
            }
        }
    }
    let large = pack(&tar, &["-kc", "--lzma2=dict=512MiB"]);
    let error = read(&large).unwrap_err();
    assert!(
        error.to_string().contains("the xz stream is damaged"),
        "{error}"
    );
}
