//! What is said of a command line that asks for what cannot be.

use crate::world::{Mirror, NEW, Tool, Upstream, failed};

with_each_tool![
    errors_are_one_line_on_stdout,
    statement_54_digest_files_are_read_as_listed
];

fn errors_are_one_line_on_stdout(tool: Tool) {
    let mirror = Mirror::new(tool);
    mirror.write("dist/2026-01-01/.keep", "");
    for (args, expected) in [
        (
            &["-s", "stable", "frob"][..],
            "error: invalid COMMAND 'frob'",
        ),
        (&["list"], "error: missing required SPEC; try --select"),
        (&["-s", "1.76.x", "list"], "error: invalid SPEC '1.76.x'"),
        (
            &["-s", "stable-2024-2-8", "list"],
            "error: invalid SPEC 'stable-2024-2-8'",
        ),
        (
            &["-s", "stable-*", "verify"],
            "error: no matches for wild SPEC 'stable-*'",
        ),
        (
            &["-s", "latest", "pack"],
            "error: no matches for wild SPEC '",
        ),
        (
            &["-s", "stable", "fixup"],
            "error: missing file dist/channel-rust-stable.toml",
        ),
    ] {
        let refused = mirror.toolchain(args);
        failed(tool, &refused);
        assert_eq!(refused.stderr, "", "{args:?}");
        let last = refused
            .stdout
            .lines()
            .find(|line| line.starts_with("error: "));
        let last = last.unwrap_or_else(|| panic!("{refused:#?}"));
        assert!(last.starts_with(expected), "{last}");
        // Scripts may count on it of what is asked wrongly.
        if !args.contains(&"fixup") {
            assert_eq!(refused.code(), Some(1), "{args:?}");
        }
    }
    let nothing = mirror.toolchain(&[]).expect(0);
    assert_eq!(nothing.stdout, "nothing to do; try a COMMAND\n");
    let refused = mirror.toolchain(&["--no-such-option", "list"]).expect(2);
    assert_eq!(refused.stdout, "");
    mirror.toolchain(&["-qq", "-s", "stable", "list"]);
    assert_eq!(mirror.toolchain(&["-qq", "list"]).stdout, "");
}

fn statement_54_digest_files_are_read_as_listed(tool: Tool) {
    let upstream = Upstream::empty();
    upstream.publish(&NEW);
    let path = "dist/channel-rust-stable.toml.sha256";
    let line = String::from_utf8(upstream.get(path)).unwrap();
    let hash = &line[..64];
    let fetch = ["-s", "stable", "fetch-manifest"];
    for good in [
        hash.to_owned(),
        format!("{hash}\n"),
        format!("{hash}  name\n"),
        format!("{hash} *name\n"),
        format!("{hash}  a b c  \n"),
    ] {
        upstream.put(path, good.clone());
        let mirror = Mirror::new(tool);
        mirror.from(&upstream, &fetch).expect(0);
        mirror.toolchain(&["-s", "stable", "list"]).expect(0);
        assert_eq!(mirror.read(path), good);
    }
    for bad in [
        String::new(),
        format!("{hash} name\n"),
        format!("{hash}\tname\n"),
        format!("{hash}  name\n{hash}  other\n"),
        format!("# a comment\n{hash}  name\n"),
        hash.to_uppercase(),
        format!("{}\n", &hash[1..]),
        "<html>blocked</html>\n".to_owned(),
    ] {
        upstream.put(path, bad.clone());
        let mirror = Mirror::new(tool);
        let refused = mirror.from(&upstream, &fetch);
        failed(tool, &refused);
        if tool.is_ours() {
            assert_eq!(refused.stderr, "");
            assert!(refused.stdout.contains("\nerror: "), "{refused:#?}");
            assert!(
                refused.stdout.contains("dist/channel-rust-stable.toml"),
                "{refused:#?}"
            );
            assert!(
                !mirror.path("dist/channel-rust-stable.toml").exists(),
                "{bad:?}"
            );
        }
    }
}

/// Q12, with ours alone: what a proxy left in the place of a digest is written anew.
#[test]
fn q12_a_digest_file_that_is_none_does_not_stop_the_next_download() {
    let upstream = Upstream::small();
    let mirror = Mirror::new(Tool::Ours);
    let download = ["-s", "stable", "-t", "linux", "download"];
    mirror.from(&upstream, &download).expect(0);
    let before = mirror.files("dist");
    let component = NEW.file("cargo", "x86_64-unknown-linux-gnu");
    for path in [
        "channel-rust-stable.toml",
        "channel-rust-1.94.0.toml",
        "2026-03-05/channel-rust-stable.toml",
        &component,
    ] {
        mirror.write(&format!("dist/{path}.sha256"), "<html>blocked</html>\n");
        mirror.from(&upstream, &download).expect(0);
        assert_eq!(mirror.files("dist"), before, "{path}");
    }
}
