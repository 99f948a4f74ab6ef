use super::{
    super::pktline::{DELIMITER, FLUSH, line},
    *,
};

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

/// Packets: lines, `-` for what ends a list, `|` for what parts it.
fn packets(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for text in lines {
        match *text {
            "-" => out.extend_from_slice(FLUSH),
            "|" => out.extend_from_slice(DELIMITER),
            text => line(&mut out, text),
        }
    }
    out
}

fn old(lines: &[&str]) -> Result<Request, UploadError> {
    Request::parse(GitProtocol::V0, &packets(lines))
}

fn new(lines: &[&str]) -> Result<Request, UploadError> {
    Request::parse(GitProtocol::V2, &packets(lines))
}

fn fetch(request: Result<Request, UploadError>) -> Fetch {
    match request {
        Ok(Request::Fetch(fetch)) => fetch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_old_clients_say_is_understood() {
    let want =
        format!("want {ONE} multi_ack_detailed no-done side-band-64k thin-pack ofs-delta agent=x");
    let again = format!("want {ONE}");
    let have = format!("have {TWO}");
    let said = fetch(old(&[&want, &again, "-", &have, "-"]));
    let expected = Fetch {
        wants: vec![ONE.parse().unwrap()],
        haves: vec![TWO.parse().unwrap()],
        done: false,
        thin: true,
        acks: Acks::Detailed,
        no_done: true,
        band: Band::Large,
        unsupported: None,
    };
    assert_eq!(said, expected);
    // Nothing that is not said.
    let bare = fetch(old(&[&again, "-", "done"]));
    assert_eq!((bare.thin, bare.done), (false, true));
    assert_eq!((bare.acks, bare.band), (Acks::First, Band::Bare));
    // The best of what is said.
    let both = fetch(old(&[
        &format!("{again} multi_ack side-band multi_ack_detailed side-band-64k side-band"),
        "-",
        "done",
    ]));
    assert_eq!((both.acks, both.band), (Acks::Detailed, Band::Large));
    assert_eq!(old(&["-"]).unwrap(), Request::Nothing);
    assert_eq!(old(&[]).unwrap(), Request::Nothing);
}

#[test]
fn commands_are_understood() {
    let (want, have) = (format!("want {ONE}"), format!("have {TWO}"));
    let said = fetch(new(&[
        "command=fetch",
        "agent=x",
        "object-format=sha1",
        "|",
        "thin-pack",
        "no-progress",
        "include-tag",
        "ofs-delta",
        &want,
        &have,
        "done",
        "-",
    ]));
    assert_eq!((said.wants.len(), said.haves.len()), (1, 1));
    assert!(said.done && said.thin);
    assert_eq!((said.acks, said.band), (Acks::Together, Band::Large));
    let refs = new(&[
        "command=ls-refs",
        "|",
        "peel",
        "symrefs",
        "unborn",
        "ref-prefix HEAD",
        "-",
    ]);
    let expected = RefsRequest {
        symrefs: true,
        unborn: true,
        prefixes: vec!["HEAD".to_owned()],
    };
    assert_eq!(refs.unwrap(), Request::Refs(expected));
    assert_eq!(
        new(&["command=fetch", "|", &have, "-"]).unwrap(),
        Request::Nothing
    );
    assert_eq!(new(&["-"]).unwrap(), Request::Nothing);
}

#[test]
fn hostile_h15_what_git_does_not_say_is_malformed() {
    let (want, have) = (format!("want {ONE}"), format!("have {TWO}"));
    for lines in [
        &["want"][..],
        &["want 123", "-", "done"],
        &["want gggggggggggggggggggggggggggggggggggggggg", "-", "done"],
        &[&want],
        &[&want, &have],
        &[&want, "done"],
        &[&have, "-", "done"],
        &[&want, "-", &want],
        &[&want, "-", "have 12"],
        &[&want, "-", "filter blob:none"],
        &[&want, "|", "done"],
        &["push", "-"],
        &["done", "-"],
        &["deepen 1", "-", "done"],
        &["command=fetch", "|", &want, "done", "-"],
    ] {
        assert!(old(lines).is_err(), "{lines:?}");
    }
    for lines in [
        &["command=push", "-"][..],
        &["command=object-info", "|", "-"],
        &["fetch", "-"],
        &["|"],
        &["command=fetch", "|", &want],
        &["command=fetch", "|", "|", "-"],
        &["command=fetch", "|", "wait-for-done", "-"],
        &["command=fetch", "|", "packfile-uris https", "-"],
        &[
            "command=fetch",
            "object-format=sha256",
            "|",
            &want,
            "done",
            "-",
        ],
        &["command=ls-refs", "|", "odd", "-"],
        &[&want, "-", "done"],
    ] {
        assert!(new(lines).is_err(), "{lines:?}");
    }
}

#[test]
fn hostile_h15_a_million_wants_are_too_many() {
    let wants: Vec<String> = (0..20_000).map(|it| format!("want {it:040x}")).collect();
    let mut lines: Vec<&str> = wants.iter().map(String::as_str).collect();
    assert!(old(&[&lines[..MAX_WANTS], &["-", "done"]].concat()).is_ok());
    lines.extend(["-", "done"]);
    assert!(old(&lines).is_err());
    let lines = [
        &["command=fetch", "|"][..],
        &lines[..20_000],
        &["done", "-"],
    ]
    .concat();
    assert!(new(&lines).is_err());
}

#[test]
fn hostile_h15_odd_depths_and_filters_are_told() {
    let want = format!("want {ONE}");
    let shallow = format!("shallow {TWO}");
    for odd in [
        "deepen 1",
        "deepen -1",
        "deepen 99999999999999999999",
        "deepen-since x",
        "deepen-not y",
        "filter blob:none",
        "filter tree:0",
        &shallow,
    ] {
        assert!(fetch(old(&[&want, odd, "-", "done"])).unsupported.is_some());
        let fetch = fetch(new(&["command=fetch", "|", &want, odd, "done", "-"]));
        assert!(fetch.unsupported.is_some(), "{odd}");
    }
}
