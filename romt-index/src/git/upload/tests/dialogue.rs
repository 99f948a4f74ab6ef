//! What clients are told before the pack.

use super::*;

#[tokio::test]
async fn haves_are_answered_as_git_answers_them() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 2);
    let (start, tip) = (commits[3], commits[59]);
    served.show(tip);
    let nowhere = "1234567890123456789012345678901234567890";
    let ask = async |capabilities: &str, haves: &[&str], done: bool| {
        let mut request = Vec::new();
        line(
            &mut request,
            format!("want {tip} side-band-64k {capabilities}"),
        );
        request.extend_from_slice(FLUSH);
        for have in haves {
            line(&mut request, format!("have {have}"));
        }
        if done {
            line(&mut request, "done");
        } else {
            request.extend_from_slice(FLUSH);
        }
        lines(&served.ask(GitProtocol::V0, &request).await)
    };
    let start = start.to_string();
    let ack = |rest: &str| format!("ACK {start}{rest}");
    let nak = || "NAK".to_owned();
    let detailed = "multi_ack_detailed no-done";
    for (capabilities, haves, done, said, pack) in [
        ("", &[][..], true, vec![nak()], true),
        ("", &[nowhere], false, vec![nak()], false),
        ("", &[nowhere, &start], false, vec![ack("")], false),
        ("", &[&start], true, vec![ack("")], true),
        (
            "multi_ack",
            &[&start],
            false,
            vec![ack(" continue"), nak()],
            false,
        ),
        (
            "multi_ack",
            &[&start],
            true,
            vec![ack(" continue"), ack("")],
            true,
        ),
        (detailed, &[nowhere], false, vec![nak()], false),
        (
            detailed,
            &[&start],
            false,
            vec![ack(" common"), ack(" ready"), nak(), ack("")],
            true,
        ),
        (
            "multi_ack_detailed",
            &[&start],
            false,
            vec![ack(" common"), ack(" ready"), nak()],
            false,
        ),
        (
            detailed,
            &[&start],
            true,
            vec![ack(" common"), ack("")],
            true,
        ),
        (
            detailed,
            &[&start, nowhere],
            false,
            vec![
                ack(" common"),
                format!("ACK {nowhere} ready"),
                nak(),
                ack(""),
            ],
            true,
        ),
    ] {
        let got = ask(capabilities, haves, done).await;
        assert_eq!(got, (said, pack), "{capabilities:?} {haves:?} {done}");
    }
}

#[tokio::test]
async fn commands_are_answered_in_sections() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 2);
    let (start, tip) = (commits[3].to_string(), commits[59].to_string());
    let nowhere = "1234567890123456789012345678901234567890";
    let ask = async |text: &[&str]| {
        let mut request = Vec::new();
        for it in text {
            match *it {
                "|" => request.extend_from_slice(b"0001"),
                it => line(&mut request, it),
            }
        }
        request.extend_from_slice(FLUSH);
        lines(&served.ask(GitProtocol::V2, &request).await)
    };
    let refs = [
        "command=ls-refs",
        "|",
        "symrefs",
        "unborn",
        "ref-prefix HEAD",
    ];
    served.git.run(&["update-ref", "-d", SHOWN]);
    let unborn = ["unborn HEAD symref-target:refs/heads/master", "-"];
    assert_eq!(ask(&refs).await.0, unborn);
    served.show(commits[59]);
    let head = format!("{tip} HEAD symref-target:refs/heads/master");
    assert_eq!(ask(&refs).await.0, [&head, "-"]);
    let all = [format!("{tip} HEAD"), format!("{tip} refs/heads/master")];
    assert_eq!(ask(&["command=ls-refs", "|", "peel"]).await.0[..2], all);

    let want = format!("want {tip}");
    let (have, unknown) = (format!("have {start}"), format!("have {nowhere}"));
    let ack = format!("ACK {start}");
    let fetch = ["command=fetch", "|", "ofs-delta", &want];
    for (more, said, pack) in [
        (&["done"][..], vec!["packfile"], true),
        (&[][..], vec!["packfile"], true),
        (&[&unknown], vec!["acknowledgments", "NAK", "-"], false),
        (
            &[&unknown, &have],
            vec!["acknowledgments", &ack, "ready", "|", "packfile"],
            true,
        ),
        (&[&have, "done"], vec!["packfile"], true),
    ] {
        let (lines, follows) = ask(&[&fetch, more].concat()).await;
        assert_eq!(
            (lines, follows),
            (said.iter().map(|it| (*it).into()).collect(), pack)
        );
    }
}
