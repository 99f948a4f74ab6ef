//! What to answer.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{Duration, SystemTime},
};

use bytes::Bytes;

use super::{Fault, File, Validators, connection::Request};

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
    Reset,
    /// Stays open, and nothing more is said.
    Silence,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: Vec<u8>,
    pub(super) body: Bytes,
    pub(super) after: After,
    pub(super) trickle: Option<(usize, Duration)>,
}

/// An answer in the making.
struct Draft {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

pub(super) fn reply(
    request: &Request,
    file: Option<&File>,
    validators: Validators,
    fault: Option<&Fault>,
) -> Reply {
    match fault {
        Some(Fault::Raw(bytes)) => return bare(bytes.clone(), After::Close),
        Some(Fault::Reset) => return bare(Bytes::new(), After::Reset),
        Some(Fault::Silence) => return bare(Bytes::new(), After::Silence),
        Some(Fault::Status(status, headers)) => return stated(request, *status, headers),
        Some(Fault::RedirectTo(to)) => {
            return stated(request, 302, &[("Location".to_owned(), to.clone())]);
        }
        _ => {}
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return stated(request, 405, &[]);
    }
    let Some(file) = file else {
        return stated(request, 404, &[]);
    };
    let draft = draft(request, file, validators, fault);
    finish(request, draft, fault)
}

fn draft(request: &Request, file: &File, validators: Validators, fault: Option<&Fault>) -> Draft {
    let validator = match validators {
        Validators::Etag => Some(("ETag", file.etag().to_owned())),
        Validators::WeakEtag => Some(("ETag", format!("W/{}", file.etag()))),
        Validators::LastModified => Some(("Last-Modified", modified(file))),
        Validators::None => None,
    };
    let validator = match fault {
        Some(Fault::ChangeEtag) => Some(("ETag", format!("\"{}-other\"", file.serial))),
        _ => validator,
    };
    let mut draft = Draft {
        status: 200,
        headers: Vec::with_capacity(4),
        body: file.bytes.clone(),
    };
    if !matches!(fault, Some(Fault::IgnoreRange)) {
        let current = validator.as_ref().map(|(_, value)| value.as_str());
        if is_unchanged(request, current) {
            draft.status = 304;
            draft.body = Bytes::new();
        } else {
            cut(request, current, &mut draft);
        }
    }
    draft.headers.extend(validator);
    match fault {
        Some(Fault::WrongBytes) => {
            let mut bytes = draft.body.to_vec();
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0xff;
            }
            draft.body = bytes.into();
        }
        Some(Fault::Body(bytes)) => draft.body = bytes.clone(),
        Some(Fault::ExtraBytes(more)) => {
            let mut bytes = draft.body.to_vec();
            bytes.resize(bytes.len() + more, b'x');
            draft.body = bytes.into();
        }
        Some(Fault::GzipLie) => draft.headers.push(("Content-Encoding", "gzip".to_owned())),
        Some(Fault::Gzip) if draft.status == 200 => {
            draft.headers.push(("Content-Encoding", "gzip".to_owned()));
            draft.body = gzip(&draft.body);
        }
        Some(Fault::WrongContentRange) if draft.status == 206 => {
            draft.headers.retain(|(name, _)| *name != "Content-Range");
            let range = ("Content-Range", "bytes 1-2/3".to_owned());
            draft.headers.push(range);
        }
        Some(Fault::UnaskedPartial) if draft.status == 200 => {
            draft.status = 206;
            let length = draft.body.len();
            let range = format!("bytes 0-{}/{length}", length.saturating_sub(1));
            draft.headers.push(("Content-Range", range));
        }
        _ => {}
    }
    draft
}

/// Whether the request's condition says that it already has this.
fn is_unchanged(request: &Request, current: Option<&str>) -> bool {
    let Some(current) = current else { return false };
    // `If-None-Match` compares weakly, and a date is compared as text here: the
    // only dates that a client may echo are ours.
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    match request.header("if-none-match") {
        Some(tags) => tags.split(',').any(|tag| weak(tag) == weak(current)),
        None => request.header("if-modified-since") == Some(current),
    }
}

/// Honours a single range, on the condition of `If-Range`.
fn cut(request: &Request, current: Option<&str>, draft: &mut Draft) {
    let Some(range) = request
        .header("range")
        .and_then(|r| r.strip_prefix("bytes="))
    else {
        return;
    };
    let condition = request.header("if-range");
    if condition.is_some() && (condition != current || current.is_some_and(|c| c.starts_with("W/")))
    {
        return;
    }
    let length = draft.body.len();
    let Some((first, last)) = range.split_once('-') else {
        return;
    };
    let Ok(first) = first.parse::<usize>() else {
        return;
    };
    let end = last
        .parse::<usize>()
        .map_or(length, |last| last.saturating_add(1).min(length));
    if first >= end {
        draft.status = 416;
        draft
            .headers
            .push(("Content-Range", format!("bytes */{length}")));
        draft.body = Bytes::new();
        return;
    }
    draft.status = 206;
    let range = format!("bytes {first}-{}/{length}", end - 1);
    draft.headers.push(("Content-Range", range));
    draft.body = draft.body.slice(first..end);
}

fn finish(request: &Request, draft: Draft, fault: Option<&Fault>) -> Reply {
    let chunked = matches!(fault, Some(Fault::Chunked | Fault::ChunkedTruncateAfter(_)))
        && draft.status != 304;
    let mut head = status_line(draft.status);
    for (name, value) in &draft.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if chunked {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
    } else if draft.status == 304 {
        head.push_str("\r\n");
    } else {
        let _ = write!(head, "Content-Length: {}\r\n\r\n", draft.body.len());
    }
    let mut reply = Reply {
        status: draft.status,
        head: head.into_bytes(),
        body: draft.body,
        after: After::KeepAlive,
        trickle: None,
    };
    if request.is_head() {
        reply.body = Bytes::new();
        return reply;
    }
    match fault {
        Some(Fault::StallAfter(bytes)) => {
            reply.body.truncate(*bytes);
            reply.after = After::Silence;
        }
        Some(Fault::TruncateAfter(bytes)) => {
            reply.body.truncate(*bytes);
            reply.after = After::Close;
        }
        Some(Fault::ChunkedTruncateAfter(bytes)) => {
            reply.body.truncate(*bytes);
            reply.body = in_chunks(&reply.body, false);
            reply.after = After::Close;
        }
        Some(Fault::Chunked) if chunked => reply.body = in_chunks(&reply.body, true),
        Some(Fault::Trickle(bytes, pause)) => reply.trickle = Some((*bytes, *pause)),
        _ => {}
    }
    reply
}

/// An answer with no more to it than its status.
fn stated(request: &Request, status: u16, headers: &[(String, String)]) -> Reply {
    let mut head = status_line(status);
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let bodyless = matches!(status, 204 | 304);
    let body = if bodyless {
        head.push_str("\r\n");
        Bytes::new()
    } else {
        let text = format!("scripted {status}\n");
        let _ = write!(head, "Content-Length: {}\r\n\r\n", text.len());
        Bytes::from(text)
    };
    Reply {
        status,
        head: head.into_bytes(),
        body: if request.is_head() {
            Bytes::new()
        } else {
            body
        },
        after: After::KeepAlive,
        trickle: None,
    }
}

fn bare(body: Bytes, after: After) -> Reply {
    Reply {
        status: 0,
        head: Vec::new(),
        body,
        after,
        trickle: None,
    }
}

fn status_line(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Scripted");
    format!("HTTP/1.1 {status} {reason}\r\n")
}

fn in_chunks(body: &[u8], whole: bool) -> Bytes {
    let mut out = Vec::with_capacity(body.len() + body.len() / 1024 + 64);
    for piece in body.chunks(16 * 1024) {
        // Writing to memory cannot fail.
        let _ = write!(out, "{:x}\r\n", piece.len());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    if whole {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out.into()
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default().into()
}

fn modified(file: &File) -> String {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + file.serial);
    httpdate::fmt_http_date(at)
}
