//! Certificates, handshakes, and who is turned away.

use std::{fs, process::Command, time::Duration};

use crate::support::{Mirror, Running, read_to_end, statuses};
use crate::tls_support::{Certificate, Client, connect, make};
use rcgen::{KeyPair, date_time_ymd};
use romt_server::{FrontOptions, Limits, Tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const REQUEST: &str =
    "GET /index/config.json HTTP/1.1\r\nHost: localhost:8000\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    for protocols in [&["http/1.1"][..], &[]] {
        let mut stream = connect(&server, &certificate.der, protocols).await.unwrap();
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(statuses(&answer), ["200"], "{answer}");
    }
    let mut client = Client::connect(&server, &certificate).await;
    assert_eq!(client.get("/index/config.json").await.unwrap().0, 200);
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_to() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let answer = server.raw(REQUEST).await;
    assert_eq!(statuses(&answer), ["400"], "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "this port speaks TLS: ask with https://\n");
    assert!(head.ends_with("connection: close"), "{head}");
    assert!(
        head.contains(&format!("content-length: {}", body.len())),
        "{head}"
    );
}

/// What openssl, which can be told to be old, says to a handshake with `options`.
fn openssl(server: &Running, options: &[&str]) -> Option<String> {
    let address = server.address.to_string();
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address, "-servername", "localhost"])
        .args(options)
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_h14_old_versions_are_refused() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    for (version, is_spoken) in [
        ("-tls1_3", true),
        ("-tls1_2", true),
        ("-tls1_1", false),
        ("-tls1", false),
    ] {
        // Old versions need a level of security that most builds lack by default.
        let options = [version, "-cipher", "DEFAULT:@SECLEVEL=0", "-brief"];
        let Some(said) = openssl(&server, &options) else {
            println!("skipped: there is no openssl");
            return;
        };
        assert_eq!(
            said.contains("CONNECTION ESTABLISHED"),
            is_spoken,
            "{version}: {said}"
        );
    }
    assert!(server.outcome().await.connections >= 4);
}

#[tokio::test]
async fn hostile_h14_stalled_handshakes_are_ended() {
    let certificate = Certificate::new();
    let limits = Limits::default().with_handshake_timeout(Duration::from_millis(300));
    let server = certificate.serve(Mirror::sample().router(), limits).await;
    // Nothing; the beginning of a hello; a hello that promises more than it has.
    for words in [
        &b""[..],
        b"\x16\x03\x01",
        b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(words).await.unwrap();
        let start = std::time::Instant::now();
        read_to_end(&mut stream).await;
        let lasted = start.elapsed();
        assert!(lasted < Duration::from_secs(3), "{lasted:?}");
        assert!(lasted > Duration::from_millis(200), "{lasted:?}");
    }
    // Junk is not waited for.
    for junk in [
        &b"\x16\x03\x01\x00\x05junk!"[..],
        b"\x16\xff\xff\xff\xff\xff\xff",
        b"\0\0\0\0\0\0",
    ] {
        let mut stream = server.connect().await;
        stream.write_all(junk).await.unwrap();
        read_to_end(&mut stream).await;
    }
    assert!(connect(&server, &certificate.der, &["h2"]).await.is_ok());
}

#[tokio::test]
async fn the_idle_and_the_slow_are_closed_under_tls_as_well() {
    let certificate = Certificate::new();
    let limits = Limits::default()
        .with_head_timeout(Duration::from_millis(300))
        .with_idle_timeout(Duration::from_millis(600));
    let server = certificate.serve(Mirror::sample().router(), limits).await;
    for (words, least) in [
        ("", 250),
        ("GET / HT", 250),
        ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 550),
    ] {
        let mut stream = connect(&server, &certificate.der, &["http/1.1"])
            .await
            .unwrap();
        let start = std::time::Instant::now();
        stream.write_all(words.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        // Cut off, or closed without a word: it is over.
        let _ = tokio::time::timeout(Duration::from_secs(10), read)
            .await
            .unwrap();
        let lasted = start.elapsed();
        assert!(
            lasted >= Duration::from_millis(least),
            "{words}: {lasted:?}"
        );
        assert!(
            lasted < Duration::from_millis(least + 1500),
            "{words}: {lasted:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_is_replaced_while_the_server_runs() {
    let certificate = Certificate::new();
    let server = certificate.sample().await;
    let (new_certificate, new_key, new_der) = make(|_| {});
    let mut before = Client::connect(&server, &certificate).await;
    assert_eq!(before.get("/healthz").await.unwrap().0, 200);

    // One without the other fits nothing, and so does what is half written.
    fs::write(certificate.certificate(), &new_certificate[..100]).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(connect(&server, &certificate.der, &[]).await.is_ok());
    fs::write(certificate.certificate(), &new_certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(connect(&server, &certificate.der, &[]).await.is_ok());
    assert!(connect(&server, &new_der, &[]).await.is_err());

    fs::write(certificate.key(), &new_key).unwrap();
    let mut is_new = false;
    for _ in 0..80 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        is_new = connect(&server, &new_der, &[]).await.is_ok();
        if is_new {
            break;
        }
    }
    assert!(is_new, "the new certificate is in use");
    assert!(connect(&server, &certificate.der, &[]).await.is_err());
    // Who was there before stays.
    assert_eq!(before.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_refused() {
    let good = Certificate::new();
    let refused = |certificate: &Certificate| {
        let error = Tls::open(&certificate.certificate(), &certificate.key()).unwrap_err();
        error.to_string()
    };
    let expired = Certificate::valid(|params| params.not_after = date_time_ymd(2021, 1, 1));
    let said = refused(&expired);
    assert!(
        said.contains("cert.pem expired ") && said.ends_with(" days ago"),
        "{said}"
    );

    for (file, text, expected) in [
        (
            "key.pem",
            KeyPair::generate().unwrap().serialize_pem(),
            "is not that of the certificate in",
        ),
        ("key.pem", String::new(), "has no private key in PEM"),
        (
            "key.pem",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
                .into(),
            "without a passphrase",
        ),
        (
            "key.pem",
            "-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n".into(),
            "is not base64",
        ),
        ("cert.pem", String::new(), "has no certificate in PEM"),
        (
            "cert.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(),
            "that cannot be read",
        ),
        (
            "cert.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n".into(),
            "breaks off",
        ),
    ] {
        let bad = Certificate::new();
        fs::write(bad.dir.path().join(file), text).unwrap();
        let said = refused(&bad);
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
    let missing = good.dir.path().join("none.pem");
    let said = Tls::open(&good.certificate(), &missing).unwrap_err();
    assert!(said.to_string().ends_with("none.pem"), "{said}");
}

#[tokio::test]
async fn keys_of_all_kinds_are_read() {
    for options in [
        &["ecparam", "-name", "prime256v1", "-genkey", "-noout"][..],
        &["genrsa", "-traditional", "2048"],
        &["genrsa", "2048"],
        &["genpkey", "-algorithm", "ed25519"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (key, certificate) = (dir.path().join("key.pem"), dir.path().join("cert.pem"));
        let run = |args: &[&str]| Command::new("openssl").args(args).output();
        let Ok(made) = run(&[options, &["-out", key.to_str().unwrap()]].concat()) else {
            println!("skipped: there is no openssl");
            return;
        };
        // `genrsa` wants its options before the size.
        let made = if made.status.success() {
            made
        } else {
            let (size, rest) = options.split_last().unwrap();
            run(&[rest, &["-out", key.to_str().unwrap(), size]].concat()).unwrap()
        };
        assert!(made.status.success(), "{made:?}");
        let signed = run(&[
            "req",
            "-new",
            "-x509",
            "-key",
            key.to_str().unwrap(),
            "-subj",
            "/CN=localhost",
            "-days",
            "3650",
            "-out",
            certificate.to_str().unwrap(),
        ])
        .unwrap();
        assert!(signed.status.success(), "{signed:?}");
        Tls::open(&certificate, &key).unwrap();
    }
}

#[tokio::test]
async fn addresses_that_clients_are_sent_to_are_https() {
    let certificate = Certificate::new();
    let listening = romt_server::Listening::bind("127.0.0.1", 0).await.unwrap();
    assert!(listening.url(true).starts_with("https://127.0.0.1:"));
    let address = listening.address();
    let front = FrontOptions::default().with_tls(certificate.tls());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = listening.serve(
        Mirror::sample().served(),
        romt_server::ServerOptions::default(),
        front,
        async { drop(stopped.await) },
    );
    let served = tokio::spawn(served);
    let running = Running::at(address);
    let mut client = Client::connect(&running, &certificate).await;
    let (status, config) = client.get("/index/config.json").await.unwrap();
    assert_eq!(status, 200);
    let config = String::from_utf8(config.to_vec()).unwrap();
    assert!(
        config.contains("\"https://localhost:8000/crates/"),
        "{config}"
    );
    drop(stop);
    served.await.unwrap().unwrap();
}
