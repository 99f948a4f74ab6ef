//! What every [`Source`] must do.
//!
//! Make a source that has exactly [`files`], and hand it to [`all`]:
//!
//! ```no_run
//! # async fn test(source: std::sync::Arc<dyn romt_core::Source>) {
//! use romt_store::conformance::source;
//!
//! for (path, bytes) in source::files() {
//!     // … put `bytes` at `path` …
//! }
//! source::all(source).await;
//! # }
//! ```
//!
//! Each check is public as well, for a source that cannot pass all of them and
//! says so by listing those that it does.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::{StreamExt as _, future};
use romt_core::{
    Location, Source,
    ports::{
        Fetched, OpenOptions, Opened, ResumeFrom, SourceError, SourceErrorKind, Validator,
        collect_bounded,
    },
};

const LIMIT: u64 = 16 * 1024 * 1024;

const TEXT: &str = "se/rd/serde";
const OTHER: &str = "config.json";
const EMPTY: &str = "empty";
const PLUS: &str = "crates/native-1.0.0+b1.2.crate";
const BIG: &str = "crates/big-1.0.0.crate";
const ABSENT: &str = "no/su/nosuchcrate";

/// The files that a source under test must have: each a path and its bytes.
pub fn files() -> Vec<(String, Bytes)> {
    static FILES: LazyLock<Vec<(String, Bytes)>> = LazyLock::new(make_files);
    FILES.clone()
}

fn make_files() -> Vec<(String, Bytes)> {
    let big: Vec<u8> = (0..3 * 1024 * 1024u32)
        .map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let text = "{\"name\":\"serde\",\"vers\":\"1.0.0\"}\n".repeat(40);
    [
        (OTHER, Bytes::from_static(b"{\"dl\":\"crates\"}\n")),
        (TEXT, Bytes::from(text)),
        (EMPTY, Bytes::new()),
        (PLUS, Bytes::from_static(b"plus\0bytes\xff")),
        ("a_b/c-d.e_f", Bytes::from_static(b"punctuation")),
        (BIG, Bytes::from(big)),
    ]
    .map(|(path, bytes)| (path.to_owned(), bytes))
    .into()
}

/// Every check there is.
pub async fn all(source: Arc<dyn Source>) {
    let source = &*source;
    whole_bodies_are_exact(source).await;
    sizes_are_right(source).await;
    what_is_not_there_is_not_found(source).await;
    a_directory_is_no_object(source).await;
    names_are_taken_literally(source).await;
    other_schemes_are_refused(source).await;
    an_empty_object_is_an_object(source).await;
    large_bodies_are_exact_in_pieces(source).await;
    text_has_the_same_bytes(source).await;
    validators_are_stable_and_distinct(source).await;
    unchanged_is_said_of_the_same_bytes_only(source).await;
    foreign_validators_are_ignored(source).await;
    a_resumption_fits_or_starts_anew(source).await;
    a_stale_resumption_starts_anew(source).await;
    a_resumption_past_the_end_starts_anew(source).await;
    a_conditional_resumption_is_answered(source).await;
    many_at_once_are_right(source).await;
    dropped_bodies_do_no_harm(source).await;
    dropped_calls_do_no_harm(source).await;
    it_has_a_name(source);
}

fn location(path: &str) -> Location {
    path.parse().expect("the path is a location")
}

fn expected(path: &str) -> Bytes {
    let file = files().into_iter().find(|(name, _)| name == path);
    file.expect("the path is among the files").1
}

async fn open(source: &dyn Source, path: &str, options: OpenOptions) -> Fetched {
    match source.open(&location(path), options).await {
        Ok(Opened::Body(fetched)) => fetched,
        Ok(Opened::Unchanged) => panic!("{path}: there was no condition, or it did not hold"),
        Err(error) => panic!("{path} is there: {error:?}"),
    }
}

async fn bytes_of(fetched: Fetched) -> Bytes {
    let bytes = collect_bounded(fetched.body, LIMIT).await;
    bytes.expect("the body ends well")
}

async fn check_whole(source: &dyn Source, path: &str, options: OpenOptions) {
    let fetched = open(source, path, options).await;
    assert_eq!(fetched.offset, 0, "{path}: the whole begins at 0");
    if let Some(size) = fetched.size {
        let length = expected(path).len() as u64;
        assert_eq!(size, length, "{path}: the size is that of the whole");
    }
    let bytes = bytes_of(fetched).await;
    assert!(bytes == expected(path), "{path}: the bytes are right");
}

async fn error_of(source: &dyn Source, location: &Location) -> SourceError {
    match source.open(location, OpenOptions::default()).await {
        Ok(opened) => panic!("{location} is not there: {opened:?}"),
        Err(error) => error,
    }
}

async fn validator_of(source: &dyn Source, path: &str) -> Option<Validator> {
    open(source, path, OpenOptions::default()).await.validator
}

fn resume(offset: u64, validator: Validator) -> OpenOptions {
    OpenOptions::default().with_resume(Some(ResumeFrom { offset, validator }))
}

/// Whatever is there is delivered byte for byte.
pub async fn whole_bodies_are_exact(source: &dyn Source) {
    for (path, _) in files() {
        check_whole(source, &path, OpenOptions::default()).await;
    }
}

/// `size` says what the body will have, or nothing.
pub async fn sizes_are_right(source: &dyn Source) {
    for (path, bytes) in files() {
        let size = source.size(&location(&path)).await;
        let size = size.expect("the size of what is there is no error");
        assert!(
            size.is_none_or(|size| size == bytes.len() as u64),
            "{path}: the size is {size:?}"
        );
    }
}

/// Absence has a kind of its own, and is not worth another attempt.
pub async fn what_is_not_there_is_not_found(source: &dyn Source) {
    let error = error_of(source, &location(ABSENT)).await;
    assert_eq!(error.kind(), SourceErrorKind::NotFound, "{error}");
    assert!(!error.is_transient());
    let error = source.size(&location(ABSENT)).await;
    let error = error.expect_err("what is not there has no size");
    assert_eq!(error.kind(), SourceErrorKind::NotFound, "{error}");
}

/// The parent of an object is not one, and neither is what would be below one.
pub async fn a_directory_is_no_object(source: &dyn Source) {
    for path in ["se", "se/rd", "crates", "se/rd/serde/below"] {
        let error = error_of(source, &location(path)).await;
        assert!(
            matches!(
                error.kind(),
                SourceErrorKind::NotFound | SourceErrorKind::Refused
            ),
            "{error}"
        );
    }
}

/// Nothing in a path is decoded, so nothing in it can lead elsewhere.
pub async fn names_are_taken_literally(source: &dyn Source) {
    for path in [
        "se%2frd%2fserde",
        "%2e%2e/config.json",
        "se/%2e%2e/config.json",
        "config.json%00",
        "config.json?x",
        "config.json#x",
        "config json",
        "se/rd/..serde",
        "...",
    ] {
        let error = error_of(source, &location(path)).await;
        assert!(
            matches!(
                error.kind(),
                SourceErrorKind::NotFound | SourceErrorKind::Refused
            ),
            "{error}"
        );
    }
}

/// A file of this machine is not given out because somebody names it.
pub async fn other_schemes_are_refused(source: &dyn Source) {
    for address in [
        "file:///etc/passwd",
        "file://host/share/x",
        "file:///C:/Windows/win.ini",
    ] {
        let error = error_of(source, &location(address)).await;
        assert_eq!(error.kind(), SourceErrorKind::Refused, "{error}");
    }
}

/// Emptiness is not absence.
pub async fn an_empty_object_is_an_object(source: &dyn Source) {
    check_whole(source, EMPTY, OpenOptions::default()).await;
}

/// The pieces of a large body, however many, make the whole.
pub async fn large_bodies_are_exact_in_pieces(source: &dyn Source) {
    let mut body = open(source, BIG, OpenOptions::default()).await.body;
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.expect("the body ends well");
        whole.extend_from_slice(&piece);
    }
    assert!(whole == expected(BIG), "the pieces make the whole");
}

/// Compression on the way is undone on the way.
pub async fn text_has_the_same_bytes(source: &dyn Source) {
    for path in [TEXT, OTHER, EMPTY, BIG] {
        check_whole(source, path, OpenOptions::default().with_text(true)).await;
    }
}

/// What identifies bytes stays the same with them, and is not that of others.
pub async fn validators_are_stable_and_distinct(source: &dyn Source) {
    let first = validator_of(source, TEXT).await;
    assert_eq!(first, validator_of(source, TEXT).await);
    if let (Some(one), Some(other)) = (first, validator_of(source, OTHER).await) {
        assert_ne!(one, other, "different objects have different validators");
    }
}

/// A condition holds for the bytes that it was made for, and no others.
pub async fn unchanged_is_said_of_the_same_bytes_only(source: &dyn Source) {
    let Some(validator) = validator_of(source, TEXT).await else {
        return;
    };
    for text in [false, true] {
        let options = OpenOptions::default()
            .with_if_changed(Some(validator.clone()))
            .with_text(text);
        let opened = source.open(&location(TEXT), options.clone()).await;
        assert!(
            matches!(opened, Ok(Opened::Unchanged)),
            "the same bytes are unchanged: {opened:?}"
        );
        check_whole(source, OTHER, options).await;
    }
}

/// A validator that some other source made says nothing here.
pub async fn foreign_validators_are_ignored(source: &dyn Source) {
    for text in ["x", "etag: \"never\"", "last-modified: once", "size:1"] {
        let validator = Validator::new(text).expect("the text is a validator");
        let options = OpenOptions::default().with_if_changed(Some(validator.clone()));
        check_whole(source, TEXT, options).await;
        check_whole(source, BIG, resume(1000, validator)).await;
    }
}

/// A resumption begins where it was asked to, or at 0.
pub async fn a_resumption_fits_or_starts_anew(source: &dyn Source) {
    for path in [BIG, TEXT] {
        let Some(validator) = validator_of(source, path).await else {
            return;
        };
        let whole = expected(path);
        for offset in [0, 1, whole.len() / 2, whole.len() - 1] {
            let options = resume(offset as u64, validator.clone());
            let fetched = open(source, path, options).await;
            if let Some(size) = fetched.size {
                assert_eq!(size, whole.len() as u64, "the size is that of the whole");
            }
            let began = usize::try_from(fetched.offset).expect("the offset is small");
            assert!(began == 0 || began == offset, "{began} was not asked for");
            let rest = bytes_of(fetched).await;
            assert!(rest == whole.slice(began..), "the rest is right");
        }
    }
}

/// What was begun from other bytes is not continued.
pub async fn a_stale_resumption_starts_anew(source: &dyn Source) {
    let Some(other) = validator_of(source, TEXT).await else {
        return;
    };
    check_whole(source, BIG, resume(1000, other.clone())).await;
    check_whole(source, BIG, resume(1000, other).with_text(true)).await;
}

/// More than everything cannot be left out.
pub async fn a_resumption_past_the_end_starts_anew(source: &dyn Source) {
    let Some(validator) = validator_of(source, TEXT).await else {
        return;
    };
    let past = expected(TEXT).len() as u64 + 1;
    check_whole(source, TEXT, resume(past, validator.clone())).await;
    check_whole(source, TEXT, resume(u64::MAX, validator)).await;
}

/// A condition comes before a resumption.
pub async fn a_conditional_resumption_is_answered(source: &dyn Source) {
    let Some(validator) = validator_of(source, BIG).await else {
        return;
    };
    let options = resume(1000, validator.clone()).with_if_changed(Some(validator));
    let opened = source.open(&location(BIG), options).await;
    assert!(matches!(opened, Ok(Opened::Unchanged)), "{opened:?}");
}

/// Fifty at once get what one alone gets.
pub async fn many_at_once_are_right(source: &dyn Source) {
    let paths = [TEXT, OTHER, PLUS, EMPTY, TEXT];
    let opens = (0..50).map(|at| check_whole(source, paths[at % 5], OpenOptions::default()));
    future::join_all(opens).await;
}

/// Who stops reading hinders nobody.
pub async fn dropped_bodies_do_no_harm(source: &dyn Source) {
    for _ in 0..10 {
        let mut fetched = open(source, BIG, OpenOptions::default()).await;
        let piece = fetched.body.next().await;
        assert!(piece.is_some(), "a large body has a first piece");
        drop(fetched);
        drop(open(source, BIG, OpenOptions::default()).await);
    }
    check_whole(source, BIG, OpenOptions::default()).await;
}

/// Who stops asking hinders nobody.
pub async fn dropped_calls_do_no_harm(source: &dyn Source) {
    let place = location(BIG);
    for _ in 0..10 {
        let mut call = source.open(&place, OpenOptions::default());
        // Polled once and dropped, wherever it got to.
        let _ = futures::poll!(&mut call);
    }
    check_whole(source, TEXT, OpenOptions::default()).await;
}

/// Messages can say where something was to come from.
pub fn it_has_a_name(source: &dyn Source) {
    assert!(!source.to_string().is_empty());
    assert!(!format!("{source:?}").is_empty());
}
