mod hostile;
mod server;

use std::{io::Write as _, net::TcpStream, path::PathBuf, sync::Arc, time::Duration};

use gix::ObjectId;
use romt_core::{ErrorClass, ports::IndexError};

use self::server::{Answer, Request, backend, say, serve};
use super::{
    super::{
        bundle::write_bundle,
        pack::{
            testing::{Git, History, is_ancestor},
            whole_text,
        },
    },
    BRANCH, HttpTransport, Remote, fetch,
};

struct Scene {
    dir: tempfile::TempDir,
    history: History,
    receiver: Git,
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let history = History::random(&dir.path().join("upstream"), seed, 60);
        let receiver = Git::init(dir.path().join("receiver"));
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            dir,
            history,
            receiver,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn fetch(&self, url: &str, patience: Duration) -> Result<ObjectId, IndexError> {
        let remote = Remote::parse(url, self.dir.path()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let http = HttpTransport::new(client, self.runtime.handle().clone(), patience);
        let incoming = fetch(&self.receiver.open(), "index", &remote, Some(&http))?;
        assert_eq!(incoming.branch, BRANCH);
        Ok(incoming.tip)
    }

    /// Upstream is at this commit now, and the receiver fetches it.
    fn follows(&self, commit: usize, url: &str) {
        let tip = self.history.commits[commit];
        self.history.git.set(BRANCH, tip);
        let refs = self.receiver.run(&["for-each-ref"]);
        assert_eq!(self.fetch(url, Duration::from_secs(30)).unwrap(), tip);
        assert_eq!(
            self.receiver.run(&["for-each-ref"]),
            refs,
            "a reference moved"
        );
        self.receiver.set("refs/remotes/origin/master", tip);
        self.receiver.check();
        let odd = |it: &PathBuf| it.extension().is_none_or(|it| it != "pack" && it != "idx");
        assert!(
            !self.receiver.files().iter().any(odd),
            "something is left over"
        );
    }

    fn fails(&self, answer: Arc<Answer>) -> IndexError {
        let url = format!("{}/upstream", serve(answer));
        let error = self.fetch(&url, Duration::from_secs(2)).unwrap_err();
        assert!(self.receiver.files().is_empty(), "something is left over");
        error
    }

    fn backend(&self, version_2: bool) -> Arc<Answer> {
        backend(self.dir.path().to_owned(), version_2)
    }
}

fn packed(git: &Git) -> usize {
    let count = git.run(&["count-objects", "-v"]);
    let line = count.lines().find_map(|it| it.strip_prefix("in-pack: "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_server_is_cloned_and_then_followed() {
    for version_2 in [true, false] {
        let scene = Scene::new(21);
        let url = format!("{}/upstream", serve(scene.backend(version_2)));
        let commits = &scene.history.commits;
        let upstream = scene.history.git.open();
        let builds_on = |n: &usize| is_ancestor(&upstream, commits[30], commits[*n]).unwrap();
        let next = (31..60).find(builds_on).unwrap();
        scene.follows(30, &url);
        let cloned = packed(&scene.receiver);
        scene.follows(next, &url);
        let grown = packed(&scene.receiver);
        let range = format!("{}..{}", commits[30], commits[next]);
        let wanted = scene.history.git.run(&["rev-list", "--objects", &range]);
        // Bases of deltas come along.
        assert!(grown - cloned <= wanted.lines().count() * 2 + 2);
        // Nothing new is nothing to take, and what is gone from upstream stays.
        scene.follows(next, &url);
        assert_eq!(packed(&scene.receiver), grown);
        scene.follows(31, &url);
        scene.follows(59, &url);
    }
}

#[test]
fn hostile_b03_other_branches_are_none_of_ours() {
    let scene = Scene::new(22);
    let url = format!("{}/upstream", serve(scene.backend(true)));
    scene.follows(10, &url);
    let has = |n: usize| scene.receiver.open().has_object(scene.history.commits[n]);
    assert!(has(10) && !has(11) && !has(59));
    scene.history.git.run(&["update-ref", "-d", BRANCH]);
    let error = scene.fetch(&url, Duration::from_secs(30)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
}

#[test]
fn hostile_b13_a_history_that_begins_anew_is_followed() {
    let scene = Scene::new(23);
    let url = format!("{}/upstream", serve(scene.backend(true)));
    scene.follows(20, &url);
    let git = &scene.history.git;
    let tree = format!("{}^{{tree}}", scene.history.commits[20]);
    let anew: ObjectId = git
        .run(&["commit-tree", &tree, "-m", "anew"])
        .parse()
        .unwrap();
    git.set(BRANCH, anew);
    assert_eq!(scene.fetch(&url, Duration::from_secs(30)).unwrap(), anew);
    scene.receiver.set("refs/remotes/origin/master", anew);
    scene.receiver.check();
    // The same from a path, to somebody else.
    let other = Git::init(scene.dir.path().join("other"));
    let from = Remote::Path(git.dir.clone());
    assert_eq!(
        fetch(&other.open(), "index", &from, None).unwrap().tip,
        anew
    );
}

#[test]
fn a_repository_on_this_machine_is_cloned_and_then_followed() {
    let scene = Scene::new(24);
    let path = scene.history.git.dir.to_str().unwrap().to_owned();
    for commit in [30, 34, 34, 31, 59] {
        scene.follows(commit, &path);
        scene.follows(commit, &format!("file://{path}"));
    }
    let tree = scene.dir.path().join("tree");
    scene
        .history
        .git
        .run(&["clone", "-q", &path, tree.to_str().unwrap()]);
    let other = Git::init(scene.dir.path().join("other"));
    let incoming = fetch(&other.open(), "index", &Remote::Path(tree), None).unwrap();
    assert_eq!(incoming.tip, scene.history.commits[59]);
}

#[test]
fn a_bundle_is_a_remote_too() {
    let scene = Scene::new(25);
    let path = scene.dir.path().join("origin.bundle");
    let tip = scene.history.commits[40];
    let upstream = scene.history.git.open();
    write_bundle(&upstream, "index", None, tip, BRANCH, &path).unwrap();
    let remote = Remote::parse("origin.bundle", scene.dir.path()).unwrap();
    let incoming = fetch(&scene.receiver.open(), "index", &remote, None).unwrap();
    assert_eq!((incoming.tip, incoming.branch.as_str()), (tip, BRANCH));
    scene.receiver.set("refs/heads/in", tip);
    scene.receiver.check();
}

#[test]
fn what_is_not_there_is_named() {
    let scene = Scene::new(26);
    let repo = scene.receiver.open();
    let empty = Git::init(scene.dir.path().join("empty"));
    for path in [
        scene.dir.path().join("nowhere"),
        scene.dir.path().to_owned(),
        empty.dir,
    ] {
        let error = fetch(&repo, "index", &Remote::Path(path.clone()), None).unwrap_err();
        assert!(
            whole_text(&error).contains(&path.display().to_string()),
            "{error:?}"
        );
    }
    let server = Remote::Http("http://127.0.0.1:1/x".to_owned());
    let error = fetch(&repo, "index", &server, None).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Refused);
    let error = scene
        .fetch("http://127.0.0.1:1/x", Duration::from_secs(5))
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Upstream);
}

#[test]
fn servers_that_fail_are_named_as_such() {
    let scene = Scene::new(27);
    scene.history.git.set(BRANCH, scene.history.commits[5]);
    for status in ["404 x", "401 x", "403 x", "500 x", "503 x"] {
        let error = scene.fails(Arc::new(move |_, stream| {
            say(stream, status, "text/plain", b"no")
        }));
        assert_eq!(error.class(), ErrorClass::Upstream);
    }
    let page = |_: &Request, stream: &mut TcpStream| say(stream, "200 x", "text/html", b"<html>");
    assert_eq!(scene.fails(Arc::new(page)).class(), ErrorClass::Upstream);
    // Right at first, and then a page.
    let real = scene.backend(true);
    let answer = move |request: &Request, stream: &mut TcpStream| match request.method.as_str() {
        "GET" => real(request, stream),
        _ => say(stream, "200 x", "text/html", b"<html>"),
    };
    assert_eq!(scene.fails(Arc::new(answer)).class(), ErrorClass::Upstream);
}

#[test]
fn a_server_may_be_elsewhere() {
    let scene = Scene::new(28);
    let real = serve(scene.backend(true));
    let url = serve(Arc::new(move |request, stream| {
        let to = format!(
            "{real}/upstream{}?{}",
            request.path.strip_prefix("/old").unwrap(),
            request.query
        );
        assert_eq!(request.method, "GET", "it was told where to go");
        write!(
            stream,
            "HTTP/1.1 301 x\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
    }));
    scene.follows(12, &format!("{url}/old"));
}
