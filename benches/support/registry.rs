//! A made-up registry, the same one every time.
//!
//! It has what makes a registry slow to copy: many small files of very different
//! sizes, spread over about as many directories as there are crates.

use std::{
    collections::HashSet,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use romt_core::{CrateName, PrefixStyle, Sha256Digest};

use crate::Failure;

/// The median size of a crate, in bytes.
const MEDIAN: f64 = 8.0 * 1024.0;

/// The spread of the sizes' logarithms: with this one, their mean is five times
/// their median.
const SPREAD: f64 = 1.794;

/// The largest crate: what crates.io takes.
const LARGEST: f64 = 10.0 * 1024.0 * 1024.0;

/// The version of every crate.
pub const VERSION: &str = "1.0.0";

/// A registry as static files.
///
/// ```text
/// config.json                           where the crates are
/// se/rd/serde                           index files
/// crates/serde/serde-1.0.0.crate        crates
/// ```
#[derive(Debug)]
pub struct Registry {
    root: PathBuf,
    names: Vec<String>,
    bytes: u64,
    lock: String,
}

impl Registry {
    /// Writes a registry of `crates` crates below `root`.
    pub fn generate(root: &Path, crates: usize) -> Result<Self, Failure> {
        let mut random = Random(0x726f_6d74);
        let names = random.names(crates);
        let mut registry = Self {
            root: root.to_owned(),
            bytes: 0,
            lock: "version = 4\n".to_owned(),
            names: Vec::new(),
        };
        for (number, name) in names.iter().enumerate() {
            let body = random.body();
            let digest = Sha256Digest::of(&body);
            let dependency = &names[number / 2];
            let line = format!(
                "{{\"name\":\"{name}\",\"vers\":\"{VERSION}\",\"deps\":[{{\"name\":\"{dependency}\",\
                 \"req\":\"^1.0\",\"features\":[],\"optional\":true,\"default_features\":true,\
                 \"target\":null,\"kind\":\"normal\"}}],\"cksum\":\"{digest}\",\
                 \"features\":{{\"default\":[\"std\"],\"std\":[]}},\"yanked\":false,\
                 \"rust_version\":\"1.60\"}}\n"
            );
            write(&root.join(Self::index_path(name)?), line.as_bytes())?;
            write(&root.join(Self::crate_path(name)), &body)?;
            registry.bytes += (line.len() + body.len()) as u64;
            write!(
                registry.lock,
                "\n[[package]]\nname = \"{name}\"\nversion = \"{VERSION}\"\n\
                 source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                 checksum = \"{digest}\"\n"
            )?;
        }
        registry.names = names;
        Ok(registry)
    }

    /// Writes the `config.json` of a registry that is served at `address`.
    pub fn serve_at(&self, address: &str) -> io::Result<()> {
        let text =
            format!("{{\"dl\":\"http://{address}/crates/{{crate}}/{{crate}}-{{version}}.crate\"}}");
        write(&self.root.join("config.json"), text.as_bytes())
    }

    /// Every file of the registry, as a path below its root.
    pub fn paths(&self) -> Result<Vec<String>, Failure> {
        let mut paths = vec!["config.json".to_owned()];
        for name in &self.names {
            paths.push(Self::index_path(name)?);
        }
        paths.extend(self.crate_paths());
        Ok(paths)
    }

    /// Its crates, as paths below its root.
    pub fn crate_paths(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| Self::crate_path(name))
    }

    /// The names of the crates.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many bytes all files have together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A lock file that pins every crate.
    pub fn lockfile(&self) -> &str {
        &self.lock
    }

    fn index_path(name: &str) -> Result<String, Failure> {
        let name: CrateName = name.parse()?;
        let prefix = name.prefix(PrefixStyle::Lower);
        Ok(format!("{prefix}/{name}"))
    }

    fn crate_path(name: &str) -> String {
        format!("crates/{name}/{name}-{VERSION}.crate")
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::File::create(path)?.write_all(bytes)
}

/// The numbers of `SplitMix64`, which are good enough to be incompressible.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0, up to 1.
    fn fraction(&mut self) -> f64 {
        let high = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        (f64::from(high) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    /// A number of the normal distribution, by the method of Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.fraction().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.fraction()).cos()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 64 and ten million"
    )]
    fn body(&mut self) -> Vec<u8> {
        let size = MEDIAN * (SPREAD * self.normal()).exp();
        let size = size.clamp(64.0, LARGEST) as usize;
        let mut body = Vec::with_capacity(size + 8);
        while body.len() < size {
            body.extend_from_slice(&self.next().to_le_bytes());
        }
        body.truncate(size);
        body
    }

    /// Names that fall into prefixes about as widely as real ones do.
    pub(crate) fn names(&mut self, count: usize) -> Vec<String> {
        const FIRST: &[u8] = b"bcdfghjklmnprstvwz";
        const SECOND: &[u8] = b"aeiou";
        let mut seen = HashSet::new();
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let bits = self.next();
            let pick = |from: &[u8], shift: u32| {
                let index = (bits >> shift) % from.len() as u64;
                char::from(from[usize::try_from(index).unwrap_or_default()])
            };
            let syllables = 2 + u32::try_from(bits >> 62).unwrap_or_default();
            let name: String = (0..syllables)
                .flat_map(|n| [pick(FIRST, 11 * n), pick(SECOND, 11 * n + 5)])
                .collect();
            if seen.insert(name.clone()) {
                names.push(name);
            }
        }
        names
    }
}
