//! Taking in what a bundle brings.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use gix::{ObjectId, Repository};
use romt_core::ports::IndexError;

use super::{
    super::{
        fetch::Incoming,
        pack::{Limits, Scene, take_in},
    },
    TIPS,
    header::{self, Header, Unreadable},
};

/// The references whose commits are named to who brings a bundle too many.
const NEWEST: [&str; 3] = [
    "refs/remotes/origin/master",
    "refs/heads/master",
    "refs/heads/working",
];

/// Takes the objects of the bundle in the file `path` into `repo`, after judging
/// all of it. No reference moves.
pub(in crate::git) fn take_bundle(
    repo: &Repository,
    index: &str,
    path: &Path,
) -> Result<Incoming, IndexError> {
    take_within(repo, index, path, &Limits::default())
}

pub(super) fn take_within(
    repo: &Repository,
    index: &str,
    path: &Path,
    limits: &Limits,
) -> Result<Incoming, IndexError> {
    let what = format!("the bundle {}", path.display());
    let scene = Scene { index, what: &what };
    let mut file = open(path).map_err(|e| scene.storage("open a bundle", e))?;
    let header = header::read(BufReader::new(&file)).map_err(|unreadable| match unreadable {
        Unreadable::Io(error) => scene.storage("read a bundle", error),
        Unreadable::Bad(reason) => scene.refused(reason),
    })?;
    let (tip, branch) = tip(scene, &header)?;
    check_prerequisites(scene, repo, &header)?;
    take_in(scene, repo, &mut file, header.length, tip, limits)?;
    Ok(Incoming {
        tip,
        branch: branch.to_owned(),
    })
}

fn open(path: &Path) -> io::Result<File> {
    // A pipe would keep whoever opens it waiting.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    File::open(path)
}

/// What the bundle is about. Whatever else it brings stays where it is.
fn tip(scene: Scene<'_>, header: &Header) -> Result<(ObjectId, &'static str), IndexError> {
    for (id, name) in header
        .refs
        .iter()
        .filter(|it| !TIPS.contains(&it.1.as_str()))
    {
        tracing::info!(%id, reference = name, "ignored in {}", scene.what);
    }
    let find = |tip: &&'static str| {
        let found = header.refs.iter().find(|it| it.1 == **tip);
        found.map(|it| (it.0, *tip))
    };
    let found = TIPS.iter().find_map(find);
    found.ok_or_else(|| scene.refused(format!("it has neither {} nor {}", TIPS[0], TIPS[1])))
}

fn check_prerequisites(
    scene: Scene<'_>,
    repo: &Repository,
    header: &Header,
) -> Result<(), IndexError> {
    for id in &header.prerequisites {
        let found = repo.try_find_header(*id);
        let found = found.map_err(|e| scene.storage("read objects", e))?;
        if found.is_none_or(|it| it.kind() != gix::objs::Kind::Commit) {
            return Err(IndexError::Gap {
                index: scene.index.to_owned(),
                needs: id.to_string(),
                has: newest(repo),
            });
        }
    }
    Ok(())
}

fn newest(repo: &Repository) -> String {
    let peeled = |name: &&str| {
        let mut reference = repo.try_find_reference(*name).ok()??;
        Some(reference.peel_to_id().ok()?.to_string())
    };
    let newest = NEWEST.iter().find_map(peeled);
    newest.unwrap_or_else(|| "nothing yet".to_owned())
}
