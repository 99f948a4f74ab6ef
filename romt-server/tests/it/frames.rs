//! HTTP/2 as attackers speak it, frame by frame.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::support::{Mirror, Running};
use crate::tls_support::{Certificate, Client, connect};
use romt_server::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field by a literal name, as HPACK has it without any table.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        assert!(text.len() < 127);
        field.push(u8::try_from(text.len()).unwrap());
        field.extend(text.as_bytes());
    }
    field
}

fn request(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ];
    fields
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// What came of an attack.
struct Outcome {
    received: Vec<u8>,
    lasted: Duration,
    /// How much was sent before the server took no more.
    sent: usize,
}

impl Outcome {
    /// The kinds of the frames that came, and the payloads of those of one kind.
    fn frames(&self, wanted: u8) -> (Vec<u8>, Vec<&[u8]>) {
        let (mut kinds, mut payloads, mut rest) = (Vec::new(), Vec::new(), &self.received[..]);
        while rest.len() >= 9 {
            let length =
                usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
            kinds.push(rest[3]);
            let end = (9 + length).min(rest.len());
            if rest[3] == wanted {
                payloads.push(&rest[9..end]);
            }
            rest = &rest[end..];
        }
        (kinds, payloads)
    }

    fn says_goodbye(&self) -> bool {
        self.frames(GOAWAY).0.contains(&GOAWAY)
    }
}

async fn greet(server: &Running, certificate: &Certificate) -> TlsStream<TcpStream> {
    let mut stream = connect(server, &certificate.der, &["h2"]).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    stream
}

/// Sends `pieces` until the server has had enough, and reads what it says.
async fn attack(
    server: &Running,
    certificate: &Certificate,
    pieces: impl Iterator<Item = Vec<u8>>,
) -> Outcome {
    let stream = greet(server, certificate).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    let start = Instant::now();
    let sent = Cell::new(0);
    let write = async {
        for piece in pieces {
            if writer.write_all(&piece).await.is_err() {
                break;
            }
            sent.set(sent.get() + piece.len());
        }
        let _ = writer.flush().await;
    };
    let read = async {
        let mut received = Vec::new();
        let mut buffer = vec![0; 65536];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            received.extend(&buffer[..read]);
        }
        received
    };
    let both = async {
        let mut read = std::pin::pin!(read);
        // Once the server has closed, it takes no more.
        tokio::select! {
            received = &mut read => received,
            () = write => read.await,
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), both).await;
    Outcome {
        received: ended.expect("the server should close"),
        lasted: start.elapsed(),
        sent: sent.get(),
    }
}

/// Makes the frames of a flood, by their number.
type Flood = dyn Fn(u32) -> Vec<u8>;

/// A server that is quick to judge.
async fn server(certificate: &Certificate) -> Running {
    let limits = Limits::default()
        .with_head_timeout(Duration::from_millis(800))
        .with_idle_timeout(Duration::from_secs(2));
    certificate.serve(Mirror::sample().router(), limits).await
}

async fn expect_well(server: &Running, certificate: &Certificate) {
    let mut client = Client::connect(server, certificate).await;
    assert_eq!(client.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h13_floods_are_cut_off() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let reset = |number: u32| {
        let stream = 2 * number + 1;
        let mut both = frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &request("/healthz"),
        );
        both.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        both
    };
    // Resets that come after the answer has begun cost just as much.
    let open = |number: u32| match number {
        0 => frame(HEADERS, END_HEADERS, 1, &request("/healthz")),
        _ => frame(DATA, 0, 1, &[]),
    };
    let settings = |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]);
    let ping = |_| frame(PING, 0, 0, &[7; 8]);
    let priority = |number: u32| frame(PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 1]);
    let unknown = |_| frame(0x42, 0, 0, &[]);
    let floods: [(&str, &Flood); 6] = [
        ("rapid reset", &reset),
        ("empty DATA", &open),
        ("settings", &settings),
        ("pings", &ping),
        ("priorities", &priority),
        ("unknown frames", &unknown),
    ];
    for (what, make) in floods {
        // It does not end by itself, and no limit on time ends it so soon.
        let pieces = (0..u32::MAX / 4).map(make);
        let outcome = attack(&server, &certificate, pieces).await;
        assert!(outcome.says_goodbye(), "{what}: {:?}", outcome.frames(0).0);
        assert!(
            outcome.lasted < Duration::from_secs(5),
            "{what}: {:?}",
            outcome.lasted
        );
        expect_well(&server, &certificate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h13_heads_without_end_are_cut_off() {
    let certificate = Certificate::new();
    let server = server(&certificate).await;
    let first = || std::iter::once(frame(HEADERS, END_STREAM, 1, &request("/healthz")));
    let part = field("a", &"b".repeat(100)).repeat(100);
    let full = first().chain((0..100_000).map(|_| frame(CONTINUATION, 0, 1, &part)));
    let empty = first().chain((0..100_000).map(|_| frame(CONTINUATION, 0, 1, &[])));
    for pieces in [
        Box::new(full) as Box<dyn Iterator<Item = _> + Send>,
        Box::new(empty),
    ] {
        let outcome = attack(&server, &certificate, pieces).await;
        assert!(outcome.sent < 10_000_000, "{}", outcome.sent);
        expect_well(&server, &certificate).await;
    }
    // A head that stops half way is not waited for, nor is half a frame of one.
    let half = frame(HEADERS, END_STREAM | END_HEADERS, 1, &request("/healthz"));
    for pieces in [
        vec![frame(HEADERS, END_STREAM, 1, &request("/healthz"))],
        vec![half[..30].to_vec()],
    ] {
        let outcome = attack(&server, &certificate, pieces.into_iter()).await;
        assert!(
            outcome.lasted > Duration::from_millis(700),
            "{:?}",
            outcome.lasted
        );
        assert!(
            outcome.lasted < Duration::from_secs(3),
            "{:?}",
            outcome.lasted
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h13_h11_large_heads_are_refused() {
    let certificate = Certificate::new();
    let server = server(&certificate).await;
    let mut client = Client::connect(&server, &certificate).await;
    let long = "b".repeat(5000);
    let large: Vec<_> = (0..20).map(|_| ("a", long.as_str())).collect();
    let many: Vec<_> = (0..200).map(|_| ("a", "b")).collect();
    for headers in [large, many] {
        match client.ask("/healthz", &headers).await {
            Ok(answer) => assert_eq!(answer.status(), 431),
            Err(error) => assert!(error.is_reset() || error.is_go_away(), "{error}"),
        }
    }
    expect_well(&server, &certificate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h13_broken_frames_and_heads_are_refused() {
    let certificate = Certificate::new();
    let server = server(&certificate).await;
    let whole = END_STREAM | END_HEADERS;
    let twice = [request("/healthz"), field(":path", "/")].concat();
    let late = [request("/healthz"), field("a", "b"), field(":status", "1")].concat();
    let upper = [request("/healthz"), field("Upper", "b")].concat();
    let connection = [request("/healthz"), field("connection", "close")].concat();
    // A table of four gigabytes, before any field.
    let table = [
        vec![0x3f, 0xe1, 0xff, 0xff, 0xff, 0x0f],
        request("/healthz"),
    ]
    .concat();
    for (what, piece) in [
        ("a pseudo-header twice", frame(HEADERS, whole, 1, &twice)),
        ("a pseudo-header late", frame(HEADERS, whole, 1, &late)),
        ("a name in upper case", frame(HEADERS, whole, 1, &upper)),
        ("a connection header", frame(HEADERS, whole, 1, &connection)),
        ("a huge table", frame(HEADERS, whole, 1, &table)),
        ("junk for fields", frame(HEADERS, whole, 1, &[0xff; 40])),
        (
            "no path",
            frame(HEADERS, whole, 1, &field(":method", "GET")),
        ),
        ("an even stream", frame(HEADERS, whole, 2, &request("/"))),
        ("data for nobody", frame(DATA, 0, 9, &[1; 10])),
        ("a frame too long", frame(DATA, 0, 1, &vec![1; 20_000])),
        ("settings of odd length", frame(SETTINGS, 0, 0, &[1; 5])),
        ("a window of nothing", frame(8, 0, 0, &[0; 4])),
        (
            "a window too large",
            frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        ),
    ] {
        let outcome = attack(&server, &certificate, std::iter::once(piece)).await;
        let (kinds, _) = outcome.frames(HEADERS);
        assert!(
            kinds.contains(&GOAWAY) || kinds.contains(&RST_STREAM),
            "{what}: {kinds:?}"
        );
        assert!(
            !outcome.received.windows(3).any(|it| it == b"ok\n"),
            "{what}"
        );
    }
    expect_well(&server, &certificate).await;
}

#[tokio::test]
async fn hostile_h13_more_than_a_hundred_streams_are_not_taken() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let pieces = (0..400_u32).map(|number| {
        // Without an end, so that they stay open.
        frame(
            HEADERS,
            END_HEADERS,
            2 * number + 1,
            &request("/crates/la/rg/large/large-1.0.0.crate"),
        )
    });
    let stream = greet(&server, &certificate).await;
    let (mut reader, mut writer) = tokio::io::split(stream);
    for piece in pieces {
        if writer.write_all(&piece).await.is_err() {
            break;
        }
    }
    let mut received = Vec::new();
    let mut buffer = vec![0; 65536];
    let end = tokio::time::sleep(Duration::from_secs(2));
    let read = async {
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            received.extend(&buffer[..read]);
        }
    };
    tokio::select! { () = read => {}, () = end => {} }
    let outcome = Outcome {
        received,
        lasted: Duration::ZERO,
        sent: 0,
    };
    let (kinds, refused) = outcome.frames(RST_STREAM);
    let refusals = refused.iter().filter(|code| **code == [0, 0, 0, 7]).count();
    assert!(refusals > 0 || kinds.contains(&GOAWAY), "{kinds:?}");
    let (_, answers) = outcome.frames(HEADERS);
    let answers = answers.len();
    assert!(answers <= 200, "{answers}");
}
