//! How much memory reading a hostile manifest takes. It is a program of its own,
//! so that nothing else counts.

#![cfg(target_os = "linux")]

use romt_core::toolchain::{ChannelManifest, MAX_MANIFEST_SIZE};

/// What row M-01 allows, in KiB.
const ALLOWED: u64 = 64 * 1024;

/// A line of `/proc/self/status` in KiB.
fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|it| it.parse().ok()).expect("it is in KiB")
}

/// `head`, then `part` with its number again and again, up to the limit on size or
/// on `count`.
fn repeated(head: &str, count: usize, part: impl Fn(usize) -> String) -> String {
    let size = usize::try_from(MAX_MANIFEST_SIZE).expect("16 MiB");
    let mut text = String::with_capacity(size);
    text.push_str(head);
    for number in 0..count {
        let part = part(number);
        if text.len() + part.len() > size {
            break;
        }
        text.push_str(&part);
    }
    text
}

/// Reads a manifest: the reason why it is refused, or nothing. By now so much
/// memory was taken at most.
fn read(name: &str, text: String, before: u64) -> String {
    let read = ChannelManifest::parse(text.into(), name);
    let reason = read
        .err()
        .map_or(String::new(), |it| it.reason().to_owned());
    let peak = status("VmHWM") - before;
    assert!(peak <= ALLOWED, "{name}: {peak} KiB");
    reason
}

fn package(number: usize) -> String {
    let file = format!("https://h/dist/2024-02-08/{number}.tar");
    let hash = "0".repeat(64);
    let pairs = ["", "xz_"].map(|key| {
        let extension = if key.is_empty() { "gz" } else { "xz" };
        format!("{key}url='{file}.{extension}'\n{key}hash='{hash}'\n")
    });
    format!(
        "[pkg.a.target.t{number}]\navailable=true\n{}",
        pairs.concat()
    )
}

fn inline_table(number: usize) -> String {
    let header = format!("]\n[x{number}]\na=[");
    let first = number.is_multiple_of(10_000);
    format!("{}{{a=1}},", if first { &header } else { "" })
}

fn key(number: usize) -> String {
    let header = format!("[x{number}]\n");
    let first = number.is_multiple_of(10_000);
    format!("{}k{number}=1\n", if first { &header } else { "" })
}

fn nested(number: usize) -> String {
    let (open, close) = ("[".repeat(16), "]".repeat(16));
    format!("[x{number}]\na={open}1{close}\nb.c.d.e.f.g.h.i=1\n")
}

#[test]
fn hostile_m01_reading_takes_at_most_64_mib() {
    let head = "manifest-version='2'\ndate='2024-02-08'\n[pkg.rust]\nversion='1.76.0'\n";
    let before = status("VmRSS");
    let read = |name, text| read(name, text, before);
    assert_eq!(read("packages", repeated(head, 20_000, package)), "");
    let more = read("more packages", repeated(head, usize::MAX, package));
    assert!(more.contains("more than 20000"), "{more}");
    let tables = repeated(head, usize::MAX, |number| format!("[t{number}]\n"));
    let tables = read("tables", tables);
    assert!(tables.contains("more than 200000 tables"), "{tables}");
    let open = format!("{head}x=[");
    let inline = read("inline tables", repeated(&open, usize::MAX, inline_table));
    assert!(inline.contains("more than 200000 tables"), "{inline}");
    assert_eq!(read("keys", repeated(head, usize::MAX, key)), "");
    assert_eq!(read("nesting", repeated(head, 190_000, nested)), "");
    let open = format!("{head}a='");
    let string = repeated(&open, usize::MAX, |_| "x".repeat(1_000));
    let string = read("a string", string);
    assert!(string.contains("longer than 131072 bytes"), "{string}");
}
