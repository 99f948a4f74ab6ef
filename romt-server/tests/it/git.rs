//! What git clients are told, and what those are told who are none.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use futures::stream;
use http::Request;
use http_body_util::BodyExt as _;
use romt_core::Sha256Digest;
use romt_index::{GitIndex, GitOptions};
use romt_server::{Limits, ServedMirror, ServerOptions};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::support::{Mirror, Reply, Running, ask, get};

const REFS: &str = "/git/crates.io-index/info/refs?service=git-upload-pack";
const FETCH: &str = "/git/crates.io-index/git-upload-pack";
/// A little more than it takes to see that another index is there.
const LOOK: Duration = Duration::from_millis(1200);
const MIB: usize = 1024 * 1024;
const REQUEST: &str = "application/x-git-upload-pack-request";

/// A mirror with a git index of one commit.
struct Scene {
    _directory: TempDir,
    router: Router,
    tip: String,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        git(path, &["init", "-q", "--bare", "-b", "master"], "");
        let blob = git(path, &["hash-object", "-w", "--stdin"], "{}\n");
        let entry = format!("100644 blob {blob}\tconfig.json\n");
        let tree = git(path, &["mktree"], &entry);
        let tip = git(path, &["commit-tree", "-m", "first", &tree], "");
        git(path, &["update-ref", "refs/heads/master", &tip], "");
        let index = GitIndex::open(path, GitOptions::default()).unwrap();
        let mirror = Mirror::sample().served().with_git(index);
        Self {
            router: romt_server::router(mirror, &ServerOptions::default()),
            _directory: directory,
            tip,
        }
    }

    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        post(&self.router, FETCH, headers, body.into()).await
    }

    /// What git asks for first.
    fn clone(&self) -> Vec<u8> {
        let want = line(&format!("want {} side-band-64k ofs-delta", self.tip));
        [&want[..], b"0000", b"0009done\n"].concat()
    }
}

fn git(path: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(path)
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "someone");
        command.env(format!("GIT_{who}_EMAIL"), "someone@invalid");
    }
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}\n", text.len() + 5).into_bytes()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

async fn post(router: &Router, path: &str, headers: &[(&str, &str)], body: Body) -> Reply {
    let mut request = Request::post(path).header("host", "mirror.example:8000");
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", REQUEST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

#[tokio::test]
async fn j23_content_types_are_those_of_the_protocol() {
    let scene = Scene::new();
    let refs = get(&scene.router, REFS).await;
    assert_eq!(refs.status, 200);
    let advertisement = "application/x-git-upload-pack-advertisement";
    assert_eq!(refs.header("content-type"), advertisement);
    assert_eq!(refs.header("cache-control"), "no-cache");
    let text = String::from_utf8(refs.body.to_vec()).unwrap();
    assert!(text.starts_with("001e# service=git-upload-pack\n0000"));
    assert!(text.contains(&format!("{} HEAD\0", scene.tip)), "{text}");
    assert!(text.contains(" symref=HEAD:refs/heads/master "), "{text}");
    let head = ask(&scene.router, "HEAD", REFS, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers, refs.headers);
    let version = [("git-protocol", "version=2")];
    let refs = ask(&scene.router, "GET", REFS, &version).await;
    assert!(refs.body.starts_with(b"000eversion 2\n"));

    let answer = scene.post(&[], scene.clone()).await;
    assert_eq!(answer.status, 200);
    let result = "application/x-git-upload-pack-result";
    assert_eq!(answer.header("content-type"), result);
    let body = &answer.body[..];
    assert!(body.starts_with(b"0008NAK\n"));
    assert_eq!(&body[12..17], b"\x01PACK");
    assert!(body.ends_with(b"0000"));
}

#[tokio::test]
async fn j23_requests_may_be_packed_or_come_in_pieces() {
    let scene = Scene::new();
    let plain = scene.post(&[], scene.clone()).await.body;
    for coding in ["gzip", "x-gzip"] {
        let headers = [("content-encoding", coding)];
        let answer = scene.post(&headers, gzip(&scene.clone())).await;
        assert_eq!((answer.status, &answer.body), (200, &plain));
    }
    let answer = scene.post(&[("content-encoding", "identity")], scene.clone());
    assert_eq!(answer.await.body, plain);
    let pieces = scene
        .clone()
        .into_iter()
        .map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])));
    let pieces = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
    assert_eq!(scene.post(&[], pieces).await.body, plain);

    let running = Running::start(scene.router.clone(), Limits::default()).await;
    let text = String::from_utf8(scene.clone()).unwrap();
    let head = format!(
        "POST {FETCH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {REQUEST}\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let (one, two) = text.split_at(20);
    let chunks = format!(
        "{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    let answer = running.raw(head + &chunks).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\u{1}PACK"), "{answer}");
}

#[tokio::test]
async fn hostile_h15_only_fetching_is_served() {
    let scene = Scene::new();
    for (path, status) in [
        (
            "/git/crates.io-index/info/refs?service=git-receive-pack",
            403,
        ),
        (
            "/git/crates.io-index/info/refs?service=git-upload-archive",
            403,
        ),
        ("/git/crates.io-index/info/refs?service=", 403),
        ("/git/crates.io-index/info/refs", 403),
        ("/git/crates.io-index/git-receive-pack", 403),
        (FETCH, 405),
        ("/git/crates.io-index/HEAD", 404),
        ("/git/crates.io-index/objects/info/packs", 404),
        ("/git/crates.io-index/.git/config", 404),
        ("/git/crates.io-index/config", 404),
        ("/git/crates.io-index/", 404),
        ("/git/other/info/refs?service=git-upload-pack", 404),
        ("/git/../crates.io-index/info/refs", 400),
    ] {
        let reply = get(&scene.router, path).await;
        assert_eq!(reply.status, status, "{path}");
    }
    assert_eq!(get(&scene.router, FETCH).await.header("allow"), "POST");
    for (path, status) in [
        ("/git/crates.io-index/git-receive-pack", 403),
        ("/git/crates.io-index/info/refs", 405),
        ("/git/crates.io-index/other", 405),
        ("/index/se/rd/serde", 405),
        ("/crates/new", 405),
        ("/", 405),
    ] {
        let body = Body::from("0000");
        let reply = post(&scene.router, path, &[], body).await;
        assert_eq!(reply.status, status, "{path}");
        // Nobody has read what was posted.
        assert_eq!(reply.header("connection"), "close", "{path}");
    }
    let without = Mirror::sample().router();
    assert_eq!(get(&without, REFS).await.status, 404);
    let body = Body::from(scene.clone());
    assert_eq!(post(&without, FETCH, &[], body).await.status, 404);
}

#[tokio::test]
async fn hostile_h15_what_cannot_be_read_is_refused() {
    let scene = Scene::new();
    for (what, body) in [
        ("no packets", b"junk".to_vec()),
        ("a cut packet", b"00ffwant".to_vec()),
        ("no length", b"zzzz".to_vec()),
        ("no object", [&line("want 12")[..], b"0000"].concat()),
        ("no end", line(&format!("want {}", scene.tip))),
    ] {
        assert_eq!(scene.post(&[], body).await.status, 400, "{what}");
    }
    let packed = [("content-encoding", "gzip")];
    assert_eq!(scene.post(&packed, scene.clone()).await.status, 400);
    let cut = gzip(&scene.clone());
    let cut = cut[..cut.len() - 9].to_vec();
    assert_eq!(scene.post(&packed, cut).await.status, 400);
    for coding in ["br", "deflate", "gzip, gzip"] {
        let odd = [("content-encoding", coding)];
        assert_eq!(scene.post(&odd, scene.clone()).await.status, 415);
    }
    let odd = [("content-type", "text/plain")];
    assert_eq!(scene.post(&odd, scene.clone()).await.status, 415);
    let broken = stream::iter([Ok(Bytes::from("0032want")), Err("gone")]);
    let broken = Body::from_stream(broken);
    assert_eq!(scene.post(&[], broken).await.status, 400);
}

#[tokio::test]
async fn hostile_h15_requests_have_a_limit() {
    let scene = Scene::new();
    let packed = [("content-encoding", "gzip")];
    let bomb = gzip(&vec![b'0'; 50 * MIB]);
    assert!(bomb.len() < MIB);
    assert_eq!(scene.post(&packed, bomb).await.status, 413);
    // Of bombs, one after the other.
    let mut many = gzip(&vec![b'0'; MIB / 2]);
    many = many.repeat(3);
    assert_eq!(scene.post(&packed, many).await.status, 413);
    let wants = (0..1_000_000).map(|number| format!("0032want {number:040x}\n"));
    let wants: Vec<String> = wants.collect();
    let wants = wants.concat();
    assert_eq!(scene.post(&[], wants.clone()).await.status, 413);
    assert_eq!(scene.post(&[], wants[..MIB].to_owned()).await.status, 400);
    // Flushes, up to the limit and past it.
    assert_eq!(scene.post(&[], vec![b'0'; MIB]).await.status, 200);
    assert_eq!(scene.post(&[], vec![b'0'; MIB + 4]).await.status, 413);
    assert_eq!(
        scene.post(&packed, gzip(&vec![b'0'; MIB])).await.status,
        200
    );
}

#[tokio::test]
async fn hostile_h15_wants_for_what_is_not_shown_get_an_error_packet() {
    let scene = Scene::new();
    let want = line(&format!("want {}", "1".repeat(40)));
    let reply = scene
        .post(&[], [&want[..], b"0000", b"0009done\n"].concat())
        .await;
    assert_eq!(reply.status, 200);
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    assert!(text.contains("ERR upload-pack: not our ref 1111"), "{text}");
    for odd in ["deepen 1", "deepen -5", "filter blob:none"] {
        let want = line(&format!("want {}", scene.tip));
        let body = [&want[..], &line(odd), b"0000", b"0009done\n"].concat();
        let reply = scene.post(&[], body).await;
        assert_eq!(reply.status, 200, "{odd}");
        assert_eq!(&reply.body[4..8], b"ERR ", "{odd}");
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_h10_a_request_that_never_ends_is_given_up() {
    let scene = Scene::new();
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let reply = scene.post(&[], body).await;
    assert_eq!(reply.status, 408);
    assert_eq!(reply.header("connection"), "close");
}

#[tokio::test]
async fn an_index_that_comes_later_is_served_without_a_new_start() {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    std::fs::create_dir(at("dist")).unwrap();
    std::fs::write(at("dist/channel-rust-stable.toml"), "").unwrap();
    let mirror = ServedMirror::open(directory.path()).await.unwrap();
    let router = romt_server::router(mirror, &ServerOptions::default());
    let file = "/index/3/a/abc";
    assert_eq!(get(&router, file).await.status, 404);
    assert_eq!(get(&router, REFS).await.status, 404);

    // What is there is seen when it shows something, and not before.
    let path = at("git/crates.io-index");
    std::fs::create_dir_all(&path).unwrap();
    git(&path, &["init", "-q", "--bare", "-b", "master"], "");
    tokio::time::sleep(LOOK).await;
    assert_eq!(get(&router, file).await.status, 404);
    assert_eq!(get(&router, REFS).await.status, 404);
    let digest = Sha256Digest::of("crate");
    let line = format!(
        "{{\"name\":\"Abc\",\"vers\":\"1.0.0\",\"deps\":[],\"cksum\":\"{digest}\",\
         \"features\":{{}},\"yanked\":false}}\n"
    );
    let tree = |entries: String| git(&path, &["mktree"], &entries);
    let blob = git(&path, &["hash-object", "-w", "--stdin"], &line);
    let config = git(&path, &["hash-object", "-w", "--stdin"], "{}\n");
    let below = tree(format!("100644 blob {blob}\tabc\n"));
    let below = tree(format!("040000 tree {below}\ta\n"));
    let root = tree(format!(
        "040000 tree {below}\t3\n100644 blob {config}\tconfig.json\n"
    ));
    let tip = git(&path, &["commit-tree", "-m", "first", &root], "");
    std::fs::create_dir_all(at("crates/3/A/Abc")).unwrap();
    std::fs::write(at("crates/config.toml"), "prefix = \"mixed\"\n").unwrap();
    std::fs::write(at("crates/3/A/Abc/Abc-1.0.0.crate"), "crate").unwrap();
    git(&path, &["update-ref", "refs/heads/master", &tip], "");
    tokio::time::sleep(LOOK).await;
    assert_eq!(get(&router, file).await.body, line);
    let refs = get(&router, REFS).await;
    assert!(String::from_utf8_lossy(&refs.body).contains(&tip));
    let found = get(&router, "/crates/3/a/Abc/Abc-1.0.0.crate").await;
    assert_eq!(found.body, "crate");
    assert!(found.header("cache-control").contains("immutable"));
    let found = get(&router, "/api/v1/crates?q=abc").await;
    assert!(String::from_utf8_lossy(&found.body).contains("\"Abc\""));
    let health = get(&router, "/metrics").await;
    assert!(String::from_utf8_lossy(&health.body).contains(&tip));
}
