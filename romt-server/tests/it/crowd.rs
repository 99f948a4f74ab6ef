//! Many clients, and what they leave behind.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Mirror, content, get, key};
use futures::future::join_all;
use romt_core::Sha256Digest;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::sleep,
};

/// The digest that the index says of the last version of `moving`, and where that is.
async fn newest(router: &axum::Router) -> (String, String) {
    let index = get(router, "/index/mo/vi/moving").await;
    assert_eq!(index.status, 200);
    let line = index.body.split(|byte| *byte == b'\n').next().unwrap();
    let line: serde_json::Value = serde_json::from_slice(line).unwrap();
    let version = line["vers"].as_str().unwrap();
    let path = format!("/crates/moving/moving-{version}.crate");
    (path, line["cksum"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h18_whoever_reads_while_crates_come_and_go_reads_the_right_bytes() {
    let mirror = Mirror::sample();
    let publish = |number: usize| {
        // Small ones and large ones, of other bytes each time.
        let size = if number.is_multiple_of(2) {
            5000
        } else {
            400_000
        };
        mirror.publish("moving", &format!("1.0.{number}"), &content(size + number));
    };
    publish(0);
    let router = mirror.router();
    let clients = join_all((0..500).map(|_| {
        let router = router.clone();
        tokio::spawn(async move {
            let mut read = 0;
            for _ in 0..4 {
                let (path, cksum) = newest(&router).await;
                sleep(Duration::from_millis(5)).await;
                let reply = get(&router, &path).await;
                // It may have gone meanwhile; it is never another one.
                if reply.status == 200 {
                    assert_eq!(Sha256Digest::of(&reply.body).to_string(), cksum, "{path}");
                    read += 1;
                } else {
                    assert_eq!(reply.status, 404, "{path}");
                }
            }
            read
        })
    }));
    let publisher = async {
        for number in 1..60 {
            publish(number);
            if number >= 3 {
                mirror
                    .store
                    .remove(&key("moving", &format!("1.0.{}", number - 3)));
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let (clients, ()) = tokio::join!(clients, publisher);
    let read: usize = clients.into_iter().map(Result::unwrap).sum();
    assert!(read > 500, "only {read} were read");
}

/// A server in a process of its own.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    async fn start(mirror: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_romt-server"))
            .args([
                "--port",
                "0",
                "--access-log",
                "off",
                "--log",
                "off",
                "--mirror",
            ])
            .arg(mirror)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = tokio::process::ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        let address = line
            .trim()
            .strip_prefix("# serving http://")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for a toolchain, reads the beginning, and goes.
async fn abort(address: &str) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let path = "dist/2026-01-02/rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz";
    let request = format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h18_ten_thousand_who_vanish_leave_no_descriptor() {
    let dir = tempfile::tempdir().unwrap();
    let dist = dir.path().join("dist/2026-01-02");
    fs::create_dir_all(&dist).unwrap();
    fs::write(dir.path().join("dist/channel-rust-stable.toml"), "").unwrap();
    let file = dist.join("rustc-1.95.0-x86_64-unknown-linux-gnu.tar.xz");
    fs::write(file, vec![7; 8_000_000]).unwrap();
    let server = Server::start(dir.path()).await;
    abort(&server.address).await;
    sleep(Duration::from_millis(200)).await;
    let before = server.descriptors();
    let clients = (0..50).map(|_| {
        let address = server.address.clone();
        tokio::spawn(async move {
            for _ in 0..200 {
                abort(&address).await;
            }
        })
    });
    for client in join_all(clients).await {
        client.unwrap();
    }
    let mut after = server.descriptors();
    for _ in 0..100 {
        if after <= before {
            break;
        }
        sleep(Duration::from_millis(50)).await;
        after = server.descriptors();
    }
    assert!(
        after <= before,
        "{before} descriptors before, {after} after"
    );
}
