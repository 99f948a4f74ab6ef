//! What can go wrong at an upstream.

use std::time::Duration;

use bytes::Bytes;

/// One way in which an answer goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// This status, with these headers, and a short text for a body.
    Status(u16, Vec<(String, String)>),
    /// A redirect with `302 Found`.
    RedirectTo(String),
    /// The head and this many bytes of the body, then silence on an open
    /// connection.
    StallAfter(usize),
    /// The head announces the whole, this many bytes of it come, and the
    /// connection is closed.
    TruncateAfter(usize),
    /// As [`TruncateAfter`](Self::TruncateAfter), in chunks and without the last.
    ChunkedTruncateAfter(usize),
    /// The right bytes in chunks, their length not announced.
    Chunked,
    /// The right length, and one byte wrong.
    WrongBytes,
    /// `200 OK` with other bytes, as a login page.
    Body(Bytes),
    /// The right bytes and then more, all of them announced.
    ExtraBytes(usize),
    /// The body comes in pieces of this many bytes with this pause between.
    Trickle(usize, Duration),
    /// The head comes after this pause; then all is well.
    Delay(Duration),
    /// The request is read, and nothing is ever said.
    Silence,
    /// The connection is reset in place of an answer.
    Reset,
    /// The bytes as they are, under `Content-Encoding: gzip`.
    GzipLie,
    /// The bytes gzipped, under `Content-Encoding: gzip`.
    Gzip,
    /// A range or a condition is not honoured: `200 OK` with everything.
    IgnoreRange,
    /// A range is answered with the right bytes and a wrong `Content-Range`.
    WrongContentRange,
    /// `206 Partial Content` whatever was asked for.
    UnaskedPartial,
    /// As if the file had been replaced by an equal one: another validator.
    ChangeEtag,
    /// These bytes in place of an answer, then the end of the connection.
    Raw(Bytes),
}

impl Fault {
    /// A status without further headers.
    pub fn status(status: u16) -> Self {
        Self::Status(status, Vec::new())
    }

    /// A status with one header.
    pub fn status_with(status: u16, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Status(status, vec![(name.into(), value.into())])
    }
}
