//! The counters in the text format that Prometheus reads.

use std::{
    fmt::{self, Display, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::{DURATIONS, Route, STATUSES, Telemetry};

/// The type of the page.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What the page says besides what is counted while serving.
#[derive(Debug, Default)]
pub(crate) struct PageFacts {
    /// The state that is shown, and how long it has been.
    pub(crate) position: Option<(String, Duration)>,
    pub(crate) is_ready: bool,
    /// What is looked up in memory: the name of the cache, hits, misses.
    pub(crate) caches: Vec<(&'static str, u64, u64)>,
}

/// A page of counters in the making.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    pub(crate) const CONTENT_TYPE: &str = CONTENT_TYPE;

    /// All that is counted.
    pub(crate) fn render(telemetry: &Telemetry, facts: &PageFacts) -> String {
        let mut page = Self::default();
        page.requests(telemetry);
        page.durations(telemetry);
        page.connections(telemetry);
        page.facts(facts);
        page.0
    }

    fn requests(&mut self, of: &Telemetry) {
        self.head("requests_total", "counter", "Requests that were answered.");
        for route in Route::ALL {
            for (status, count) in STATUSES.iter().zip(&of.requests[route as usize]) {
                let count = count.load(Relaxed);
                if count > 0 {
                    let (route, status) = (route.name(), Status(*status));
                    let labels = format_args!("route=\"{route}\",status=\"{status}\"");
                    self.row("requests_total", labels, count);
                }
            }
        }
        self.head(
            "response_bytes_total",
            "counter",
            "Bytes of bodies that were sent.",
        );
        for route in Route::ALL {
            let bytes = of.bytes[route as usize].load(Relaxed);
            let labels = format_args!("route=\"{}\"", route.name());
            self.row("response_bytes_total", labels, bytes);
        }
        let what = "Requests over HTTP/2, which are among the others.";
        self.counter("http2_requests_total", what, &of.http2_requests);
        let what = "Requests that are being answered.";
        self.gauge("requests_in_progress", what, of.in_progress.load(Relaxed));
        let what = "Requests turned away because too many were being answered.";
        self.counter("requests_refused_total", what, &of.too_busy);
        let what = "Requests with a token that is not valid.";
        self.counter("token_failures_total", what, &of.denied);
        let what = "Requests that ended in a panic, which is a bug in romt.";
        self.counter("panics_total", what, &of.panics);
        let what = "Lines of the access log that were dropped because nobody took them in time.";
        self.counter("log_lines_dropped_total", what, &of.dropped_lines);
    }

    fn durations(&mut self, of: &Telemetry) {
        let name = "request_duration_seconds";
        let what = "From the end of a request's head to the end of its answer.";
        self.head(name, "histogram", what);
        let mut count = 0;
        for (class, end) in of.durations.iter().zip(DURATIONS) {
            count += class.load(Relaxed);
            let labels = format_args!("le=\"{}\"", Seconds(end));
            self.row("request_duration_seconds_bucket", labels, count);
        }
        count += of.durations[DURATIONS.len()].load(Relaxed);
        let labels = format_args!("le=\"+Inf\"");
        self.row("request_duration_seconds_bucket", labels, count);
        let sum = Seconds(of.duration.load(Relaxed));
        self.row("request_duration_seconds_sum", "", sum);
        self.row("request_duration_seconds_count", "", count);
    }

    fn connections(&mut self, of: &Telemetry) {
        self.gauge(
            "connections",
            "Connections that are open.",
            of.open.load(Relaxed),
        );
        let what = "Connections that were accepted.";
        self.counter("connections_total", what, &of.connections);
        let name = "connections_refused_total";
        let what = "Connections that were turned away for want of room.";
        self.head(name, "counter", what);
        self.row(name, "limit=\"all\"", of.full.load(Relaxed));
        self.row(name, "limit=\"address\"", of.full_address.load(Relaxed));
        let what = "Connections that were cut off by a limit on time or on what a peer may do.";
        self.counter("connections_cut_off_total", what, &of.cut_off);
        let what = "TLS handshakes that failed.";
        self.counter("tls_handshake_failures_total", what, &of.failed_handshakes);
    }

    fn facts(&mut self, facts: &PageFacts) {
        self.head(
            "cache_lookups_total",
            "counter",
            "What was looked for in memory.",
        );
        for (cache, hits, misses) in &facts.caches {
            for (result, count) in [("hit", hits), ("miss", misses)] {
                let labels = format_args!("cache=\"{cache}\",result=\"{result}\"");
                self.row("cache_lookups_total", labels, count);
            }
        }
        let what = "Whether there is something to serve, and the server is not about to end.";
        self.gauge("ready", what, u8::from(facts.is_ready));
        if let Some((position, age)) = &facts.position {
            let name = "position_info";
            self.head(name, "gauge", "The state of the index that is shown.");
            self.row(name, format_args!("position=\"{}\"", Label(position)), 1);
            let what = "How long the server has seen this state of the index.";
            self.gauge("position_age_seconds", what, age.as_secs());
        }
        self.head("build_info", "gauge", "Which romt this is.");
        let version = env!("CARGO_PKG_VERSION");
        self.row("build_info", format_args!("version=\"{version}\""), 1);
    }

    fn counter(&mut self, name: &str, what: &str, count: &AtomicU64) {
        self.head(name, "counter", what);
        self.row(name, "", count.load(Relaxed));
    }

    fn gauge(&mut self, name: &str, what: &str, value: impl Display) {
        self.head(name, "gauge", what);
        self.row(name, "", value);
    }

    fn head(&mut self, name: &str, kind: &str, what: &str) {
        self.line(format_args!(
            "# HELP romt_{name} {what}\n# TYPE romt_{name} {kind}"
        ));
    }

    fn row(&mut self, name: &str, labels: impl Display, value: impl Display) {
        let labels = labels.to_string();
        if labels.is_empty() {
            self.line(format_args!("romt_{name} {value}"));
        } else {
            self.line(format_args!("romt_{name}{{{labels}}} {value}"));
        }
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// A status, or all that are not told apart.
struct Status(u16);

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("other"),
            status => status.fmt(f),
        }
    }
}

/// Microseconds, as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Text between quotes.
struct Label<'t>(&'t str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if c.is_control() => f.write_str(" ")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_page_says_what_was_counted() {
        let telemetry = Telemetry::default();
        for (route, status, micros) in [
            (Route::Index, StatusCode::OK, 100),
            (Route::Index, StatusCode::OK, 700),
            (Route::Index, StatusCode::NOT_FOUND, 250),
            (Route::Other, StatusCode::IM_A_TEAPOT, 90_000_000),
        ] {
            telemetry.begin(status == StatusCode::OK);
            telemetry.note_dropped_lines(7);
            telemetry.end(route, status, 10, Duration::from_micros(micros));
        }
        let facts = PageFacts {
            position: Some(("a\"b\nc".into(), Duration::from_secs(3))),
            is_ready: true,
            caches: vec![("index", 5, 6)],
        };
        let page = Page::render(&telemetry, &facts);
        for line in [
            "romt_requests_total{route=\"index\",status=\"200\"} 2",
            "romt_requests_total{route=\"index\",status=\"404\"} 1",
            "romt_requests_total{route=\"other\",status=\"other\"} 1",
            "romt_response_bytes_total{route=\"index\"} 30",
            "romt_http2_requests_total 2",
            "romt_requests_in_progress 0",
            "romt_request_duration_seconds_bucket{le=\"0.00025\"} 2",
            "romt_request_duration_seconds_bucket{le=\"0.001\"} 3",
            "romt_request_duration_seconds_bucket{le=\"60\"} 3",
            "romt_request_duration_seconds_bucket{le=\"+Inf\"} 4",
            "romt_request_duration_seconds_sum 90.00105",
            "romt_request_duration_seconds_count 4",
            "romt_cache_lookups_total{cache=\"index\",result=\"miss\"} 6",
            "romt_ready 1",
            "romt_position_info{position=\"a\\\"b c\"} 1",
            "romt_position_age_seconds 3",
            "romt_log_lines_dropped_total 7",
        ] {
            assert!(page.lines().any(|it| it == line), "{line} in {page}");
        }
        // Each name is introduced once, before its rows.
        let mut introduced = Vec::new();
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("# TYPE ") {
                introduced.push(name.split(' ').next().unwrap());
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                assert!(name.starts_with(introduced.last().unwrap()), "{line}");
            }
        }
        let all = introduced.len();
        introduced.sort_unstable();
        introduced.dedup();
        assert_eq!(introduced.len(), all);
    }
}
