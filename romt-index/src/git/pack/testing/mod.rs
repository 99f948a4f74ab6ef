//! What the tests of this module and its neighbours share.

mod history;

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use flate2::{Compression, write::ZlibEncoder};
use gix::{ObjectId, Repository, objs::Kind};

pub(in crate::git) use self::history::History;

/// A source of numbers that are the same in each run.
pub(in crate::git) struct Dice(u64);

impl Dice {
    pub(in crate::git) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(in crate::git) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, or 0.
    pub(in crate::git) fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from((self.next() >> 16) % end).unwrap()
    }

    pub(in crate::git) fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[1]
    }
}

/// Whether `descendant` is `ancestor` or builds on it.
pub(in crate::git) fn is_ancestor(
    repo: &Repository,
    ancestor: ObjectId,
    descendant: ObjectId,
) -> Result<bool, gix::Error> {
    // What of the ancestor's history the descendant lacks is nothing exactly if
    // the ancestor is part of it.
    let mut missing = repo.rev_walk([ancestor]).with_hidden([descendant]).all()?;
    Ok(ancestor == descendant || missing.next().transpose()?.is_none())
}

/// A repository, handled by the program whose formats these are.
pub(in crate::git) struct Git {
    pub(in crate::git) dir: PathBuf,
}

impl Git {
    /// A new, bare repository.
    pub(in crate::git) fn init(dir: impl Into<PathBuf>) -> Self {
        let git = Self { dir: dir.into() };
        fs::create_dir_all(&git.dir).unwrap();
        git.run(&["init", "-q", "--bare", "-b", "master"]);
        git
    }

    /// A repository that has the commit `tip` of this one as its master, and
    /// nothing else.
    pub(in crate::git) fn clone_at(&self, tip: ObjectId, dir: impl Into<PathBuf>) -> Self {
        let git = Self::init(dir);
        let to = git.dir.to_str().unwrap();
        self.run(&["push", "-q", to, &format!("{tip}:refs/heads/master")]);
        git
    }

    /// Puts what each few of `commits` brought into a pack of its own.
    pub(in crate::git) fn repack_in_parts(&self, commits: &[ObjectId]) {
        self.run(&["repack", "-q", "-a", "-d", "-f"]);
        let packed = self.files();
        let pack = self.dir.join("objects/pack/part");
        let mut before: Option<ObjectId> = None;
        for part in commits.chunks(15) {
            let tips = part.iter().map(ToString::to_string);
            let less = before.map(|before| format!("^{before}"));
            let revisions: Vec<String> = tips.chain(less).collect();
            let revisions = revisions.join("\n") + "\n";
            let args = ["pack-objects", "-q", "--revs", pack.to_str().unwrap()];
            self.feed(&args, revisions.as_bytes());
            before = part.last().copied();
        }
        for file in packed
            .iter()
            .filter(|it| it.to_str().unwrap().contains("/pack-"))
        {
            fs::remove_file(file).unwrap();
        }
        self.check();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.dir).args(args);
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "someone");
            command.env(format!("GIT_{who}_EMAIL"), "someone@invalid");
            command.env(format!("GIT_{who}_DATE"), "1700000000 +0000");
        }
        command
    }

    pub(in crate::git) fn attempt(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    pub(in crate::git) fn run(&self, args: &[&str]) -> String {
        let output = self.attempt(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(in crate::git) fn feed(&self, args: &[&str], input: &[u8]) -> String {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(in crate::git) fn id(&self, revision: &str) -> ObjectId {
        self.run(&["rev-parse", revision]).parse().unwrap()
    }

    pub(in crate::git) fn set(&self, name: &str, id: ObjectId) {
        self.run(&["update-ref", name, &id.to_string()]);
    }

    /// That all is there and right, by git's word.
    pub(in crate::git) fn check(&self) {
        self.run(&["fsck", "--strict", "--full"]);
    }

    pub(in crate::git) fn open(&self) -> Repository {
        gix::open_opts(&self.dir, gix::open::Options::isolated()).unwrap()
    }

    /// All files below `objects`, for who looks for what was left behind.
    pub(in crate::git) fn files(&self) -> Vec<PathBuf> {
        fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, files);
                } else {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        walk(&self.dir.join("objects"), &mut files);
        files.sort();
        files
    }
}

/// The id of an object.
pub(in crate::git) fn id_of(kind: Kind, data: &[u8]) -> ObjectId {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, data).unwrap()
}

/// The bytes of a tree, in whichever order and however wrong.
pub(in crate::git) fn tree(entries: &[(&str, &[u8], ObjectId)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend_from_slice(mode.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend_from_slice(id.as_slice());
    }
    bytes
}

/// The bytes of a commit.
pub(in crate::git) fn commit(tree: ObjectId, parents: &[ObjectId]) -> Vec<u8> {
    let mut text = format!("tree {tree}\n");
    for parent in parents {
        writeln!(text, "parent {parent}").unwrap();
    }
    text.push_str(
        "author x <x@invalid> 1700000000 +0000\ncommitter x <x@invalid> 1700000000 +0000\n\nc\n",
    );
    text.into_bytes()
}

/// A pack made by hand, with whichever lies.
#[derive(Default)]
pub(in crate::git) struct PackMaker {
    entries: Vec<u8>,
    count: u32,
}

impl PackMaker {
    /// How far into the pack the next entry is.
    pub(in crate::git) fn at(&self) -> u64 {
        self.entries.len() as u64 + 12
    }

    /// An object; its id.
    pub(in crate::git) fn object(&mut self, kind: Kind, data: &[u8]) -> ObjectId {
        let code = super::plan::code_of(kind);
        self.raw(code, data.len() as u64, &[], data);
        id_of(kind, data)
    }

    /// An entry of this kind that declares this size.
    pub(in crate::git) fn raw(&mut self, code: u8, size: u64, base: &[u8], data: &[u8]) {
        let mut byte = (code << 4) | (size.to_le_bytes()[0] & 15);
        let mut rest = size >> 4;
        while rest > 0 {
            self.entries.push(byte | 0x80);
            byte = rest.to_le_bytes()[0] & 0x7f;
            rest >>= 7;
        }
        self.entries.push(byte);
        self.entries.extend_from_slice(base);
        let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(data).unwrap();
        self.entries.extend(deflate.finish().unwrap());
        self.count += 1;
    }

    pub(in crate::git) fn finish(self) -> Vec<u8> {
        let count = self.count;
        self.finish_as(count)
    }

    /// Declares this many objects.
    pub(in crate::git) fn finish_as(self, count: u32) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&count.to_be_bytes());
        pack.extend_from_slice(&self.entries);
        seal(pack)
    }
}

/// Ends a pack as it should end.
pub(in crate::git) fn seal(mut pack: Vec<u8>) -> Vec<u8> {
    let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
    hasher.update(&pack);
    pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
    pack
}
