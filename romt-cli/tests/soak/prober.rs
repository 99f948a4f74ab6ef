//! Clients that look at every byte.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use romt_core::{Sha256Digest, defaults::DIST_SERVER};
use serde_json::Value;

use crate::{
    changes::{KEEP, STEADY},
    scene::Scene,
    support::upstream::index_path,
    wire::{Answer, Wire},
};

/// Reads the index, and all that it says is there.
pub(crate) struct Registry<'s> {
    scene: &'s Scene,
    wire: Wire,
    /// What was there once stays, unless upstream removes it.
    seen: BTreeSet<String>,
}

impl<'s> Registry<'s> {
    pub(crate) fn new(scene: &'s Scene) -> Self {
        Self {
            scene,
            wire: Wire::to(&scene.http),
            seen: STEADY.map(str::to_owned).into(),
        }
    }

    pub(crate) fn round(&mut self) {
        for path in ["/healthz", "/readyz", "/metrics", "/index/config.json"] {
            let answer = self.wire.get(path);
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
        let page = self.wire.ask("GET", "/", &[("Accept", "text/html")]);
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.text().trim_end().ends_with("</html>"), "{page:?}");
        let found = self.wire.get("/api/v1/crates?q=bb");
        assert_eq!(found.status, 200, "{found:?}");
        let found: Value = serde_json::from_slice(&found.body).expect("it is JSON");
        assert_eq!(found["crates"][0]["name"], "bb", "{found}");
        for name in self.scene.names() {
            self.look_at(&name);
        }
    }

    /// The crate `name`, in the versions that its index file has.
    fn look_at(&mut self, name: &str) {
        let path = format!("/index/{}", index_path(name));
        let index = self.wire.get(&path);
        if index.status == 404 {
            let may = self.scene.is_removed(name) || !self.seen.contains(name);
            assert!(may, "{path} is gone: {index:?}");
            return;
        }
        assert_eq!(index.status, 200, "{path}: {index:?}");
        self.seen.insert(name.to_owned());
        self.revalidate(name, &path, &index);
        let text = index.text();
        assert!(text.ends_with('\n'), "half a line: {text}");
        // The last ones change most.
        for line in text.lines().rev().take(4) {
            let line: Value = serde_json::from_str(line).expect("every line is whole");
            assert_eq!(line["name"], name);
            let (version, digest) = (line["vers"].as_str(), line["cksum"].as_str());
            self.fetch(name, version.unwrap(), digest.unwrap());
        }
    }

    fn revalidate(&mut self, name: &str, path: &str, index: &Answer) {
        let etag = index.header("etag").expect("it has one").to_owned();
        let again = self.wire.ask("GET", path, &[("If-None-Match", &etag)]);
        match again.status {
            304 => assert_eq!(again.header("etag"), Some(&*etag)),
            200 => assert_ne!(again.header("etag"), Some(&*etag), "{path} is the same"),
            404 => assert!(self.scene.is_removed(name), "{path} is gone"),
            status => panic!("{path}: {status}, {again:?}"),
        }
    }

    /// A crate that the index had a moment ago: whole, by its head, and in parts. That
    /// upstream has removed it since makes no difference yet.
    fn fetch(&mut self, name: &str, version: &str, digest: &str) {
        let path = format!("/crates/{name}/{name}-{version}.crate");
        let whole = self.wire.get(&path);
        assert_eq!(whole.status, 200, "{path}: {whole:?}");
        let came = Sha256Digest::of(&whole.body).to_string();
        assert_eq!(came, digest, "{path} has wrong bytes");
        let head = self.wire.ask("HEAD", &path, &[]);
        let length = whole.body.len().to_string();
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some(&*length))
        );
        let etag = whole.header("etag").expect("it has one");
        let middle = whole.body.len() / 2;
        let range = format!("bytes={middle}-");
        let part = self
            .wire
            .ask("GET", &path, &[("Range", &range), ("If-Range", etag)]);
        match part.status {
            206 => assert_eq!(part.body, whole.body[middle..], "{path}"),
            200 => assert_eq!(part.body, whole.body, "{path}"),
            status => panic!("{path}: {status}, {part:?}"),
        }
        self.scene.count("crates fetched by the prober");
        if self.scene.is_removed(name) {
            self.scene
                .count("crates fetched after upstream removed them");
        }
    }
}

/// Asks for what rustup asks for, and how it asks.
pub(crate) struct Dist<'s> {
    scene: &'s Scene,
    wire: Wire,
    host: String,
}

impl<'s> Dist<'s> {
    pub(crate) fn new(scene: &'s Scene, host: String) -> Self {
        let wire = Wire::to(&scene.http);
        Self { scene, wire, host }
    }

    pub(crate) fn round(&mut self) {
        self.channel();
        self.installer();
    }

    /// A manifest is the one of its digest, and its components are there.
    fn channel(&mut self) {
        let begun = self.scene.nightlies.load(Ordering::SeqCst);
        let path = "/dist/channel-rust-nightly.toml";
        let stated = self.found(&format!("{path}.sha256")).text();
        let manifest = self.found(path);
        let digest = Sha256Digest::of(&manifest.body).to_string();
        assert_eq!(stated[..64], digest, "the manifest is another one");
        let signature = self.found(&format!("{path}.asc")).text();
        assert!(
            signature.contains("-----END PGP SIGNATURE-----"),
            "{signature}"
        );
        let manifest: toml::Table = manifest.text().parse().expect("it is TOML");
        let packages = manifest["pkg"].as_table().expect("it has packages");
        let targets = packages
            .values()
            .filter_map(|it| it.get("target")?.as_table());
        for target in targets.filter_map(|targets| targets.get(&self.host)) {
            let (Some(url), Some(hash)) = (target.get("xz_url"), target.get("xz_hash")) else {
                continue;
            };
            let path = url.as_str().unwrap().strip_prefix(DIST_SERVER).unwrap();
            let component = self.wire.get(path);
            let shown = self.scene.nightlies.load(Ordering::SeqCst) - begun;
            if component.status == 404 && shown >= KEEP {
                self.scene.count("nightlies pruned while they were read");
                return;
            }
            assert_eq!(
                component.status, 200,
                "{path}, {shown} nightlies later: {component:?}"
            );
            let came = Sha256Digest::of(&component.body).to_string();
            assert_eq!(Some(&*came), hash.as_str(), "{path} has wrong bytes");
            self.scene.count("components fetched by the prober");
        }
    }

    /// The current rustup is there, by its version and by none.
    fn installer(&mut self) {
        let pointer = self.found("/rustup/release-stable.toml").text();
        let pointer: toml::Table = pointer.parse().expect("it is TOML");
        let version = pointer["version"].as_str().expect("it has one");
        let path = format!("/rustup/archive/{version}/{}/rustup-init", self.host);
        let stated = self.found(&format!("{path}.sha256")).text();
        let program = self.found(&path);
        let digest = Sha256Digest::of(&program.body).to_string();
        assert_eq!(stated[..64], digest, "{path} has wrong bytes");
        let expected = format!("rustup {version} for");
        assert!(
            program.body.starts_with(expected.as_bytes()),
            "{path} is another version"
        );
        let path = format!("/rustup/dist/{}/rustup-init", self.host);
        let program = self.found(&path);
        let half = program.body.len() / 2;
        let etag = program.header("etag").expect("it has one");
        let headers = [("Range", &*format!("bytes=-{half}")), ("If-Range", etag)];
        let part = self.wire.ask("GET", &path, &headers);
        match part.status {
            206 => assert!(
                program.body.ends_with(&part.body),
                "{path} is half another one"
            ),
            status => assert_eq!(status, 200, "{part:?}"),
        }
    }

    #[track_caller]
    fn found(&mut self, path: &str) -> Answer {
        let answer = self.wire.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }
}
