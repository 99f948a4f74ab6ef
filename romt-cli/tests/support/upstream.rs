//! A crates.io on loopback.

use std::{collections::BTreeMap, io::Write as _};

use flate2::{Compression, write::GzEncoder};
use romt_core::{CrateName, Sha256Digest};
use romt_store::conformance::scripted::ScriptedServer;
use tokio::runtime::Runtime;

/// Where the crates are, behind the upstream's address, as crates.io has it.
pub(crate) const PLAIN: &str = "dl/{crate}/{version}/download";

/// A registry that a [`ScriptedServer`] serves from threads of its own.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) server: ScriptedServer,
    template: &'static str,
    index: BTreeMap<String, String>,
    // After the server: connections end with it.
    _runtime: Runtime,
}

impl Upstream {
    /// A registry without crates, whose crates are at `template`.
    pub(crate) fn start(template: &'static str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime starts");
        let nothing: [(String, String); 0] = [];
        let server = runtime.block_on(ScriptedServer::start(nothing));
        // What ends as it does without markers is appended by whoever reads it.
        let dl = template
            .strip_suffix("/{crate}/{version}/download")
            .unwrap_or(template);
        let config = format!(r#"{{"dl":"{}{dl}","api":"{0}"}}"#, server.url());
        server.put("config.json", config);
        Self {
            server,
            template,
            index: BTreeMap::new(),
            _runtime: runtime,
        }
    }

    /// The address for `--index-url`.
    pub(crate) fn index_url(&self) -> String {
        format!("sparse+{}", self.server.url())
    }

    /// Serves `lines` as what the index says of `name`.
    pub(crate) fn put_index(&self, name: &str, lines: impl Into<Vec<u8>>) {
        self.server.put(index_path(name), lines.into());
    }

    /// Serves the tarball of a version.
    pub(crate) fn put_crate(&self, name: &str, version: &str, tarball: impl Into<Vec<u8>>) {
        self.server
            .put(self.crate_path(name, version), tarball.into());
    }

    /// Where the tarball of a version is.
    pub(crate) fn crate_path(&self, name: &str, version: &str) -> String {
        let name: CrateName = name.parse().expect("the name is valid");
        let index_path = name.index_path();
        let (lower, _) = index_path.rsplit_once('/').expect("there is a prefix");
        let prefix = name.prefix(romt_core::PrefixStyle::Mixed);
        self.template
            .replace("{crate}", name.as_str())
            .replace("{version}", version)
            .replace("{prefix}", &prefix)
            .replace("{lowerprefix}", lower)
    }

    /// Publishes a made-up crate: `deps` are `name@requirement`, and `?` behind
    /// one makes it optional. Returns its digest.
    pub(crate) fn publish(&mut self, name: &str, version: &str, deps: &[&str]) -> String {
        self.publish_as(name, version, deps, stand_in(name, version))
    }

    /// As [`publish`](Self::publish), with whatever bytes for a tarball.
    pub(crate) fn publish_as(
        &mut self,
        name: &str,
        version: &str,
        deps: &[&str],
        tarball: Vec<u8>,
    ) -> String {
        let digest = Sha256Digest::of(&tarball).to_string();
        let deps: Vec<_> = deps.iter().map(|text| dependency(text)).collect();
        let line = serde_json::json!({
            "name": name, "vers": version, "deps": deps, "cksum": digest,
            "features": {}, "yanked": false,
        });
        let lines = self.index.entry(name.to_owned()).or_default();
        lines.push_str(&line.to_string());
        lines.push('\n');
        let lines = lines.clone();
        self.put_index(name, lines);
        self.put_crate(name, version, tarball);
        digest
    }
}

fn dependency(text: &str) -> serde_json::Value {
    let (text, optional) = match text.strip_suffix('?') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (name, req) = text.split_once('@').expect("name@requirement");
    serde_json::json!({
        "name": name, "req": req, "features": [], "optional": optional,
        "default_features": true, "target": null, "kind": "normal",
    })
}

pub(crate) fn index_path(name: &str) -> String {
    let name: CrateName = name.parse().expect("the name is valid");
    name.index_path()
}

/// A `.crate` with an empty library in it.
pub(crate) fn stand_in(name: &str, version: &str) -> Vec<u8> {
    let manifest =
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2015\"\n");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for (path, text) in [
        ("Cargo.toml", manifest.as_str()),
        ("src/lib.rs", "// A stand-in.\n"),
    ] {
        let path = format!("{name}-{version}/{path}");
        gzip.write_all(&tar_member(&path, text.as_bytes()))
            .expect("memory is written");
    }
    gzip.write_all(&[0; 1024]).expect("memory is written");
    gzip.finish().expect("memory is written")
}

/// A regular file as ustar has it: a header, and the bytes in blocks of 512.
fn tar_member(path: &str, bytes: &[u8]) -> Vec<u8> {
    assert!(path.len() < 100, "{path} is too long for a plain header");
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", bytes.len()));
    put(136, "00000000000\0");
    // The sum is of the header with blanks in place of the sum.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut member = header.to_vec();
    member.extend_from_slice(bytes);
    member.resize(512 + bytes.len().next_multiple_of(512), 0);
    member
}
