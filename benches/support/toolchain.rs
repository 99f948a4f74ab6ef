//! A made-up release, as a mirror has it: a manifest and the files of components.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

use romt_core::{Sha256Digest, Sha256Hasher, digest_file::sha256_file};

use crate::Failure;

/// The day of the release.
const DATE: &str = "2025-09-18";

/// The name that selects it.
pub const SPEC: &str = "stable-2025-09-18";

/// Its version.
const VERSION: &str = "1.90.0";

/// What each target has, and how large it is, in MB: about as upstream compresses
/// them with xz. What a compiler consists of comes first, so that every target that
/// was begun has one.
const COMPONENTS: &[(&str, u64)] = &[
    ("rustc", 80),
    ("cargo", 10),
    ("rust-std", 25),
    ("rust-docs", 20),
    ("llvm-tools-preview", 38),
    ("rust-analyzer-preview", 14),
    ("clippy-preview", 4),
    ("rustfmt-preview", 2),
    ("rust-analysis", 1),
    ("rustc-dev", 100),
];

/// How much is made at a time, in bytes.
const PIECE: usize = 1 << 20;

/// A release on disk.
#[derive(Debug)]
pub struct Toolchain {
    dist: PathBuf,
    files: Vec<PathBuf>,
    bytes: u64,
}

impl Toolchain {
    /// Writes a release whose components have `bytes` bytes and little more below
    /// `dist`, incompressible and the same every time. Each `part`-th of every size in
    /// `COMPONENTS` is taken, so that a small release has as many files as a large
    /// one.
    pub fn generate(dist: &Path, bytes: u64, part: u64) -> Result<Self, Failure> {
        let dated = dist.join(DATE);
        fs::create_dir_all(&dated)?;
        let mut made = Self {
            dist: dist.to_owned(),
            files: Vec::new(),
            bytes: 0,
        };
        let mut random = Random(0x726f_6d74);
        let mut text = vec![String::new(); COMPONENTS.len()];
        let of_targets = (0..).flat_map(|number| COMPONENTS.iter().enumerate().zip([number; 10]));
        for ((at, (component, megabytes)), number) in of_targets {
            if made.bytes >= bytes {
                break;
            }
            // No target has all of its files of the same size as another.
            let size = megabytes * 1_000_000 / part + number * 4097;
            let target = format!("x86_64-made{number}-linux-gnu");
            let file = format!("{component}-{VERSION}-{target}.tar.xz");
            let digest = random.file(&dated.join(&file), size)?;
            fs::write(
                dated.join(format!("{file}.sha256")),
                sha256_file(digest, &file),
            )?;
            write!(
                text[at],
                "\n[pkg.{component}.target.{target}]\navailable = true\n\
                 xz_url = \"https://example.com/dist/{DATE}/{file}\"\nxz_hash = \"{digest}\"\n"
            )?;
            made.files.push(dated.join(file));
            made.bytes += size;
        }
        made.write_manifest(&text)?;
        Ok(made)
    }

    fn write_manifest(&self, targets: &[String]) -> Result<(), Failure> {
        let mut text = format!("manifest-version = \"2\"\ndate = \"{DATE}\"\n");
        // The version of a release is that of this package.
        write!(text, "\n[pkg.rust]\nversion = \"{VERSION} ({DATE})\"\n")?;
        for ((component, _), targets) in COMPONENTS.iter().zip(targets) {
            let version = format!("\n[pkg.{component}]\nversion = \"{VERSION} ({DATE})\"\n");
            text.push_str(&version);
            text.push_str(targets);
        }
        let file = "channel-rust-stable.toml";
        let at = self.dist.join(DATE).join(file);
        let digest = sha256_file(Sha256Digest::of(&text), file);
        fs::write(at.with_extension("toml.sha256"), digest)?;
        fs::write(at, text)?;
        Ok(())
    }

    /// The directory that is a mirror's `dist`.
    pub fn dist(&self) -> &Path {
        &self.dist
    }

    /// The files of components.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How many bytes those have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Bytes that look random, the same every time.
struct Random(u64);

impl Random {
    /// Writes a file and returns its digest.
    fn file(&mut self, path: &Path, size: u64) -> Result<Sha256Digest, Failure> {
        let mut file = File::create(path)?;
        let mut hasher = Sha256Hasher::new();
        let mut piece = vec![0; PIECE];
        let mut left = size;
        while left > 0 {
            for word in piece.as_chunks_mut().0 {
                *word = self.next().to_le_bytes();
            }
            let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            file.write_all(&piece[..length])?;
            hasher.update(&piece[..length]);
            left -= length as u64;
        }
        Ok(hasher.finish())
    }

    /// The next word of `SplitMix64`.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
