//! Archives whose form is good, and what they bring is not.

use romt_core::Sha256Digest;

use crate::{
    archive::Members,
    fault_support::tree,
    release::{Release, SERVER, nightly, stable},
    world::{World, run},
};

const OLD: &str = "2026-03-07";
const NEW: &str = "2026-03-08";

fn world() -> World {
    let world = World::new();
    world.publish(&nightly(OLD));
    world.mirror().download("nightly");
    world
}

fn digest_file(bytes: &[u8]) -> String {
    format!("{}\n", Sha256Digest::of(bytes))
}

/// The archive with this manifest in place of its own.
fn with_manifest(members: &Members, release: &Release, text: &str) -> Members {
    let dated = release.dated();
    members
        .clone()
        .with(&dated, text)
        .with(&format!("{dated}.sha256"), digest_file(text.as_bytes()))
}

#[test]
fn hostile_a31_a34_only_what_the_manifest_before_it_names_may_come() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let good = Members::of(&new);
    for name in [
        "etc/passwd",
        ".git/hooks/post-merge",
        "dist2/2026-03-08/x.tar.xz",
        "ARCHIVE_FORMAT",
        "git/crates.io-index/origin.bundle",
        "crates/se/rd/serde/serde-1.0.0.crate",
        "rustup/archive/1.28.1/x86_64-unknown-linux-gnu/rustup-init",
        "dist",
        "dist/channel-rust-nightly.toml",
        "dist/channel-rust-stable.toml",
        "dist/2026-03-08/channel-rust-1.95.0.toml",
        "dist/2026-13-45/channel-rust-beta.toml",
        "dist/2026-02-30/channel-rust-beta.toml",
        "dist/x/channel-rust-beta.toml",
        "dist/2026-03-08/rustc-nightly-other.tar.xz",
        "dist/2026-03-08/x.sha256",
        "dist/2026-03-08/x/y.tar.xz",
        "dist/.romt/lock",
        ".romt/dist-journal",
        "dist/2026-03-08/channel-rust-nightly.toml.asc.asc",
    ] {
        let tar = good.clone().and(name, "x").tar();
        mirror.refuses_archive(&tar, 4, &["hostile.tar, member #15", "nexpected"]);
    }
    // A component before its manifest, and one whose manifest does not come.
    let component = new.components().into_iter().next().unwrap();
    let member = format!("dist/{}", component.0);
    let early = Members::default().and(&member, component.1.clone());
    let why = "no manifest before it in the archive names it";
    mirror.refuses_archive(&early.tar(), 4, &["member #1", why]);
    let no_manifest = good.clone().without("nightly.toml").without("toml.sha256");
    mirror.refuses_archive(&no_manifest.tar(), 4, &["member #1", why]);
}

#[test]
fn hostile_a33_what_is_not_what_the_manifest_says_is_refused() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let good = Members::of(&new);
    let paths: Vec<String> = new.components().into_keys().collect();
    let both = |one: &str, other: &str| [digest_of(one), digest_of(other)];
    for path in [&paths[0], &paths[5]] {
        let bad = good.clone().with(path, "other bytes");
        let [got, _] = both("other bytes", "");
        let place = "hostile.tar, member #";
        mirror.refuses_archive(&bad.tar(), 3, &[place, path, &got]);
        let beside = format!("{path}.sha256");
        let bad = good.clone().with(&beside, digest_file(b"other"));
        let [got, _] = both("other", "");
        mirror.refuses_archive(&bad.tar(), 3, &[place, &beside, &got]);
    }
    let bad = good
        .clone()
        .with("nightly.toml.sha256", digest_file(b"other"));
    mirror.refuses_archive(&bad.tar(), 3, &["hostile.tar, member #1", "Bad hash"]);
    let bare = good.clone().without("nightly.toml.sha256");
    mirror.refuses_archive(&bare.tar(), 4, &["hostile.tar, member #1", ".sha256"]);
}

fn digest_of(text: &str) -> String {
    Sha256Digest::of(text).to_string()
}

/// Clients would be told of a release of which there is nothing.
#[test]
fn hostile_a33_an_archive_without_components_moves_nothing() {
    let world = world();
    let mirror = world.mirror();
    mirror.refuses_archive(&Members::default().tar(), 4, &["hostile.tar", "nothing"]);
    let new = nightly(NEW);
    let mut bare = Members::of(&new);
    bare.0.truncate(2);
    let needles = &["hostile.tar", "channel-rust-nightly.toml", "nothing"];
    mirror.refuses_archive(&bare.tar(), 4, needles);
    let mut two = Members::of(&new);
    two.0
        .extend(Members::of(&stable("1.95.0", NEW)).0.into_iter().take(2));
    let needles = &["hostile.tar", "channel-rust-stable.toml", "nothing"];
    mirror.refuses_archive(&two.tar(), 4, needles);
}

#[test]
fn hostile_m10_digest_files_in_an_archive_are_judged() {
    let world = world();
    let mirror = world.mirror();
    let good = Members::of(&nightly(NEW));
    let path = nightly(NEW).components().into_keys().next().unwrap();
    for beside in ["nightly.toml.sha256".to_owned(), format!("{path}.sha256")] {
        for bad in [
            "x".repeat(5000),
            "a\nb\n".into(),
            String::new(),
            digest_of("x").to_uppercase(),
            format!("{} ../../x", digest_of("x")),
        ] {
            let tar = good.clone().with(&beside, bad).tar();
            mirror.refuses_archive(&tar, 4, &["hostile.tar, member #"]);
        }
    }
}

#[test]
fn hostile_m06_two_releases_cannot_claim_one_path() {
    let world = world();
    let mirror = world.mirror();
    let (new, other) = (nightly(NEW), stable("1.95.0", NEW));
    let path = new.path("rustc", "x86_64-unknown-linux-gnu");
    let digest = Sha256Digest::of(&new.components()[&path]).to_string();
    // The other one says that it has a component of the first, with other bytes.
    let text = other.manifest().replace(
        &format!(
            "{SERVER}/dist/{}",
            other.path("rustc", "x86_64-unknown-linux-gnu")
        ),
        &format!("{SERVER}/dist/{path}"),
    );
    let mut both = Members::of(&new);
    both.0
        .extend(with_manifest(&Members::of(&other), &other, &text).0);
    let needles = &["hostile.tar, member #", &path, &digest];
    mirror.refuses_archive(&both.tar(), 3, needles);
    // The same the other way round, before any component.
    let mut first = with_manifest(&Members::of(&other), &other, &text);
    first.0.truncate(2);
    first.0.extend(Members::of(&new).0);
    mirror.refuses_archive(&first.tar(), 3, needles);
}

/// What a manifest here names is not replaced because another manifest, which nobody
/// vouches for, wants it otherwise.
#[test]
fn hostile_m06_components_here_are_not_replaced_under_their_manifest() {
    let world = world();
    let mirror = world.mirror();
    let (old, new) = (nightly(OLD), nightly(NEW));
    let path = old.path("rustc", "x86_64-unknown-linux-gnu");
    let evil = b"another rustc";
    let text = new.manifest();
    let own = new.path("rustc", "x86_64-unknown-linux-gnu");
    let digest = Sha256Digest::of(&new.components()[&own]).to_string();
    let text = text
        .replace(&own, &path)
        .replace(&digest, &digest_of("another rustc"));
    let members = with_manifest(&Members::of(&new), &new, &text)
        .without(&own)
        .without(&format!("{own}.sha256"))
        .and(&format!("dist/{path}"), evil.to_vec());
    mirror.refuses_archive(&members.tar(), 3, &[&path, "hostile.tar, member #"]);
    mirror.check(&[&old]).unwrap();
    // Nor is it when it comes from upstream.
    let mut files = new.files(true);
    new.put_manifest(&mut files, &text, true);
    files.insert(path.clone(), evil.to_vec());
    let other = World::new();
    other.put(&files);
    let url = other.upstream();
    mirror.refuses(
        || mirror.toolchain(&["--url", &url, "-s", "nightly", "-t", "all", "download"]),
        3,
        &[&path],
    );
}

/// An archive that was refused must not stand in the way of a good one.
#[test]
fn hostile_a33_a_refused_archive_leaves_nothing_that_blocks_a_good_one() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let path = new.path("rustc", "x86_64-unknown-linux-gnu");
    let digest = Sha256Digest::of(&new.components()[&path]).to_string();
    let text = new.manifest().replace(&digest, &digest_of("another rustc"));
    let bad = with_manifest(&Members::of(&new), &new, &text)
        .with(&path, "another rustc")
        .with(&format!("{path}.sha256"), digest_file(b"another rustc"))
        .and("etc/passwd", "x");
    mirror.refuses_archive(&bad.tar(), 4, &["etc/passwd"]);
    mirror.unpack(&Members::of(&new));
    mirror.check(&[&nightly(OLD), &new]).unwrap();
}

#[test]
fn hostile_m13_a_dated_manifest_does_not_change_by_an_archive() {
    let world = world();
    let mirror = world.mirror();
    let old = nightly(OLD);
    let text = old.manifest() + "# changed\n";
    let bad = with_manifest(&Members::of(&old), &old, &text);
    let (here, came) = (digest_of(&old.manifest()), digest_of(&text));
    mirror.refuses_archive(&bad.tar(), 3, &["hostile.tar, member #1", &here, &came]);
}

#[test]
fn hostile_m03_m08_m14_manifests_in_archives_are_of_their_names() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let good = Members::of(&new);
    let text = new.manifest();
    for bad in [
        text.replace("1.96.0-nightly", "1.96.0-beta.2"),
        text.replace("1.96.0-nightly", "1.96.0"),
        text.replace("date = \"2026-03-08\"", "date = \"2026-03-09\""),
        text.replace("date = \"2026-03-08\"", "date = \"../../x\""),
        text.replace(&format!("{SERVER}/dist/"), "file:///dist/"),
        text.replace("x86_64-unknown-linux-gnu]", "\"../x\"]"),
    ] {
        let tar = with_manifest(&good, &new, &bad).tar();
        mirror.refuses_archive(
            &tar,
            4,
            &["hostile.tar, member #1", "channel-rust-nightly.toml"],
        );
    }
}

/// What the sender thinks is here must be here.
#[test]
fn hostile_a38_an_archive_that_builds_on_what_is_not_here_is_refused() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let path = new.path("rustc", "x86_64-unknown-linux-gnu");
    let digest = Sha256Digest::of(&new.components()[&path]);
    let base = format!("{digest} *dist/{path}\n");
    let first = new.components().into_keys().next().unwrap();
    let lacking = Members::of(&new)
        .without(&path)
        .without(&format!("{path}.sha256"));
    let at = format!("dist/{first}");
    let name = "dist/2026-03-08/channel-rust-nightly.toml.base";
    let tar = lacking.clone().before(&at, name, base).tar();
    mirror.refuses_archive(&tar, 4, &["hostile.tar", &path, "not here"]);
    for bad in [
        "\u{0}",
        "x y\n",
        "../../x\n",
        "zz *dist/2026-03-08/x.tar.xz\n",
    ] {
        let tar = lacking.clone().before(&at, name, bad).and("etc/passwd", "");
        mirror.refuses_archive(&tar.tar(), 4, &["hostile.tar"]);
    }
}

#[test]
fn hostile_a36_modes_owners_and_times_are_data() {
    let world = world();
    let mirror = world.mirror();
    let new = nightly(NEW);
    let mut tar = Members::of(&new).open_tar();
    let odd = [
        (100, &b"0007777\0"[..]),
        (108, b"0000000\0"),
        (136, b"77777777777\0"),
        (136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"),
    ];
    for (at, bytes) in odd {
        let mut position = 0;
        while position < tar.len() {
            let header: [u8; 512] = tar[position..position + 512].try_into().unwrap();
            let size = std::str::from_utf8(&header[124..135]).unwrap();
            let size = usize::from_str_radix(size, 8).unwrap();
            let header = crate::archive::Header(header).and(at, bytes).block();
            tar[position..position + 512].copy_from_slice(&header);
            position += 512 + size.next_multiple_of(512);
        }
    }
    tar.resize(tar.len() + 1024, 0);
    let path = world.path("odd.tar");
    std::fs::write(&path, tar).unwrap();
    run(mirror.toolchain(&["--archive", path.to_str().unwrap(), "unpack"])).assert(0, &[]);
    mirror.assert_tidy();
    for path in tree::files(&mirror.dist()).values() {
        let meta = std::fs::metadata(path).unwrap();
        let age = meta.modified().unwrap().elapsed().unwrap();
        assert!(age.as_secs() < 600, "{}", path.display());
    }
}
