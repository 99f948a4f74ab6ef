//! What stands between clients and a mirror: TLS, tokens, proxies, and the log. The
//! clients are the real cargo, curl, rustup and nginx.

#![cfg(unix)]
// Clippy takes only what is in a test function for a test.
#![allow(clippy::print_stdout)]

// Each of the tests uses another part of it.
#[allow(dead_code)]
#[path = "../support/mod.rs"]
mod support;

mod nginx;
mod scene;

use std::{fs, process::Command};

use scene::{Line, Scene, have};
use support::{
    cargo::{OfflineUser, Toolchain},
    http,
    process::run,
};

#[test]
fn cargo_builds_over_tls_and_http2() {
    let scene = Scene::new();
    scene.write_certificate();
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    for toolchain in Toolchain::installed() {
        for multiplexing in [true, false] {
            let mut server = scene.serve(&tls);
            let url = server.serving();
            assert!(url.starts_with("https://127.0.0.1:"), "{url}");
            let project = scene.project(&url, false);
            let user = OfflineUser::new(&toolchain, &scene.tripwire);
            let mut cargo = user.cargo(project.path(), &["build"]);
            cargo.env("CARGO_HTTP_CAINFO", scene.path().join("cert.pem"));
            cargo.env("CARGO_HTTP_MULTIPLEXING", multiplexing.to_string());
            run(&mut cargo).expect(0);
            let lines = Line::of(&server.stop().stderr);
            assert!(lines.len() >= 5, "{lines:?}");
            let version = if multiplexing { "h2" } else { "1.1" };
            for line in &lines {
                assert_eq!(
                    (line.status, &*line.version),
                    (200, version),
                    "{toolchain}: {line:?}"
                );
            }
        }
        // Who does not trust the certificate gets nothing.
        let mut server = scene.serve(&tls);
        let project = scene.project(&server.serving(), false);
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        run(&mut user.cargo(project.path(), &["fetch"])).expect(101);
        assert!(Line::of(&server.stop().stderr).is_empty());
    }
    assert_eq!(scene.tripwire.touched(), 0);
}

#[test]
fn curl_speaks_http2_and_takes_ranges() {
    if !have("curl") {
        return;
    }
    let scene = Scene::new();
    scene.write_certificate();
    let mut server = scene.serve(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let url = server.serving();
    let curl = |version: &str, range: &str| {
        let mut curl = Command::new("curl");
        scene.tripwire.guard(&mut curl);
        curl.args([
            "-sS", version, "--cacert", "cert.pem", "-r", range, "-o", "part",
        ])
        .args(["-w", "%{http_version} %{http_code} %{size_download}"])
        .arg(format!("{url}/crates/base/base-1.0.0.crate"))
        .current_dir(scene.path());
        run(&mut curl).expect(0).stdout
    };
    assert_eq!(curl("--http2", "5-14"), "2 206 10");
    assert_eq!(curl("--http1.1", "0-0"), "1.1 206 1");
    // Who asks in the clear is told so.
    let plain = url.replace("https://", "http://");
    let (status, text) = http::get(&plain, "healthz").expect("it is answered");
    assert_eq!(
        (status, &*text),
        (400, "this port speaks TLS: ask with https://\n")
    );
    server.stop();
}

#[test]
fn cargo_reads_a_closed_mirror_with_a_token() {
    let scene = Scene::new();
    let token = scene.new_token("ci");
    for toolchain in Toolchain::installed() {
        let mut server = scene.serve(&["--token-file", "tokens"]);
        let project = scene.project(&server.serving(), true);
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        let refused = run(&mut user.cargo(project.path(), &["fetch"])).expect(101);
        assert!(refused.stderr.contains("romt"), "{refused:#?}");
        // By the environment, and by `cargo login`.
        let mut fetch = user.cargo(project.path(), &["fetch"]);
        fetch.env("CARGO_REGISTRIES_ROMT_TOKEN", &token);
        run(&mut fetch).expect(0);
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        let login = ["login", "--registry", "romt", &token];
        run(&mut user.cargo(project.path(), &login)).expect(0);
        run(&mut user.cargo(project.path(), &["build"])).expect(0);
        let finished = server.stop();
        let (lines, stdout) = (Line::of(&finished.stderr), &finished.stdout);
        assert!(
            lines
                .iter()
                .any(|it| it.status == 401 && it.token.is_none())
        );
        assert!(lines.iter().any(|it| it.path.starts_with("/crates/")));
        for line in lines.iter().filter(|line| line.status == 200) {
            assert_eq!(line.token.as_deref(), Some("ci"), "{line:?}");
        }
        assert!(!finished.stderr.contains(&token), "the log has a token");
        assert!(
            stdout.contains("global-credential-providers = [\"cargo:token\"]"),
            "{stdout}"
        );
    }
}

#[test]
fn rustup_and_curl_send_a_token_as_a_password() {
    let scene = Scene::new();
    let token = scene.new_token("lab");
    let mut server = scene.serve(&["--token-file", "tokens"]);
    let url = server.serving();
    let with_token = url.replace("http://", &format!("http://me:{token}@"));
    let mut rustup = Command::new("rustup");
    scene.tripwire.guard(&mut rustup);
    rustup
        .args(["toolchain", "install", "1.70.0", "--no-self-update"])
        .env("RUSTUP_HOME", scene.path().join("rustup"))
        .env("CARGO_HOME", scene.path().join("cargo"))
        .env("RUSTUP_DIST_SERVER", &with_token)
        .env_remove("RUSTUP_TOOLCHAIN");
    let has_rustup = have("rustup");
    if has_rustup {
        // There is none, which is all that it can find out.
        run(&mut rustup);
    }
    if have("curl") {
        let mut curl = Command::new("curl");
        scene.tripwire.guard(&mut curl);
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}"])
            .arg(format!("{with_token}/index/ba/se/base"));
        assert_eq!(run(&mut curl).expect(0).stdout, "200");
    }
    let finished = server.stop();
    let lines = Line::of(&finished.stderr);
    let of_rustup: Vec<_> = lines
        .iter()
        .filter(|line| line.path.starts_with("/dist/"))
        .collect();
    assert_eq!(of_rustup.is_empty(), !has_rustup, "{lines:?}");
    for line in of_rustup {
        assert_eq!(
            (line.status, line.token.as_deref()),
            (404, Some("lab")),
            "{line:?}"
        );
    }
    assert!(!finished.stderr.contains(&token), "the log has a token");
}

#[test]
fn options_that_cannot_be_followed_are_told_before_anything_is_served() {
    let scene = Scene::new();
    scene.write_certificate();
    scene.new_token("ci");
    fs::write(scene.path().join("empty"), "").expect("it is written");
    for (args, code, expected) in [
        (&["--tls-cert", "cert.pem"][..], 2, "--tls-key <FILE>"),
        (
            &["--tls-cert", "cert.pem", "--tls-key", "none.pem"],
            5,
            "could not read none.pem",
        ),
        (
            &["--tls-cert", "cert.pem", "--tls-key", "empty"],
            2,
            "empty has no private key",
        ),
        (
            &["--tls-cert", "key.pem", "--tls-key", "key.pem"],
            2,
            "key.pem has no certificate",
        ),
        (&["--token-file", "none"], 5, "could not read none"),
        (
            &["--trusted-proxy", "10.0.0.0/40"],
            2,
            "nor a network like 192.0.2.0/24",
        ),
    ] {
        let all = ["serve", "--mirror", "mirror", "--port", "0"];
        let finished = scene.romt(all.iter().chain(args)).wait().expect(code);
        assert!(
            finished.stderr.contains(expected),
            "{args:?}: {}",
            finished.stderr
        );
    }
    let again = ["token", "new", "--name", "ci", "--file", "tokens"];
    let finished = scene.romt(again.iter()).wait().expect(2);
    assert!(
        finished.stderr.contains("has a token called ci already"),
        "{finished:#?}"
    );
}

#[test]
fn cargo_works_through_nginx() {
    let scene = Scene::new();
    scene.write_certificate();
    let Some(front) = nginx::Nginx::reserve() else {
        return;
    };
    let server_url = front.url();
    let args = ["--trusted-proxy", "127.0.0.1", "--server-url", &server_url];
    let (mut server, address) = scene.serve_at_known_port(&args);
    assert_eq!(server.serving(), server_url);
    let front = front.start(scene.path(), &address);
    for toolchain in Toolchain::installed() {
        let project = scene.project(&server_url, false);
        let user = OfflineUser::new(&toolchain, &scene.tripwire);
        let mut cargo = user.cargo(project.path(), &["build"]);
        cargo.env("CARGO_HTTP_CAINFO", scene.path().join("cert.pem"));
        run(&mut cargo).expect(0);
    }
    drop(front);
    let lines = Line::of(&server.stop().stderr);
    assert!(lines.len() >= 5, "{lines:?}");
}

#[test]
fn a_check_says_what_clients_would_be_missing() {
    let scene = Scene::new();
    let file = scene
        .path()
        .join("mirror/crates/ba/se/base/base-1.0.0.crate");
    let check = |how: &str| scene.romt(["serve", "--mirror", "mirror", how]).wait();
    let whole = check("--check").expect(0);
    assert_eq!(whole.stdout, "");
    assert!(
        whole.stderr.contains("2 versions of 2 crates"),
        "{whole:#?}"
    );
    let bytes = fs::read(&file).expect("it is there");
    let mut damaged = bytes.clone();
    damaged[50] ^= 1;
    fs::write(&file, damaged).expect("it is written");
    check("--check").expect(0);
    let found = check("--check=full").expect(3);
    assert!(
        found.stdout.contains("base-1.0.0.crate has the digest"),
        "{found:#?}"
    );
    fs::remove_file(&file).expect("it is there");
    let found = check("--check").expect(1);
    assert_eq!(
        found.stdout,
        "missing: crates/ba/se/base/base-1.0.0.crate\n"
    );
    assert!(found.stderr.contains("1 fault"), "{found:#?}");
}
