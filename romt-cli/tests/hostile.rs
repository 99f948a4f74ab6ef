//! Index lines and `config.json` that were made to do harm.
//!
//! Each test has an upstream that serves one kind of them beside crates that are
//! good, runs `romt up`, and asks what the outcome says, what of it reached the
//! mirror, and whether anything happened outside. The names are those of romt's
//! trust model. That nothing beside the mirror was touched, that the mirror has
//! nothing but files, and that no escape character reaches the terminal is
//! checked after every run.

#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

mod fault_support;

use std::{fmt::Write as _, fs, time::Duration};

use fault_support::{
    process::Ended,
    registry::{Registry, index_path},
    tree,
    world::World,
};
use romt_core::Sha256Digest;
use romt_store::conformance::scripted::Fault;

/// The most memory that a hostile input may cost.
const MEMORY: u64 = 256 * 1024 * 1024;

/// The longest that a hostile input may take.
const TIME: Duration = Duration::from_secs(20);

fn up(world: &World) -> Ended {
    let ended = world.up();
    assert!(ended.peak < MEMORY, "{} bytes of memory", ended.peak);
    assert!(ended.elapsed < TIME, "it took {:?}", ended.elapsed);
    ended
}

/// A line about `name` and `version` whose crate, by its digest, is `content`.
fn line(name: &str, version: &str, content: &str) -> String {
    let digest = Sha256Digest::of(content);
    format!(r#"{{"name":"{name}","vers":"{version}","deps":[],"cksum":"{digest}","yanked":false}}"#)
}

fn package(name: &str, version: &str) -> String {
    let source = "registry+https://github.com/rust-lang/crates.io-index";
    format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n")
}

/// A world whose upstream says `body` of a crate, of which 1.0.0 is wanted.
fn world_with(name: &str, body: impl Into<Vec<u8>>) -> World {
    let world = World::small();
    world.server().put(index_path(name), body.into());
    world.lock(&(world.registry.lockfile() + &package(name, "1.0.0")));
    world
}

/// `bad` comes before a good line about 1.0.0. The good one is mirrored and
/// shown, and `bad` is not.
#[track_caller]
fn only_the_good_line_is_taken(bad: &str) {
    let good = line("victim", "1.0.0", "content");
    let mut world = world_with("victim", format!("{bad}\n{good}\n"));
    // Wherever a bad line might lead, there is something to be had.
    world
        .server()
        .put("dl/victim/victim-1.0.0.crate", "content");
    let ended = up(&world);
    ended.assert(0, &[]);
    let shown = fs::read(world.mirror.join("index/vi/ct/victim")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&shown),
        format!("{good}\n"),
        "after {bad:.200}"
    );
    assert_nothing_strange(&world);
    world.registry = Registry::small();
}

/// `body` has no entry of the crate at all: it is refused, and said to be.
#[track_caller]
fn refused(body: impl Into<Vec<u8>>, code: i32, needles: &[&str]) {
    let world = world_with("victim", body);
    let ended = up(&world);
    ended.assert(code, &["victim 1.0.0"]);
    ended.assert(code, needles);
    world.assert_shows_all_but(&[]);
    assert!(!world.mirror.join("index/vi/ct/victim").exists());
    assert_nothing_strange(&world);
    // Asking again changes nothing.
    up(&world).assert(code, needles);
}

/// The mirror has what it should have, and no more.
#[track_caller]
fn assert_nothing_strange(world: &World) {
    for (name, _) in tree::files(&world.mirror) {
        let text = name.to_str().unwrap();
        assert!(
            text.starts_with(".romt/") || text.starts_with("crates/") || text.starts_with("index/"),
            "{text} is in the mirror"
        );
        if text.starts_with("crates/") {
            let expected = |release: &str| text.ends_with(release);
            let mut files: Vec<_> = world
                .registry
                .releases()
                .map(|r| format!("{}-{}.crate", r.name, r.version))
                .collect();
            files.push("victim-1.0.0.crate".into());
            files.push("crates/config.toml".into());
            assert!(
                files.iter().any(|file| expected(file)),
                "{text} is in the mirror"
            );
        }
    }
}

#[test]
fn hostile_i01_names_that_are_paths_are_held_back() {
    for name in [
        "../../x",
        "../canary/deep/x",
        "/etc/x",
        "a/b",
        "a\\\\b",
        "..",
        ".",
        "C:x",
        "\\u001b[31mx",
        "victim\\u0000",
    ] {
        only_the_good_line_is_taken(&line(name, "1.0.0", "evil"));
        refused(
            line(name, "1.0.0", "evil"),
            4,
            &[
                "error[REFUSED]",
                "1 of its lines are no index entries of `victim`",
            ],
        );
    }
}

#[test]
fn hostile_i01_a_lock_file_with_a_path_for_a_name_is_refused() {
    let world = World::small();
    world.lock(&(world.registry.lockfile() + &package("../../x", "1.0.0")));
    let ended = world.up();
    ended.assert(4, &["Cargo.lock", "../../x"]);
    assert_eq!(world.server().requests().total, 0);
}

#[test]
fn hostile_i02_versions_that_are_paths_or_none_are_held_back() {
    let long = format!("1.0.0-{}", "a".repeat(150));
    for version in [
        "../../x",
        "1.0.0/../x",
        "1.0",
        "",
        "1.0.0-\\u001b[31m",
        &long,
    ] {
        only_the_good_line_is_taken(&line("victim", version, "evil"));
        refused(line("victim", version, "evil"), 4, &["error[REFUSED]"]);
    }
}

#[test]
fn hostile_i03_lines_of_another_crate_are_held_back() {
    only_the_good_line_is_taken(&line("other", "1.0.0", "evil"));
    refused(
        line("other", "1.0.0", "evil"),
        4,
        &["it is an entry of `other`, not of `victim`"],
    );
}

#[test]
fn hostile_i04_names_that_are_none_are_held_back() {
    let long = "v".repeat(65);
    for name in [
        "", &long, "1victim", "-victim", "víctim", "vi😀ct", "abc😀", "é",
    ] {
        only_the_good_line_is_taken(&line(name, "1.0.0", "evil"));
        refused(line(name, "1.0.0", "evil"), 4, &["error[REFUSED]"]);
    }
}

#[test]
fn hostile_i05_digests_that_are_none_are_held_back() {
    let good = Sha256Digest::of("evil").to_string();
    for digest in ["", "abc", &good[1..], &good.to_uppercase(), &"g".repeat(64)] {
        let bad = line("victim", "1.0.0", "evil").replace(&good, digest);
        only_the_good_line_is_taken(&bad);
        refused(bad, 4, &["error[REFUSED]"]);
    }
    let none = r#"{"name":"victim","vers":"1.0.0","deps":[],"yanked":false}"#;
    only_the_good_line_is_taken(none);
    refused(none, 4, &["error[REFUSED]", "cksum"]);
}

#[test]
fn hostile_i06_a_version_with_two_digests_is_held_back() {
    let body = [
        line("victim", "1.0.0", "one"),
        line("victim", "1.0.0", "two"),
        line("victim", "0.9.0", "three"),
    ];
    let reason = "version 1.0.0 occurs with different digests";
    refused(
        body.join("\n"),
        1,
        &["error[PARTIAL]", "line 1 was held back", reason],
    );
}

#[test]
fn hostile_i07_an_index_file_over_the_limit_is_refused() {
    let mut body = line("victim", "1.0.0", "content") + "\n";
    // Lines that are each short enough.
    let other = format!(r#"{{"x":"{}"}}"#, "y".repeat(100_000));
    while body.len() < 70 * 1024 * 1024 {
        writeln!(body, "{other}").unwrap();
    }
    refused(body, 4, &["error[REFUSED]", "67108864"]);
}

#[test]
fn hostile_i07_a_line_over_the_limit_is_held_back() {
    let name = "y".repeat(2 * 1024 * 1024);
    only_the_good_line_is_taken(&format!(r#"{{"name":"{name}"}}"#));
    refused(
        format!(r#"{{"name":"{name}"}}"#),
        4,
        &["longer than the limit of 1048576 bytes"],
    );
}

#[test]
fn hostile_i07_a_million_lines_are_read_in_little_memory() {
    let mut body = "x\n".repeat(1_000_000);
    body.push_str("not one either");
    refused(body, 4, &["10001 of its lines are no index entries"]);
}

#[test]
fn hostile_i07_a_compressed_bomb_is_refused() {
    let world = world_with("victim", "x".repeat(100 * 1024 * 1024));
    world.fault_forever(&index_path("victim"), Fault::Gzip);
    up(&world).assert(4, &["error[REFUSED]", "victim 1.0.0", "67108864"]);
    world.assert_shows_all_but(&[]);
}

#[test]
fn hostile_i08_what_is_no_json_object_is_held_back() {
    let good = line("victim", "1.0.0", "evil");
    for bad in [
        "not json".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("{good}{good}"),
        format!("\u{feff}{good}"),
        format!("{good}\0"),
        good.replace("\"yanked\"", "\"\\ud800\":1,\"name\""),
        "\x1b]0;title\x07\x1b[31m".to_owned(),
    ] {
        only_the_good_line_is_taken(&bad);
        refused(bad, 4, &["error[REFUSED]"]);
    }
}

#[test]
fn hostile_i08_line_ends_are_line_feeds_and_bytes_are_kept() {
    let good = line("victim", "1.0.0", "content");
    for (body, shown) in [
        (format!("{good}\r\n"), format!("{good}\r\n")),
        (format!("\n \n{good}\n\n"), format!("{good}\n")),
        // Without a final line feed.
        (good.clone(), format!("{good}\n")),
        {
            let odd = good.replace("\"deps\"", "\"note\":\"a\u{2028}b\u{85}c\",\"deps\"");
            (odd.clone(), format!("{odd}\n"))
        },
    ] {
        let world = world_with("victim", body);
        world
            .server()
            .put("dl/victim/victim-1.0.0.crate", "content");
        up(&world).assert(0, &[]);
        let plain = fs::read_to_string(world.mirror.join("index/vi/ct/victim")).unwrap();
        assert_eq!(plain, shown);
    }
}

#[test]
fn hostile_i09_lines_that_exhaust_a_parser_are_held_back() {
    let with = |extra: &str| {
        line("victim", "1.0.0", "evil").replace("{\"name\"", &format!("{{{extra},\"name\""))
    };
    let deep = with(&format!(
        r#""x":{}{}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    ));
    only_the_good_line_is_taken(&deep);
    refused(deep, 4, &["nests deeper than the limit of 64"]);
    let keys: Vec<_> = (0..150_000).map(|_| r#""":1"#).collect();
    let many = with(&format!(r#""x":{{{}}}"#, keys.join(",")));
    only_the_good_line_is_taken(&many);
    refused(many, 4, &["more than the limit of 100000 keys"]);
    let twice = with(r#""name":"victim""#);
    only_the_good_line_is_taken(&twice);
    refused(twice, 4, &["error[REFUSED]"]);
}

#[test]
fn hostile_i10_what_is_unknown_is_kept_verbatim() {
    let extra = r#"{"v":99,"new":{"a":[1e999999,2]},"pubtime":"yesterday","name""#;
    let odd = line("victim", "1.0.0", "content").replace("{\"name\"", extra);
    let world = world_with("victim", odd.clone());
    world
        .server()
        .put("dl/victim/victim-1.0.0.crate", "content");
    up(&world).assert(0, &[]);
    let plain = fs::read_to_string(world.mirror.join("index/vi/ct/victim")).unwrap();
    assert_eq!(plain, format!("{odd}\n"));
}

#[test]
fn hostile_i11_two_spellings_of_one_crate_do_not_mix() {
    let lower = line("victim", "1.0.0", "content");
    let world = world_with("victim", lower.clone());
    world
        .server()
        .put("dl/victim/victim-1.0.0.crate", "content");
    let both =
        world.registry.lockfile() + &package("victim", "1.0.0") + &package("Victim", "1.0.0");
    world.lock(&both);
    let ended = up(&world);
    ended.assert(1, &["Victim 1.0.0", "upstream spells this crate `victim`"]);
    let plain = fs::read_to_string(world.mirror.join("index/vi/ct/victim")).unwrap();
    assert_eq!(plain, format!("{lower}\n"));
}

#[test]
fn hostile_i12_a_crate_called_like_a_device_is_mirrored() {
    let world = World::small();
    assert!(world.registry.0.contains_key("aux"));
    up(&world).assert(0, &[]);
    world.assert_shows_all_but(&[]);
    for (name, _) in tree::files(&world.mirror) {
        let device = |part: &std::ffi::OsStr| part.eq_ignore_ascii_case("aux");
        assert!(!name.iter().any(device), "{} is a device", name.display());
    }
}

#[test]
fn hostile_i17_replies_that_are_no_index_file_leave_what_was_held() {
    let good = line("victim", "1.0.0", "content");
    let world = world_with("victim", good.clone());
    world
        .server()
        .put("dl/victim/victim-1.0.0.crate", "content");
    up(&world).assert(0, &[]);
    let before = tree::contents(&world.mirror);
    let lock = world.registry.lockfile() + &package("victim", "1.0.0");
    world.lock(&(lock + &package("victim", "2.0.0")));
    let tag = format!("\"{}\"", "e".repeat(100_000));
    let path = index_path("victim");
    for body in [
        "<html>sign in</html>".to_owned(),
        String::new(),
        line("other", "2.0.0", "evil"),
    ] {
        world.server().put(path.as_str(), body.clone());
        up(&world).assert(4, &["victim 2.0.0", "error[REFUSED]"]);
        assert_eq!(tree::contents(&world.mirror), before, "after {body}");
    }
    for (fault, code) in [
        (Fault::status(404), 1),
        (Fault::status(410), 1),
        (Fault::status(451), 1),
        (Fault::status_with(500, "ETag", tag), 4),
    ] {
        world.fault_forever(&path, fault.clone());
        up(&world).assert(code, &["victim 2.0.0"]);
        assert_eq!(tree::contents(&world.mirror), before, "after {fault:?}");
        world.server().heal();
    }
    let newer = line("victim", "2.0.0", "newer");
    world.server().put(path, format!("{good}\n{newer}\n"));
    world.server().put("dl/victim/victim-2.0.0.crate", "newer");
    up(&world).assert(0, &["1 crate fetched"]);
}

/// A mirror that shows something, then an upstream whose `config.json` is this.
#[track_caller]
fn config_is_refused(config: &str, code: i32, needles: &[&str]) {
    let mut world = World::new(Registry::earlier());
    up(&world).assert(0, &[]);
    let before = tree::contents(&world.mirror);
    world.upstream.show(&Registry::whole());
    world.lock(&Registry::whole().lockfile());
    world.server().put("config.json", config.to_owned());
    let ended = up(&world);
    ended.assert(code, &["config.json"]);
    ended.assert(code, needles);
    assert_eq!(tree::contents(&world.mirror), before);
    world.assert_shows_all_but(&[]);
    // It was upstream's trouble only.
    world.registry = Registry::whole();
    world.upstream.show(&world.registry);
    world.heal_and_finish();
}

#[test]
fn hostile_c01_a_dl_that_leads_elsewhere_is_refused() {
    for dl in [
        "../x/{crate}",
        "http://user:password@127.0.0.1/{crate}",
        "http://h/\\r\\nX: y/{crate}",
        "gopher://h/{crate}",
        "\\u001b[31m/{crate}",
    ] {
        let config = format!(r#"{{"dl":"{dl}"}}"#);
        config_is_refused(
            &config,
            4,
            &["error[REFUSED]", "its `dl` cannot be followed"],
        );
    }
}

/// The files of this machine are not upstream's to name.
#[test]
fn hostile_c01_a_dl_of_this_machines_files_brings_nothing() {
    let world = World::small();
    let secret = world.root().join("canary/deep");
    let config = format!(
        r#"{{"dl":"file://{}/x-1.0.0.crate#{{crate}}"}}"#,
        secret.display()
    );
    world.server().put("config.json", config);
    let ended = up(&world);
    ended.assert(4, &["error[REFUSED]"]);
    assert!(world.view().is_empty());
    assert_nothing_strange(&world);
    world.upstream.show(&world.registry);
    world.heal_and_finish();
}

#[test]
fn hostile_c02_a_registry_that_wants_credentials_is_said_to() {
    let config = r#"{"dl":"http://h/x","auth-required":true}"#;
    config_is_refused(config, 7, &["error[UPSTREAM]", "requires authentication"]);
}

#[test]
fn hostile_c03_what_is_no_config_json_is_refused() {
    let huge = format!(r#"{{"dl":"http://h/{}"}}"#, "x".repeat(70_000));
    for config in [
        "",
        "[]",
        "{}",
        "null",
        r#"{"dl":1}"#,
        "<html>\x1b[31m",
        &huge,
    ] {
        config_is_refused(config, 4, &["error[REFUSED]"]);
    }
}

#[test]
fn hostile_c03_no_config_json_is_said() {
    let world = World::small();
    world.server().remove("config.json");
    let ended = up(&world);
    ended.assert(4, &["there is no config.json", "--index-url"]);
    assert!(world.view().is_empty());
    world.upstream.show(&world.registry);
    world.heal_and_finish();
}

#[test]
fn hostile_c06_unknown_markers_are_named() {
    let config = r#"{"dl":"http://h/{crate}/{secret}"}"#;
    config_is_refused(config, 4, &["unknown marker {secret}"]);
}

#[test]
fn hostile_c06_every_marker_and_none_is_honoured() {
    let world = World::small();
    for release in world.registry.releases() {
        let [mixed, lower] = [romt_core::PrefixStyle::Mixed, romt_core::PrefixStyle::Lower]
            .map(|style| fault_support::registry::prefix(&release.name, style));
        let path = format!(
            "all/{mixed}/{lower}/{}/{}/{}",
            release.name,
            release.version,
            release.digest()
        );
        world.server().put(path, release.bytes.clone());
        let path = format!("none/{}/{}/download", release.name, release.version);
        world.server().put(path, release.bytes.clone());
    }
    for dl in [
        "all/{prefix}/{lowerprefix}/{crate}/{version}/{sha256-checksum}",
        "none",
    ] {
        drop(fs::remove_dir_all(&world.mirror));
        world.server().put("config.json", world.upstream.config(dl));
        up(&world).assert(0, &[]);
        world.assert_shows_all_but(&[]);
    }
}

/// A template that is well for most names, and makes an address too long for
/// others: those are held back, not shown without their crates.
#[test]
fn hostile_c06_a_crate_without_an_address_is_not_shown() {
    let world = World::small();
    let template = format!("x{}", "{crate}".repeat(1100));
    world
        .server()
        .put("config.json", world.upstream.config(&template));
    let ended = up(&world);
    ended.assert(
        4,
        &["error[REFUSED]", "MixedCase 1.0.0+build.7", "8,192 bytes"],
    );
    let view = world.view();
    assert!(view.is_empty(), "{view:?}");
    world.upstream.show(&world.registry);
    world.heal_and_finish();
}
