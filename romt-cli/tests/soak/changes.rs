//! What happens upstream, and the runs that bring it into the mirror.

use std::{fs, sync::atomic::Ordering};

use romt_store::conformance::signing::{SigningHash, TestKey};

use crate::{
    crates::Origin,
    dist_support::{Channel, Components, DistTree, Release},
    scene::Scene,
    support::{
        process::{romt, run},
        upstream::stand_in,
    },
};

/// How many nightlies the mirror keeps.
pub(crate) const KEEP: usize = 3;

/// For how many rounds a crate stays that will go.
const STAY: usize = 6;

/// The crates that clients build with. They never go.
pub(crate) const STEADY: [&str; 2] = ["bb", "MyCrate"];

/// An upstream with [`STEADY`] crates.
pub(crate) fn origin() -> Origin {
    let mut origin = Origin::empty();
    for version in ["1.0.0", "1.0.1"] {
        origin.publish_as("bb", version, &[], stand_in("bb", version));
    }
    origin.publish_as("MyCrate", "0.3.0", &["bb"], stand_in("MyCrate", "0.3.0"));
    origin.commit();
    origin
}

/// A registry and a distribution server that never rest.
pub(crate) struct Upstreams<'s> {
    scene: &'s Scene,
    origin: Origin,
    components: Option<Components>,
    key: TestKey,
    round: usize,
    newest: &'static str,
}

impl<'s> Upstreams<'s> {
    pub(crate) fn new(scene: &'s Scene, origin: Origin) -> Self {
        let key = TestKey::generate("romt's tests <tests@example.com>");
        fs::write(scene.path("release.asc"), key.public_armored()).unwrap();
        for name in STEADY {
            scene.has_published(name);
        }
        let components = Components::stand_ins();
        let components = components.inspect_err(|reason| println!("skipped: rustup, {reason}"));
        Self {
            scene,
            origin,
            components: components.ok(),
            key,
            round: 0,
            newest: "1.0.1",
        }
    }

    /// Whether there are toolchains as well: not without a compiler to make them of.
    pub(crate) fn host(&self) -> Option<String> {
        Some(self.components.as_ref()?.host.clone())
    }

    /// Brings into the mirror what is there from the start.
    pub(crate) fn begin(&mut self) {
        for _ in 0..KEEP {
            self.nightly();
            self.round += 1;
        }
        self.rustup();
    }

    /// The next thing that happens, and the runs after it.
    pub(crate) fn next(&mut self) {
        self.round += 1;
        self.registry();
        self.mirror_registry();
        if self.round.is_multiple_of(4) {
            self.nightly();
        }
        if self.round.is_multiple_of(10) {
            self.rustup();
        }
        // What an administrator may do at any time.
        if self.round.is_multiple_of(25) {
            self.scene.mirror.git(&["repack", "-a", "-d", "-q"]);
        }
    }

    /// Something new, something yanked, something unyanked, something gone.
    fn registry(&mut self) {
        let round = self.round;
        let (new, origin) = (passing(round), &mut self.origin);
        origin.publish_as(&new, "0.1.0", &[], stand_in(&new, "0.1.0"));
        self.scene.has_published(&new);
        if let Some(old) = round.checked_sub(STAY).filter(|&old| is_passing(old)) {
            self.scene.will_remove(&passing(old));
            origin.remove_crate(&passing(old));
        }
        if round.is_multiple_of(3) {
            let next = &*format!("1.{round}.0").leak();
            origin.publish_as("bb", next, &[], stand_in("bb", next));
            self.newest = next;
        } else {
            // And back again.
            origin.yank("bb", self.newest);
        }
        if round.is_multiple_of(15) {
            origin.squash();
        } else {
            origin.commit();
        }
    }

    fn mirror_registry(&self) {
        let (mirror, origin) = (&self.scene.mirror, &self.origin);
        if self.round.is_multiple_of(2) {
            mirror.from(origin, &["update"]).expect(0);
        } else {
            for step in ["pull", "prune", "download", "mark"] {
                mirror.from(origin, &[step]).expect(0);
            }
        }
        self.scene.count("publications of crates");
    }

    /// The channel moves on to the next day.
    fn nightly(&self) {
        let Some(components) = &self.components else {
            return;
        };
        let shown = self.scene.nightlies.load(Ordering::SeqCst);
        let date = format!(
            "20{:02}-{:02}-{:02}",
            26 + shown / 336,
            shown / 28 % 12 + 1,
            shown % 28 + 1
        );
        let release = Release::new(Channel::Nightly, "1.96.0-nightly", date.leak());
        let sign = |content: &[u8]| {
            let signature = self.key.sign_detached_armored(content, SigningHash::Sha512);
            signature.into_bytes()
        };
        let upstream = self.scene.path("upstream");
        let tree = DistTree::new(&upstream).signed(&sign);
        tree.add(&release, components);
        tree.publish(&release);
        let url = upstream.join("dist");
        let mut args = vec!["-s", "nightly", "-t", &components.host, "--url"];
        args.extend([url.to_str().unwrap(), "download"]);
        // From here on, what is oldest may go.
        self.scene.nightlies.fetch_add(1, Ordering::SeqCst);
        self.toolchain(&args);
        self.toolchain(&["--keep-latest", &KEEP.to_string(), "prune"]);
        self.scene.count("nightlies");
    }

    fn toolchain(&self, args: &[&str]) {
        let key = self.scene.path("release.asc");
        let args = [&["toolchain", "--key-file", key.to_str().unwrap()], args].concat();
        run(&mut romt(
            self.scene.mirror.path(),
            &self.scene.tripwire,
            args,
        ))
        .expect(0);
    }

    /// A new version of rustup.
    fn rustup(&self) {
        let Some(components) = &self.components else {
            return;
        };
        let (version, host) = (format!("9.{}.0", self.round), &components.host);
        let program = format!("rustup {version} for {host}\n").repeat(5000);
        let upstream = self.scene.path("upstream");
        DistTree::new(&upstream).publish_rustup(&version, host, program.as_bytes());
        let url = upstream.join("rustup");
        let args = [
            "rustup",
            "-s",
            "stable",
            "-t",
            host,
            "--url",
            url.to_str().unwrap(),
            "download",
        ];
        run(&mut romt(
            self.scene.mirror.path(),
            &self.scene.tripwire,
            args,
        ))
        .expect(0);
        self.scene.count("versions of rustup");
    }
}

/// Whether a crate came in this round that does not stay.
fn is_passing(round: usize) -> bool {
    round > KEEP && !round.is_multiple_of(7)
}

fn passing(round: usize) -> String {
    format!("passing-{round}")
}
