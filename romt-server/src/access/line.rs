//! One line of the access log.

use std::{
    fmt::{self, Write as _},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use http::{Method, StatusCode};
use romt_core::Escaped;
use tracing_subscriber::fmt::{
    format::Writer,
    time::{FormatTime as _, SystemTime},
};

use super::AccessFormat;

/// A request and what became of it. Whatever is in a query, in a header or in a
/// body is not in it.
#[derive(Debug)]
pub(crate) struct Record {
    /// Who asked; behind a trusted proxy, whom the proxy asks for.
    pub(crate) address: Option<IpAddr>,
    pub(crate) method: Method,
    pub(crate) path: Escaped,
    pub(crate) version: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
    /// The name of the token that was presented.
    pub(crate) token: Option<Arc<str>>,
    /// What the client was told to name its trouble by.
    pub(crate) id: Option<u32>,
}

/// The line, with its line feed.
pub(super) fn render(format: AccessFormat, record: &Record) -> Vec<u8> {
    let mut line = String::with_capacity(192);
    // Writing to a string cannot fail.
    let _ = match format {
        AccessFormat::Text => text(&mut line, record),
        AccessFormat::Json => json(&mut line, record),
    };
    line.push('\n');
    line.into_bytes()
}

fn text(line: &mut String, record: &Record) -> fmt::Result {
    now(line)?;
    let Record {
        path,
        version,
        bytes,
        ..
    } = record;
    line.push_str(" access");
    if let Some(address) = record.address {
        write!(line, " peer={address}")?;
    }
    let method = Escaped::new(record.method.as_str());
    let (status, micros) = (record.status.as_u16(), record.time.as_micros());
    write!(
        line,
        " method={method} path={path} version={version} status={status} bytes={bytes} micros={micros}"
    )?;
    if let Some(token) = &record.token {
        write!(line, " token={token}")?;
    }
    if let Some(id) = record.id {
        write!(line, " id={id:08x}")?;
    }
    Ok(())
}

fn json(line: &mut String, record: &Record) -> fmt::Result {
    line.push_str("{\"timestamp\":\"");
    now(line)?;
    line.push_str("\",\"event\":\"access\"");
    if let Some(address) = record.address {
        write!(line, ",\"peer\":\"{address}\"")?;
    }
    let string = |text: &str| serde_json::Value::from(text).to_string();
    let method = string(Escaped::new(record.method.as_str()).as_str());
    let path = string(record.path.as_str());
    let Record { version, bytes, .. } = record;
    let (status, micros) = (record.status.as_u16(), record.time.as_micros());
    write!(
        line,
        ",\"method\":{method},\"path\":{path},\"version\":\"{version}\",\"status\":{status},\
         \"bytes\":{bytes},\"micros\":{micros}"
    )?;
    if let Some(token) = &record.token {
        write!(line, ",\"token\":{}", string(token))?;
    }
    if let Some(id) = record.id {
        write!(line, ",\"id\":\"{id:08x}\"")?;
    }
    line.push('}');
    Ok(())
}

fn now(line: &mut String) -> fmt::Result {
    SystemTime.format_time(&mut Writer::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str) -> Record {
        Record {
            address: Some("::1".parse().unwrap()),
            method: Method::GET,
            path: Escaped::new(path),
            version: "h2",
            status: StatusCode::SERVICE_UNAVAILABLE,
            bytes: 12,
            time: Duration::from_micros(345),
            token: Some("ci".into()),
            id: Some(0x00ab_cdef),
        }
    }

    #[test]
    fn lines_say_the_same_in_both_formats() {
        let text =
            String::from_utf8(render(AccessFormat::Text, &record("/index/3/a/abc"))).unwrap();
        let rest = " access peer=::1 method=GET path=/index/3/a/abc version=h2 status=503 bytes=12 \
                    micros=345 token=ci id=00abcdef\n";
        assert!(text.ends_with(rest), "{text}");
        assert!(text.starts_with("20") && text[..30].contains('T'), "{text}");
        let json = render(AccessFormat::Json, &record("/a\"b\\\u{1b}[31m"));
        assert_eq!(json.last(), Some(&b'\n'));
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["path"], "/a\"b\\\\x1b[31m");
        assert_eq!(json["status"], 503);
        assert_eq!(json["token"], "ci");
        assert_eq!(json["id"], "00abcdef");
    }
}
