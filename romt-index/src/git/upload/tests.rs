//! What clients are sent, by git's word and by our own reader of packs.

mod dialogue;

use std::{collections::HashSet, path::Path, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};

use super::{
    super::{
        GitOptions,
        pack::testing::{Dice, Git, History, is_ancestor},
    },
    pktline::{FLUSH, Packet, Packets, line},
    *,
};

/// A repository that is served.
struct Served {
    git: Git,
    index: GitIndex,
}

impl Served {
    fn new(git: Git) -> Self {
        let index = GitIndex::open(&git.dir, GitOptions::default()).unwrap();
        Self { git, index }
    }

    fn show(&self, tip: ObjectId) {
        self.git.set(SHOWN, tip);
    }

    async fn ask(&self, protocol: GitProtocol, request: &[u8]) -> Vec<u8> {
        let answer = self.index.upload_pack(protocol, request).await.unwrap();
        let pieces: Vec<Bytes> = answer.try_collect().await.unwrap();
        pieces.concat()
    }

    /// What the oldest of clients is sent: all of it, bare.
    async fn whole(&self, tip: ObjectId) -> Vec<u8> {
        let answer = self.ask(GitProtocol::V0, &request(tip, "", None)).await;
        answer.strip_prefix(b"0008NAK\n").unwrap().to_owned()
    }

    /// What who has `start` is sent.
    async fn since(&self, start: ObjectId, tip: ObjectId, capabilities: &str) -> Vec<u8> {
        let request = request(tip, capabilities, Some(start));
        let answer = self.ask(GitProtocol::V0, &request).await;
        let begin = answer.windows(4).position(|it| it == b"PACK").unwrap();
        answer[begin..].to_owned()
    }
}

fn request(tip: ObjectId, capabilities: &str, start: Option<ObjectId>) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, format!("want {tip} {capabilities}"));
    out.extend_from_slice(FLUSH);
    if let Some(start) = start {
        line(&mut out, format!("have {start}"));
    }
    line(&mut out, "done");
    out
}

/// Git takes `pack`, and it has all of `tip` then; the objects in it.
fn received(pack: &[u8], git: &Git, tip: ObjectId) -> Vec<String> {
    let kept = git.feed(&["index-pack", "--stdin", "--fix-thin", "--strict"], pack);
    git.set("refs/heads/in", tip);
    git.check();
    let name = kept.rsplit(['\t', ' ']).next().unwrap();
    let index = format!("objects/pack/pack-{name}.idx");
    let listed = git.feed(
        &["show-index"],
        &std::fs::read(git.dir.join(index)).unwrap(),
    );
    let ids = listed.lines().filter_map(|line| line.split(' ').nth(1));
    ids.map(str::to_owned).collect()
}

/// As many objects as a pack says, and none of them twice.
fn has_each_once(pack: &[u8], objects: &[String]) {
    let mut count = [0; 4];
    count.copy_from_slice(&pack[8..12]);
    assert_eq!(u32::from_be_bytes(count) as usize, objects.len());
    let unique: HashSet<&String> = objects.iter().collect();
    assert_eq!(unique.len(), objects.len(), "an object is there twice");
}

/// No delta names its base, so that all readers find it.
fn names_no_base(git: &Git, pack: &[u8]) {
    let path = git.dir.join("judged.pack");
    std::fs::write(&path, pack).unwrap();
    let data = gix_pack::data::File::at(&path, gix::hash::Kind::Sha1).unwrap();
    for entry in data.streaming_iter().unwrap() {
        let header = entry.unwrap().header;
        let named = matches!(header, gix_pack::data::entry::Header::RefDelta { .. });
        assert!(!named, "a delta names its base");
    }
    std::fs::remove_file(path).unwrap();
}

/// A repository whose history lies in many packs and loose objects.
fn in_parts(dir: &Path, seed: u64) -> (Served, Vec<ObjectId>) {
    let history = History::random(dir, seed, 60);
    history.git.repack_in_parts(&history.commits);
    (Served::new(history.git), history.commits)
}

#[tokio::test]
async fn a_history_in_many_packs_is_sent_whole_and_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..3 {
        let (served, commits) = in_parts(&dir.path().join(format!("{seed}")), seed);
        assert!(served.git.files().len() > 6, "there are several packs");
        // On and on, as a mirror is published; not always forward.
        for (number, tip) in commits[20..].iter().step_by(5).enumerate() {
            served.show(*tip);
            let pack = served.whole(*tip).await;
            let receiver = Git::init(dir.path().join(format!("{seed}-{number}")));
            let objects = received(&pack, &receiver, *tip);
            has_each_once(&pack, &objects);
            names_no_base(&receiver, &pack);
            assert!(
                served.whole(*tip).await == pack,
                "another time, another pack"
            );
        }
    }
}

#[tokio::test]
async fn what_is_published_is_appended() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 9, 80);
    let tip = history.commits[79];
    let builds = |it: &&ObjectId| is_ancestor(&history.git.open(), **it, tip).unwrap();
    let early = *history.commits[50..].iter().find(builds).unwrap();
    let git = history.git.clone_at(early, dir.path().join("mirror"));
    git.run(&["repack", "-q", "-a", "-d"]);
    let served = Served::new(git);
    let first = served.whole(early).await;
    for commit in history.commits.iter().skip(50) {
        let to = served.git.dir.to_str().unwrap();
        history
            .git
            .run(&["push", "-q", to, &format!("+{commit}:{SHOWN}")]);
        let pack = served.whole(*commit).await;
        // What lies in the pack of the mirror begins it, whatever else there is.
        assert!(pack[12..first.len() - 20] == first[12..first.len() - 20]);
    }
    let pack = served.whole(tip).await;
    let receiver = Git::init(dir.path().join("receiver"));
    has_each_once(&pack, &received(&pack, &receiver, tip));
}

#[tokio::test]
async fn packs_that_were_repacked_away_are_not_missed() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 4);
    let tip = commits[59];
    served.show(tip);
    let before = served.whole(tip).await;
    served.git.run(&["repack", "-q", "-a", "-d", "-f"]);
    for file in served.git.files() {
        if file.to_str().unwrap().contains("/part-") {
            std::fs::remove_file(file).unwrap();
        }
    }
    // What was sent before is sent still.
    assert!(served.whole(tip).await == before);
    served.show(commits[58]);
    let after = served.whole(commits[58]).await;
    let receiver = Git::init(dir.path().join("receiver"));
    has_each_once(&after, &received(&after, &receiver, commits[58]));
    let files = served.git.files();
    let is_pack = |it: &&std::path::PathBuf| it.extension().is_some_and(|it| it == "pack");
    let pack = std::fs::read(files.iter().find(is_pack).unwrap()).unwrap();
    let begins = after[12..].starts_with(&pack[12..pack.len() - 20]);
    assert!(begins, "it begins with what is gone");
    let some = served.since(commits[20], commits[58], "").await;
    assert!(some.starts_with(b"PACK"));
}

#[tokio::test]
async fn a_pack_whose_deltas_name_their_bases_is_not_sent_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let history = History::random(&dir.path().join("all"), 6, 40);
    let repack = ["-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq"];
    history.git.run(&repack);
    let (served, tip) = (Served::new(history.git), history.commits[39]);
    served.show(tip);
    let pack = served.whole(tip).await;
    let receiver = Git::init(dir.path().join("receiver"));
    has_each_once(&pack, &received(&pack, &receiver, tip));
    names_no_base(&receiver, &pack);
}

#[tokio::test]
async fn who_has_something_is_sent_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 11);
    let mut dice = Dice::new(3);
    for number in 0..16 {
        let (start, tip) = (commits[dice.below(60)], commits[dice.below(60)]);
        served.show(tip);
        let receiver = dir.path().join(format!("{number}"));
        let receiver = served.git.clone_at(start, receiver);
        let here = objects(&receiver, start);
        let thin = number % 2 == 0;
        let capabilities = if thin {
            "thin-pack ofs-delta"
        } else {
            "ofs-delta"
        };
        let pack = served.since(start, tip, capabilities).await;
        if !thin {
            names_no_base(&receiver, &pack);
        }
        let came = received(&pack, &receiver, tip);
        if !thin {
            has_each_once(&pack, &came);
            assert!(came.iter().all(|it| !here.contains(it)), "it was there");
        }
    }
}

/// What is in the tree of a commit.
fn objects(git: &Git, commit: ObjectId) -> HashSet<String> {
    let listed = git.run(&["ls-tree", "-r", "-t", &commit.to_string()]);
    let ids = listed
        .lines()
        .filter_map(|line| line.split([' ', '\t']).nth(2));
    ids.map(str::to_owned).collect()
}

/// The lines of an answer, and whether a pack follows.
fn lines(answer: &[u8]) -> (Vec<String>, bool) {
    let mut packets = Packets(answer);
    let mut lines = Vec::new();
    while let Ok(Some(packet)) = packets.next() {
        match packet {
            Packet::Line(line) if line.starts_with(b"\x01PACK") => return (lines, true),
            Packet::Line(line) => lines.push(String::from_utf8_lossy(line).into()),
            Packet::Flush => lines.push("-".into()),
            Packet::Delimiter => lines.push("|".into()),
        }
    }
    (lines, packets.0.starts_with(b"PACK"))
}

#[tokio::test]
async fn hostile_h15_only_what_was_shown_is_to_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 5);
    served.show(commits[40]);
    let tree = served.git.id(&format!("{}^{{tree}}", commits[40]));
    for id in [commits[39], commits[59], tree, ObjectId::null(tree.kind())] {
        for protocol in [GitProtocol::V0, GitProtocol::V2] {
            let request = match protocol {
                GitProtocol::V2 => {
                    let mut request = b"0012command=fetch\n0001".to_vec();
                    line(&mut request, format!("want {id}"));
                    request.extend_from_slice(FLUSH);
                    request
                }
                _ => request(id, "side-band-64k", None),
            };
            let answer = served.ask(protocol, &request).await;
            let (lines, _) = lines(&answer);
            assert_eq!(lines, [format!("ERR upload-pack: not our ref {id}")]);
        }
    }
    // Who was told of a state is given it, though another one is shown by now.
    served.index.advertisement(GitProtocol::V0).await.unwrap();
    served.show(commits[41]);
    let pack = served.whole(commits[40]).await;
    let receiver = Git::init(dir.path().join("receiver"));
    received(&pack, &receiver, commits[40]);
    let mut deepen = Vec::new();
    line(&mut deepen, format!("want {}", commits[41]));
    line(&mut deepen, "deepen 1");
    deepen.extend_from_slice(b"00000009done\n");
    let (lines, _) = lines(&served.ask(GitProtocol::V0, &deepen).await);
    assert!(
        lines[0].starts_with("ERR upload-pack: histories"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_index_that_shows_nothing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let served = Served::new(Git::init(dir.path()));
    let said = served.index.advertisement(GitProtocol::V1).await.unwrap();
    let text = String::from_utf8_lossy(&said).into_owned();
    assert!(text.contains("version 1\n"), "{text}");
    assert!(text.contains(" capabilities^{}\0multi_ack "), "{text}");
    assert!(!text.contains("symref"), "{text}");
}

/// A stream that is dropped is the end of the work for it; a slow one holds nobody
/// up.
#[tokio::test]
async fn streams_may_be_dropped_at_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let (served, commits) = in_parts(&dir.path().join("all"), 7);
    served.show(commits[59]);
    let ask = request(commits[59], "side-band-64k", None);
    for pieces in 0..3 {
        let mut slow = Vec::new();
        for _ in 0..20 {
            let answer = served.index.upload_pack(GitProtocol::V0, &ask).await;
            let mut answer = answer.unwrap();
            for _ in 0..pieces {
                answer.next().await.unwrap().unwrap();
            }
            slow.push(answer);
        }
        let whole = served.whole(commits[59]);
        let whole = tokio::time::timeout(Duration::from_secs(20), whole).await;
        assert!(whole.unwrap().starts_with(b"PACK"));
    }
}
