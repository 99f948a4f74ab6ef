//! What the arguments of `romt crate` name, opened.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::Duration,
};

use romt_core::{
    ErrorClass, Escaped, Location, MirrorLayout, PartAt, PrefixStyle, Sha256Digest, Source, Store,
    crates::{DownloadTemplate, VersionFilter},
    full::{FullMirror, FullOptions, RangeStart},
    ports::{HistoryIndex, IndexError},
};
use romt_index::{GitIndex, GitOptions};
use romt_store::{FsStore, HttpSource, PathSource};
use url::Url;

use super::args::{CrateArgs, RangeArgs};
use crate::{
    error::{CliError, shown},
    signals::Signals,
    upstream::{NEVER, http_client},
};

/// The directory of the crates, as a store has it.
struct CratesRoot {
    store: PathBuf,
    at: PartAt,
}

impl CratesRoot {
    /// A directory called `crates` is part of a mirror, whose other parts are
    /// beside it; any other is all there is.
    fn of(crates: &Path) -> Self {
        let whole = absolute(crates).unwrap_or_else(|_| crates.to_owned());
        match whole.parent() {
            Some(mirror) if whole.file_name().is_some_and(|name| name == "crates") => Self {
                store: mirror.to_owned(),
                at: PartAt::Directory,
            },
            _ => Self {
                store: whole,
                at: PartAt::Root,
            },
        }
    }

    fn open(&self) -> Result<Arc<dyn Store>, CliError> {
        let store = FsStore::open(&self.store);
        let store = store.map_err(|error| CliError::from_error(ErrorClass::Storage, &error))?;
        Ok(Arc::new(store))
    }
}

/// Makes the directory of the crates, and says how it is laid out.
pub(crate) async fn create_crates(crates: &Path, style: PrefixStyle) -> Result<(), CliError> {
    if fs::symlink_metadata(crates).is_ok() {
        let path = shown(crates);
        return Err(CliError::usage(format!(
            "crates directory '{path}' already exists"
        )));
    }
    fs::create_dir_all(crates)
        .map_err(|error| CliError::from_io("create", shown(crates), &error))?;
    let root = CratesRoot::of(crates);
    MirrorLayout::init_at(&*root.open()?, root.at, style)
        .await
        .map_err(|error| CliError::from_error(ErrorClass::Storage, &error))
}

/// Takes away what [`create_crates`] has just made, as far as it is still empty.
pub(crate) fn remove_new_crates(crates: &Path) {
    drop(fs::remove_file(crates.join("config.toml")));
    drop(fs::remove_dir(crates));
}

/// The mirror that is here.
pub(crate) async fn open(args: &CrateArgs) -> Result<FullMirror, CliError> {
    for (path, what) in [(&args.crates, "crates"), (&args.index, "index")] {
        if !path.is_dir() {
            let path = shown(path);
            return Err(
                CliError::usage(format!("{path} is not a valid {what} directory"))
                    .with_help("`romt crate init` makes a mirror; is the disk mounted?"),
            );
        }
    }
    let root = CratesRoot::of(&args.crates);
    let store = root.open()?;
    let layout = MirrorLayout::load_at(&*store, root.at, unstated_style(&args.crates))
        .await
        .map_err(|error| CliError::from_error(ErrorClass::Usage, &error))?;
    if layout.prefix_style() == PrefixStyle::Mixed
        && args.crates.join("config.toml").exists()
        && args.crates.join("CONFIG.TOML").exists()
    {
        let message = "Cannot use mixed-case prefix on case-insensitive share";
        return Err(CliError::usage(message));
    }
    let index: Arc<dyn HistoryIndex> = Arc::new(git_index(args).await?);
    Ok(FullMirror::new(store, index, layout))
}

async fn git_index(args: &CrateArgs) -> Result<GitIndex, CliError> {
    let options = git_options(args);
    let index = GitIndex::open(&args.index, options.clone()).map_err(CliError::from)?;
    let origin = index.origin().await.map_err(CliError::from)?;
    let Some(url) = origin.and_then(|origin| Url::parse(&origin).ok()) else {
        return Ok(index);
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Ok(index);
    }
    let client = http_client(args.upstream.timeout)?.connections(&url).await;
    let client = client.map_err(|error| CliError::from_error(error.class(), &error))?;
    GitIndex::open(&args.index, options.with_client(client)).map_err(CliError::from)
}

/// How the index works, without a network.
pub(crate) fn git_options(args: &CrateArgs) -> GitOptions {
    let mut options = GitOptions::default().with_bundle_path(args.work.bundle_path.clone());
    options = options.with_idle_timeout(match u64::try_from(args.upstream.timeout) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => NEVER,
    });
    options
}

/// A mirror that is too old to say how it is laid out has mixed-case directories
/// if any of them has an upper-case letter in it.
fn unstated_style(crates: &Path) -> PrefixStyle {
    let is_mixed = |name: &str| name.chars().count() == 2 && name.chars().any(char::is_uppercase);
    let entries = fs::read_dir(crates).into_iter().flatten().flatten();
    let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    if names.any(|name| is_mixed(&name)) {
        PrefixStyle::Mixed
    } else {
        PrefixStyle::Lower
    }
}

impl From<IndexError> for CliError {
    fn from(error: IndexError) -> Self {
        Self::from_error(error.class(), &error)
    }
}

/// How a session works.
pub(crate) fn options(args: &CrateArgs, filter: VersionFilter, signals: &Signals) -> FullOptions {
    let jobs = usize::try_from(args.upstream.num_jobs).unwrap_or(1);
    FullOptions::default()
        .with_start(start(&args.range), args.range.allow_missing_start)
        .with_end(&args.range.end)
        .with_filter(filter)
        .with_assume_ok(args.work.assume_ok)
        .with_keep_going(args.work.keep_going)
        .with_accept_removals(args.work.accept_removals)
        .with_accept_changes(args.work.accept_changes)
        .with_jobs(jobs)
        .with_holder("romt crate")
        .with_cancel(signals.stop.clone())
}

fn start(range: &RangeArgs) -> RangeStart {
    match range.start.as_str() {
        "" => RangeStart::Mark,
        "0" => RangeStart::Nothing,
        revision => RangeStart::Revision(revision.to_owned()),
    }
}

/// What --filter and --filter-file select.
pub(crate) fn filter(range: &RangeArgs) -> Result<VersionFilter, CliError> {
    if range.filter.is_empty() && range.filter_file.is_empty() {
        return Ok(VersionFilter::all());
    }
    let mut lines = range.filter.clone();
    for file in &range.filter_file {
        let text = fs::read_to_string(file).map_err(|error| {
            let name = shown(file);
            CliError::usage(format!("could not read FILTER_FILE '{name}'")).caused_by(&error)
        })?;
        lines.extend(text.lines().map(str::to_owned));
    }
    VersionFilter::parse(&lines).map_err(|error| CliError::from_error(ErrorClass::Usage, &error))
}

/// Where --crates-url finds a crate, and what can get it from there.
pub(crate) fn crates(args: &CrateArgs) -> Result<(DownloadTemplate, Arc<dyn Source>), CliError> {
    let text = &args.upstream.crates_url;
    let invalid = |error: romt_core::InvalidValue| {
        CliError::from_error(ErrorClass::Usage, &error)
            .with_help("--crates-url is a path or an address with {crate} and {version} in it")
    };
    let template: DownloadTemplate = if text.contains("://") {
        text.parse().map_err(invalid)?
    } else {
        file_template(text)?.parse().map_err(invalid)?
    };
    let name = "probe".parse().map_err(invalid)?;
    let version = "1.0.0".parse().map_err(invalid)?;
    let probe = template.expand(&name, &version, &Sha256Digest::of(b""));
    let source: Arc<dyn Source> = match probe.map_err(invalid)? {
        Location::Address(mut url) if url.scheme() != "file" => {
            url.set_path("/");
            url.set_query(None);
            let source = HttpSource::new(http_client(args.upstream.timeout)?, *url);
            let source = source
                .map_err(|error| CliError::from_error(ErrorClass::Usage, &error))?
                .with_plain_downgrade(true);
            Arc::new(source)
        }
        _ => Arc::new(PathSource::new("/")),
    };
    Ok((template, source))
}

/// The address of a path, whose markers stay what they are.
fn file_template(path: &str) -> Result<String, CliError> {
    let whole = absolute(path)
        .map_err(|error| CliError::from_io("find the directory of", Escaped::new(path), &error))?;
    let mut text = String::from("file://");
    let whole = whole.to_string_lossy().replace('\\', "/");
    if !whole.starts_with('/') {
        text.push('/');
    }
    for one in whole.chars() {
        match one {
            '%' => text.push_str("%25"),
            '?' => text.push_str("%3F"),
            '#' => text.push_str("%23"),
            one => text.push(one),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_31_a_path_is_an_address_of_this_machine() {
        let template = file_template("/srv/a b#c/{lowerprefix}/{crate}/{crate}-{version}.crate");
        let template: DownloadTemplate = template.unwrap().parse().unwrap();
        let name = "Serde".parse().unwrap();
        let version = "1.0.0+x".parse().unwrap();
        let found = template
            .expand(&name, &version, &Sha256Digest::of(b""))
            .unwrap();
        let Location::Address(url) = found else {
            panic!("{found}");
        };
        assert_eq!(
            url.to_file_path().unwrap(),
            Path::new("/srv/a b#c/se/rd/Serde/Serde-1.0.0+x.crate")
        );
    }

    #[test]
    fn a_directory_called_crates_is_part_of_a_mirror() {
        let root = CratesRoot::of(Path::new("/srv/mirror/crates"));
        assert_eq!(
            (root.store.to_str(), root.at),
            (Some("/srv/mirror"), PartAt::Directory)
        );
        let root = CratesRoot::of(Path::new("/srv/files"));
        assert_eq!(
            (root.store.to_str(), root.at),
            (Some("/srv/files"), PartAt::Root)
        );
    }
}
