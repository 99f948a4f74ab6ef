//! Making a repository, and reading where it is fed from.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use romt_core::{Escaped, ports::IndexError};

use super::{
    error::Failures,
    objects::{replace_file, sync_directory},
    open::Opened,
    seam::Remote,
};

/// The file by which bundles come and go, beside the repository.
pub(super) const BUNDLE_FILE: &str = "origin.bundle";

/// What is fetched: the branches of a repository.
const BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";

/// What is fetched besides on the side that imports.
const BUNDLE_BRANCHES: &str = "+refs/heads/bundle/*:refs/remotes/origin/*";

const ACTION: &str = "make the repository";

/// Makes the repository of a mirror that fetches from `url`.
pub(super) fn init(directory: &Path, index: &str, url: &str) -> Result<(), IndexError> {
    let url = if is_path(url) {
        absolute(Path::new(url), index)?
    } else {
        url.to_owned()
    };
    Remote::parse(&url, directory)?;
    create(directory, index, &config(&url, &[BRANCHES], None))
}

/// Makes the repository of a mirror that takes bundles in.
pub(super) fn init_import(
    directory: &Path,
    index: &str,
    bundle: Option<&Path>,
) -> Result<(), IndexError> {
    let path = bundle.map_or_else(|| directory.join(BUNDLE_FILE), Path::to_owned);
    let url = absolute(&path, index)?;
    Remote::parse(&url, directory)?;
    // A mirror may be moved, and the path in `remote.origin.url` may not be short.
    let own = bundle.is_none().then_some(BUNDLE_FILE);
    let specs = [BRANCHES, BUNDLE_BRANCHES];
    create(directory, index, &config(&url, &specs, own))
}

/// Writes the repository beside its place and moves it there whole.
fn create(directory: &Path, index: &str, config: &str) -> Result<(), IndexError> {
    let fail = Failures(index);
    if directory.symlink_metadata().is_ok() {
        let shown = Escaped::new(directory.as_os_str().as_encoded_bytes());
        let text = format!("index directory '{shown}' already exists");
        return Err(fail.usage(ACTION, text));
    }
    let name = directory.file_name().unwrap_or_default();
    let parent = directory.parent().filter(|it| !it.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let mut staged = std::ffi::OsString::from(".");
    staged.push(name);
    staged.push(".init.tmp");
    let staged = parent.join(staged);
    let created = (|| {
        fs::create_dir_all(parent)?;
        if staged.symlink_metadata().is_ok() {
            fs::remove_dir_all(&staged)?;
        }
        lay_out(&staged, config)?;
        fs::rename(&staged, directory)?;
        sync_directory(parent)
    })();
    created.map_err(|error: io::Error| {
        let _ = fs::remove_dir_all(&staged);
        fail.at(ACTION, directory, error)
    })
}

/// What `git init` makes, less hooks and samples.
fn lay_out(directory: &Path, config: &str) -> io::Result<()> {
    let git_dir = directory.join(".git");
    let directories = [
        "info",
        "objects/info",
        "objects/pack",
        "refs/heads",
        "refs/tags",
    ];
    for inner in directories {
        fs::create_dir_all(git_dir.join(inner))?;
    }
    // The bundle lies in the work tree, where it is no change to it.
    let exclude = format!("/{BUNDLE_FILE}\n");
    replace_file(&git_dir.join("info/exclude"), exclude.as_bytes())?;
    replace_file(&git_dir.join("config"), config.as_bytes())?;
    replace_file(&git_dir.join("HEAD"), b"ref: refs/heads/working\n")?;
    for inner in directories {
        let mut directory = git_dir.join(inner);
        while directory.starts_with(&git_dir) {
            sync_directory(&directory)?;
            directory.pop();
        }
    }
    sync_directory(directory)
}

/// The repository's settings, as the Python tool makes them.
fn config(url: &str, specs: &[&str], bundle: Option<&str>) -> String {
    let core = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
                \tlogallrefupdates = true\n";
    let specs: Vec<String> = specs.iter().map(|it| format!("\tfetch = {it}\n")).collect();
    let origin = format!(
        "[remote \"origin\"]\n\turl = {}\n{}",
        quoted(url),
        specs.concat()
    );
    let branch = "[branch \"working\"]\n\tremote = origin\n\tmerge = refs/heads/master\n";
    let own = bundle.map(|bundle| format!("\tbundle = {}\n", quoted(bundle)));
    let ours = format!("[romt]\n\texports = noted\n{}", own.unwrap_or_default());
    [core, &origin, branch, &ours].concat()
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether `url` has no scheme. A single letter is a disk.
fn is_path(url: &str) -> bool {
    let scheme = url.split_once(':').map(|it| it.0);
    scheme.is_none_or(|scheme| scheme.len() < 2 || scheme.contains(['/', '\\', '.']))
}

/// An absolute path without `..`, as the Python tool writes it.
fn absolute(path: &Path, index: &str) -> Result<String, IndexError> {
    let fail = Failures(index);
    let full = std::path::absolute(path).map_err(|error| fail.at(ACTION, path, error))?;
    let mut plain = PathBuf::new();
    for component in full.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    let shown = plain.to_str().map(str::to_owned);
    shown.ok_or_else(|| fail.at(ACTION, path, "the path is not UTF-8"))
}

impl Opened {
    /// Where upstream is.
    pub(super) fn remote(&self) -> Result<Remote, IndexError> {
        let remote = Remote::parse(&self.origin()?, &self.directory)?;
        Ok(match remote {
            Remote::Path(path) => Remote::Path(self.rehomed(path)),
            http @ Remote::Http(_) => http,
        })
    }

    /// Where the bundle is that comes or goes: on the side that imports, where it
    /// is fetched from; else beside the repository.
    pub(super) fn bundle_path(&self) -> Result<PathBuf, IndexError> {
        let own = self.directory.join(BUNDLE_FILE);
        if self.settings("remote.origin.url").is_empty() {
            return Ok(own);
        }
        let imports = self
            .settings("remote.origin.fetch")
            .iter()
            .any(|spec| spec == BUNDLE_BRANCHES);
        Ok(match self.remote()? {
            Remote::Path(path) if imports || path.is_file() => path,
            _ => own,
        })
    }

    /// Whether romt made this repository, and so has noted each pack.
    pub(super) fn is_ours(&self) -> bool {
        !self.settings("romt.exports").is_empty()
    }

    /// Where a bundle that comes is put, for the next pull to find.
    pub(super) fn import_path(&self) -> Result<PathBuf, IndexError> {
        match self.remote()? {
            // Beside a repository nothing of ours is to be.
            Remote::Path(path) if !path.is_dir() => Ok(path),
            _ => Err(Failures(&self.index).usage(
                "take the bundle in",
                "INDEX remote ``origin`` must have ``url`` as a local file",
            )),
        }
    }

    /// The bundle's place in a mirror that was moved or copied since its path was
    /// written down.
    fn rehomed(&self, path: PathBuf) -> PathBuf {
        let own = self.settings("romt.bundle");
        let is_own = own.last().is_some_and(|name| name == BUNDLE_FILE)
            && path.file_name() == Some(BUNDLE_FILE.as_ref());
        if is_own {
            return self.directory.join(BUNDLE_FILE);
        }
        path
    }

    fn origin(&self) -> Result<String, IndexError> {
        let mut urls = self.settings("remote.origin.url");
        match (urls.pop(), urls.is_empty()) {
            (Some(url), true) => Ok(url),
            (None, _) => {
                let text = "remote.origin.url is not set";
                Err(self.fail().usage("find upstream", text))
            }
            (Some(_), false) => {
                let text = "remote.origin.url has several values";
                Err(self.fail().usage("find upstream", text))
            }
        }
    }

    /// All values of a setting.
    pub(super) fn settings(&self, key: &str) -> Vec<String> {
        let config = self.repo.config_snapshot();
        let values = config.plumbing().strings(key).unwrap_or_default();
        values.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_what_has_a_scheme() {
        for path in ["upstream", "/srv/index", "../x", "c:/index", "./a:b", "."] {
            assert!(is_path(path), "{path}");
        }
        for url in [
            "https://host/x",
            "file:///srv",
            "ssh://host/x",
            "ext::sh -c x",
        ] {
            assert!(!is_path(url), "{url}");
        }
    }

    #[test]
    fn settings_are_quoted() {
        assert_eq!(quoted(r#"a"b\c #d"#), r#""a\"b\\c #d""#);
    }
}
