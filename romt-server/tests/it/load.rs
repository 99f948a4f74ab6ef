//! Honest clients among others.

use std::time::{Duration, Instant};

use crate::support::{Mirror, Running};
use romt_server::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

const ASKED: usize = 400;

/// The median of what an answer takes, over one connection.
async fn latency(server: &Running) -> Duration {
    let mut stream = server.connect().await;
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut times = Vec::new();
    for _ in 0..ASKED {
        let start = Instant::now();
        let request = b"GET /index/se/rd/serde HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
        times.push(start.elapsed());
        sleep(Duration::from_millis(1)).await;
    }
    times.sort_unstable();
    times[ASKED / 2]
}

/// Sends `bytes`, then nothing for a while.
async fn linger(address: std::net::SocketAddr, bytes: &'static [u8]) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _ = stream.write_all(bytes).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Makes connections and asks for nonsense, again and again.
async fn flood(address: std::net::SocketAddr) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let junk = b"GET /%00 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,0-2,0-3\r\n\r\n";
            let _ = stream.write_all(junk).await;
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h10_h23_honest_clients_hardly_notice_a_hostile_mix() {
    let limits = Limits::default()
        .with_connections(1024, 300)
        .with_head_timeout(Duration::from_millis(500));
    let server = Running::start(Mirror::sample().router(), limits).await;
    let before = latency(&server).await;
    let mut hostile = JoinSet::new();
    for number in 0..240 {
        let address = server.address;
        match number % 3 {
            0 => hostile.spawn(linger(address, b"")),
            1 => hostile.spawn(linger(address, b"GET / HTTP/1.1\r\nHo")),
            _ => hostile.spawn(linger(
                address,
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx",
            )),
        };
    }
    for _ in 0..20 {
        hostile.spawn(flood(server.address));
    }
    sleep(Duration::from_millis(300)).await;
    let among = latency(&server).await;
    hostile.shutdown().await;
    println!("median latency {before:?} alone, {among:?} among hostile clients");
    // The clients share the machine with the server here, so there is some room.
    let bound = before * 2 + Duration::from_millis(2);
    assert!(
        among < bound,
        "{before:?} alone, {among:?} among hostile clients"
    );
}
