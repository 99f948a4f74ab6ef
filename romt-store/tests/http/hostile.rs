//! The hostile replies of an upstream, by the ids of the threat model.

use super::*;

#[tokio::test]
async fn hostile_u01_short_bodies_are_errors() {
    let (server, source) = scripted().await;
    server.fault(
        PATH,
        [
            Fault::TruncateAfter(0),
            Fault::TruncateAfter(1),
            Fault::TruncateAfter(99_999),
            Fault::ChunkedTruncateAfter(50_000),
            Fault::ChunkedTruncateAfter(100_000),
        ],
    );
    for _ in 0..5 {
        let error = body_error(&source, OpenOptions::default()).await;
        assert!(error.is_transient(), "{error}");
    }
    assert_eq!(whole(&source).await, body());
}

#[tokio::test]
async fn hostile_u02_a_body_is_no_longer_than_announced() {
    let (server, source) = scripted().await;
    let raw = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef".as_slice();
    server.fault(
        PATH,
        [Fault::Raw(Bytes::from_static(raw)), Fault::ExtraBytes(7)],
    );
    assert_eq!(whole(&source).await, "abc");
    // What is announced is a claim, for the reader to bound.
    let fetched = fetch(&source, OpenOptions::default()).await.unwrap();
    assert_eq!(fetched.size, Some(100_007));
    assert!(matches!(
        collect_bounded(fetched.body, 100_000).await,
        Err(StreamError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn hostile_u03_contradictory_framing_is_a_network_fault() {
    let (server, source) = scripted().await;
    let heads = [
        "Content-Length: -1",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 3 4",
        "Transfer-Encoding: nonsense, chunked, chunked\r\nContent-Length: 0x3",
    ];
    for head in heads {
        let raw = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nabc");
        server.fault(PATH, [Fault::Raw(raw.into())]);
        match fetch(&source, OpenOptions::default()).await {
            Err(error) => assert!(error.is_transient(), "{error}"),
            Ok(fetched) => {
                let read = collect_bounded(fetched.body, 100).await;
                assert!(read.is_err(), "{head}: {read:?}");
            }
        }
    }
    // No length at all: the end of the connection is the end of the body.
    let raw = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc".as_slice();
    server.fault(PATH, [Fault::Raw(Bytes::from_static(raw))]);
    let fetched = fetch(&source, OpenOptions::default()).await.unwrap();
    assert_eq!(fetched.size, None);
    assert_eq!(collect_bounded(fetched.body, 100).await.unwrap(), "abc");
    assert_eq!(whole(&source).await, body());
}

#[tokio::test]
async fn hostile_u04_u05_u14_u17_other_bytes_are_handed_on_as_claimed() {
    let (server, source) = scripted().await;
    let page = Bytes::from_static(b"<html>log in</html>");
    server.fault(
        PATH,
        [
            Fault::Body(page.clone()),
            Fault::Body(Bytes::new()),
            Fault::WrongBytes,
        ],
    );
    assert_eq!(whole(&source).await, page);
    let fetched = fetch(&source, OpenOptions::default()).await.unwrap();
    assert_eq!(fetched.size, Some(0));
    assert_eq!(whole(&source).await.len(), body().len());
}

#[tokio::test]
async fn hostile_u06_redirects_have_rules() {
    let (server, source) = scripted().await;
    let here = server.url();
    server.fault(PATH, [Fault::RedirectTo(format!("{here}{PATH}?again"))]);
    assert_eq!(whole(&source).await, body());
    for bad in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "data:,x",
        "http://u:p@127.0.0.1/",
    ] {
        server.fault(PATH, [Fault::RedirectTo(bad.to_owned())]);
        let error = open_error(&source).await;
        assert_eq!(error.kind(), SourceErrorKind::Refused, "{error}");
    }
    server.fault(PATH, [Fault::status(302)]);
    let error = open_error(&source).await;
    assert!(error.reason().contains("without saying where"), "{error}");

    server.fault_forever(PATH, Fault::RedirectTo(format!("/{PATH}")));
    server.reset_requests();
    let error = open_error(&source).await;
    assert_eq!(error.kind(), SourceErrorKind::Refused, "{error}");
    assert_eq!(server.hits(PATH), 6, "five redirects are followed");

    server.heal();
    server.put("other", "elsewhere");
    server.fault_forever(
        PATH,
        Fault::RedirectTo(format!("http://localhost:{}/other", here.port().unwrap())),
    );
    let error = fetch(&source, text()).await.unwrap_err();
    assert_eq!(
        error.kind(),
        SourceErrorKind::Refused,
        "text stays on its host: {error}"
    );
}

#[tokio::test]
async fn hostile_u07_objects_have_no_coding() {
    let (server, source) = scripted().await;
    server.fault(PATH, [Fault::Gzip, Fault::GzipLie]);
    for _ in 0..2 {
        let error = open_error(&source).await;
        assert_eq!(error.kind(), SourceErrorKind::Refused, "{error}");
        assert!(error.reason().contains("gzip"), "{error}");
    }
    // Text may have one.
    server.fault(PATH, [Fault::Gzip]);
    let fetched = fetch(&source, text()).await.unwrap();
    assert_eq!(
        fetched.size, None,
        "the announced length is not that of the text"
    );
    assert_eq!(
        collect_bounded(fetched.body, 1 << 20).await.unwrap(),
        body()
    );
    // And a lie about it is found out.
    server.fault(PATH, [Fault::GzipLie]);
    assert!(body_error(&source, text()).await.is_transient());
}

#[tokio::test]
async fn hostile_u07_a_bomb_is_bounded_by_its_reader() {
    let (server, source) = scripted().await;
    server.put(PATH, vec![0; 64 << 20]);
    server.fault(PATH, [Fault::Gzip]);
    let fetched = fetch(&source, text()).await.unwrap();
    assert!(matches!(
        collect_bounded(fetched.body, 1 << 20).await,
        Err(StreamError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn hostile_u07_a_truncated_gzip_is_an_error() {
    let (server, source) = scripted().await;
    let cut = {
        let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        gzip.extend([0x4b]);
        gzip
    };
    let raw = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            cut.len()
        )
        .into_bytes(),
        cut,
    ]
    .concat();
    server.fault(PATH, [Fault::Raw(raw.into())]);
    assert!(body_error(&source, text()).await.is_transient());
}

fn rest(offset: u64, validator: Option<Validator>) -> OpenOptions {
    let validator = validator.unwrap();
    OpenOptions::default().with_resume(Some(ResumeFrom { offset, validator }))
}

#[tokio::test]
async fn hostile_u08_resumptions_are_exact_or_start_anew() {
    let (server, source) = scripted().await;
    let validator = fetch(&source, OpenOptions::default())
        .await
        .unwrap()
        .validator;

    let fetched = fetch(&source, rest(60_000, validator.clone()))
        .await
        .unwrap();
    assert_eq!((fetched.offset, fetched.size), (60_000, Some(100_000)));
    let read = collect_bounded(fetched.body, 1 << 20).await.unwrap();
    assert_eq!(read, body().slice(60_000..));

    for fault in [
        Fault::IgnoreRange,
        Fault::WrongContentRange,
        Fault::ChangeEtag,
        Fault::status(416),
        Fault::Delay(Duration::ZERO),
    ] {
        let resumed = matches!(fault, Fault::Delay(_));
        server.fault(PATH, [fault.clone()]);
        let fetched = fetch(&source, rest(60_000, validator.clone()))
            .await
            .unwrap();
        assert_eq!(
            fetched.offset,
            if resumed { 60_000 } else { 0 },
            "{fault:?}"
        );
        let read = collect_bounded(fetched.body, 1 << 20).await.unwrap();
        assert_eq!(read.len() as u64 + fetched.offset, 100_000, "{fault:?}");
    }

    server.fault(PATH, [Fault::UnaskedPartial]);
    assert_eq!(open_error(&source).await.kind(), SourceErrorKind::Refused);
}

#[tokio::test]
async fn hostile_u08_a_short_rest_is_an_error() {
    let (server, source) = scripted().await;
    let validator = fetch(&source, OpenOptions::default())
        .await
        .unwrap()
        .validator;
    server.fault(PATH, [Fault::TruncateAfter(10)]);
    assert!(
        body_error(&source, rest(60_000, validator))
            .await
            .is_transient()
    );
}

#[tokio::test]
async fn hostile_u08_a_weak_validator_resumes_nothing() {
    let (server, source) = scripted().await;
    server.set_validators(Validators::WeakEtag);
    let validator = fetch(&source, OpenOptions::default())
        .await
        .unwrap()
        .validator;
    let fetched = fetch(&source, rest(60_000, validator)).await.unwrap();
    assert_eq!(fetched.offset, 0);
    assert_eq!(server.requests().ranged, 0);
}

#[tokio::test]
async fn hostile_u09_an_unasked_304_is_transient() {
    let (server, source) = scripted().await;
    server.fault(PATH, [Fault::status(304)]);
    let error = open_error(&source).await;
    assert!(error.is_transient(), "{error}");
    assert!(error.reason().contains("304"), "{error}");
}

#[tokio::test]
async fn hostile_u10_u11_statuses_have_their_kinds() {
    let (server, source) = scripted().await;
    for (status, kind) in [
        (401, SourceErrorKind::Denied),
        (403, SourceErrorKind::Denied),
        (404, SourceErrorKind::NotFound),
        (410, SourceErrorKind::NotFound),
        (451, SourceErrorKind::NotFound),
        (429, SourceErrorKind::Transient),
        (500, SourceErrorKind::Transient),
        (520, SourceErrorKind::Transient),
        (204, SourceErrorKind::Failed),
        (400, SourceErrorKind::Failed),
    ] {
        server.fault(PATH, [Fault::status_with(status, "Retry-After", "3600")]);
        let error = open_error(&source).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.reason().contains(&status.to_string()), "{error}");
        let wait = error.is_transient().then_some(Duration::from_hours(1));
        assert_eq!(error.retry_after(), wait, "{error}");
    }
}

#[tokio::test]
async fn hostile_u12_messages_say_which_fault_it_was() {
    let (server, source) = scripted().await;
    server.fault(PATH, [Fault::Reset, Fault::Silence, Fault::status(407)]);
    let error = open_error(&source).await;
    assert!(
        error.is_transient() && error.reason().contains("reset"),
        "{error}"
    );
    let error = open_error(&source).await;
    assert!(
        error.is_transient() && error.reason().contains("within"),
        "{error}"
    );
    assert_eq!(open_error(&source).await.kind(), SourceErrorKind::Denied);

    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = open_error(&source).await;
    assert!(
        error.is_transient() && error.reason().contains("refused"),
        "{error}"
    );

    let client = HttpClient::new(options()).unwrap();
    let nowhere = HttpSource::new(client, "http://romt.invalid/".parse().unwrap()).unwrap();
    let error = open_error(&nowhere).await;
    assert!(
        error.is_transient() && error.reason().contains("name"),
        "{error}"
    );
}

#[tokio::test]
async fn hostile_u13_stalls_and_trickles_are_cut() {
    let (server, _) = scripted().await;
    let source = source_with(&server, options());
    server.fault(PATH, [Fault::StallAfter(0), Fault::StallAfter(50_000)]);
    for _ in 0..2 {
        let error = body_error(&source, OpenOptions::default()).await;
        assert!(
            error.is_transient() && error.reason().contains("stalled"),
            "{error}"
        );
    }
    // Never silent for long, but too slow.
    let slow = options().with_min_rate(1 << 20, Duration::from_millis(300));
    let source = source_with(&server, slow);
    server.fault(PATH, [Fault::Trickle(1, Duration::from_millis(20))]);
    let error = body_error(&source, OpenOptions::default()).await;
    assert!(
        error.is_transient() && error.reason().contains("stalled"),
        "{error}"
    );
    // Fast enough, but without an end.
    let endless = options().with_total_timeout(Some(Duration::from_millis(300)));
    let source = source_with(&server, endless);
    server.fault(PATH, [Fault::Trickle(100, Duration::from_millis(5))]);
    let error = body_error(&source, OpenOptions::default()).await;
    assert!(
        error.is_transient() && error.reason().contains("stalled"),
        "{error}"
    );
}

#[tokio::test]
async fn hostile_u16_heads_are_bounded() {
    let (server, source) = scripted().await;
    for (count, length) in [(1, 70_000), (90, 1000), (100_000, 10), (1, 50_000_000)] {
        let cookies = format!("Set-Cookie: {}\r\n", "x".repeat(length)).repeat(count);
        let raw = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{cookies}\r\n");
        server.fault(PATH, [Fault::Raw(raw.into())]);
        let error = open_error(&source).await;
        assert!(
            matches!(
                error.kind(),
                SourceErrorKind::Refused | SourceErrorKind::Transient
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn hostile_u18_what_is_no_http_is_a_network_fault() {
    let (server, source) = scripted().await;
    for junk in [
        "hello\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\0\0\0\0",
        "",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        server.fault(PATH, [Fault::Raw(junk.into())]);
        let error = open_error(&source).await;
        assert!(error.is_transient(), "{junk:?}: {error}");
    }
}
