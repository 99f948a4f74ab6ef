//! Where upstream is, as a repository's configuration says it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use romt_core::{Escaped, InvalidValue};

/// Where an index comes from. Nothing that runs a program is a remote.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::git) enum Remote {
    /// A git server.
    Http(String),
    /// A repository or a bundle on this machine.
    Path(PathBuf),
}

impl Remote {
    /// The remote that `url` names. A path that is not absolute begins at `base`.
    pub(in crate::git) fn parse(url: &str, base: &Path) -> Result<Self, InvalidValue> {
        let invalid = |reason: &str| Err(InvalidValue::of_address("remote", url, reason));
        if url.is_empty() || url.starts_with('-') || url.contains(char::is_control) {
            return invalid("it is empty, begins with `-` or has a control character");
        }
        if let Some((scheme, rest)) = url.split_once("://") {
            return match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" if !rest.is_empty() && !rest.starts_with('/') => {
                    Ok(Self::Http(url.to_owned()))
                }
                "file" => match file_path(rest) {
                    Some(path) => Ok(Self::Path(path)),
                    None => invalid("it is no file of this machine"),
                },
                _ => invalid("only http, https and file remotes are used"),
            };
        }
        if is_other_scheme(url) {
            return invalid("only http, https and file remotes are used");
        }
        Ok(Self::Path(base.join(url)))
    }
}

/// Whether git would take `url` for a helper's name (`ext::`) or for a host
/// (`host:path`), and not for a path. A drive's letter is none of both.
fn is_other_scheme(url: &str) -> bool {
    let colon = url.find(':');
    let slash = url.find(['/', '\\']).unwrap_or(url.len());
    colon.is_some_and(|colon| colon < slash && (colon > 1 || url[colon..].starts_with("::")))
}

fn file_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    (path.starts_with('/') && path.len() > 1).then(|| PathBuf::from(path))
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => Escaped::address(url).fmt(f),
            Self::Path(path) => Escaped::new(path.as_os_str().as_encoded_bytes()).fmt(f),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Option<Remote> {
        Remote::parse(url, Path::new("/base")).ok()
    }

    #[test]
    fn servers_repositories_and_bundles_are_remotes() {
        for url in ["http://host/index", "https://user:pw@host:8443/a/b.git"] {
            assert_eq!(parse(url), Some(Remote::Http(url.to_owned())));
        }
        let path = |path: &str| Some(Remote::Path(path.into()));
        assert_eq!(parse("/srv/index"), path("/srv/index"));
        assert_eq!(parse("file:///srv/index"), path("/srv/index"));
        assert_eq!(parse("file://localhost/srv/index"), path("/srv/index"));
        assert_eq!(parse("../index"), path("/base/../index"));
        assert_eq!(parse("a/b:c"), path("/base/a/b:c"));
        assert_eq!(parse("origin.bundle"), path("/base/origin.bundle"));
        let shown = parse("https://user:pw@host/x").unwrap().to_string();
        assert_eq!(shown, "https://host/x");
    }

    #[test]
    fn hostile_b14_nothing_that_runs_a_program_is_a_remote() {
        for url in [
            "",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "ext::sh -c x",
            "::x",
            "fd::17",
            "ssh://-oProxyCommand=x/y",
            "ssh://host/x",
            "git@host:x",
            "host:x",
            "git://host/x",
            "ftp://host/x",
            "http://host/x\r\nHost: y",
            "http://host/\n",
            "/srv/in\rdex",
            "http:///x",
            "http://",
            "file://host/x",
            "file://",
            "HTTPS+x://host/x",
        ] {
            assert_eq!(parse(url), None, "{url:?}");
        }
        let error = Remote::parse("ssh://u:secret@h/x", Path::new("")).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
