//! Every path rule of the mirror tree.

mod dist;
mod rustup;

use serde::Deserialize;

use crate::{
    CrateName, Key, PrefixStyle, StoreExt as _, Version,
    ports::{Store, StoreError},
};

/// The directory of the crates.
const CRATES: &str = "crates";

/// What says how the crates' directories are spelt, beside them.
const CONFIG: &str = "config.toml";

/// The largest `crates/config.toml`, in bytes.
const MAX_LAYOUT_FILE: u64 = 64 * 1024;

pub use dist::DistLayout;
pub(crate) use dist::manifest_path;
pub use rustup::RustupLayout;

/// What a new mirror writes into `crates/config.toml`, byte for byte as romt for
/// Python does.
const DEFAULT_LAYOUT_FILE: &str = "prefix = \"lower\"\narchive_prefix = \"lower\"\n";

/// The same for directories that are spelt as the crates are.
const MIXED_LAYOUT_FILE: &str = "prefix = \"mixed\"\narchive_prefix = \"lower\"\n";

/// Where things are in a mirror.
///
/// ```text
/// crates/{prefix}/{name}/{name}-{version}.crate   and crates/config.toml
/// index/{lower prefix}/{lower name}               the index as plain sparse files
/// .romt/…                                         what only romt reads
/// ```
///
/// Toolchains and rustup have their own: [`DistLayout`] and [`RustupLayout`]. The tree is that of romt for Python. No other code builds a path of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MirrorLayout {
    prefix: PrefixStyle,
    archive_prefix: PrefixStyle,
    crates: PartAt,
}

/// Where in a store a part of a mirror is: the crates, the toolchains, rustup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartAt {
    /// In a directory of its own (`crates`, `dist`, `rustup`), beside what else a
    /// mirror has.
    #[default]
    Directory,
    /// At the root: the store is nothing but this part.
    Root,
}

impl PartAt {
    fn key(self, directory: &str, rest: &str) -> Key {
        match self {
            Self::Directory => known_key(&format!("{directory}/{rest}")),
            Self::Root => known_key(rest),
        }
    }

    fn root(self, directory: &str) -> Option<Key> {
        match self {
            Self::Directory => Some(known_key(directory)),
            Self::Root => None,
        }
    }
}

/// What is in `directory` by the layout of an archive, or of a mirror: the rest of
/// `key`, if it is there.
fn rest_of(at: PartAt, directory: &str, key: &Key) -> Option<String> {
    match at {
        PartAt::Directory => key
            .as_str()
            .strip_prefix(directory)
            .and_then(|rest| rest.strip_prefix('/'))
            .map(str::to_owned),
        PartAt::Root => Some(key.as_str().to_owned()),
    }
}

/// Why a mirror's layout could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The store failed.
    #[error("the layout of the mirror could not be read")]
    Store(#[from] StoreError),
    /// `crates/config.toml` is not understood.
    #[error("`crates/config.toml` in {store} is not understood: {reason}")]
    File {
        /// The store.
        store: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayoutFile {
    prefix: Option<String>,
    archive_prefix: Option<String>,
}

impl MirrorLayout {
    /// A layout with this style of crate directories.
    pub fn new(prefix: PrefixStyle) -> Self {
        Self {
            prefix,
            archive_prefix: prefix,
            crates: PartAt::Directory,
        }
    }

    /// The layout of the mirror in `store`: what its `crates/config.toml` says,
    /// or lower-case directories if it has none.
    pub async fn load(store: &dyn Store) -> Result<Self, LayoutError> {
        Self::load_at(store, PartAt::Directory, PrefixStyle::Lower).await
    }

    /// The layout of a store whose crates are `at` a place of their own, and in
    /// directories of the style `unstated` if no `config.toml` is there to say.
    pub async fn load_at(
        store: &dyn Store,
        at: PartAt,
        unstated: PrefixStyle,
    ) -> Result<Self, LayoutError> {
        let stated = store
            .try_read(&at.key(CRATES, CONFIG), MAX_LAYOUT_FILE)
            .await?;
        let Some((_, bytes)) = stated else {
            return Ok(Self {
                crates: at,
                ..Self::new(unstated)
            });
        };
        let invalid = |reason: String| LayoutError::File {
            store: store.to_string(),
            reason,
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| invalid(error.to_string()))?;
        let file: LayoutFile =
            toml::from_str(text).map_err(|error| invalid(error.message().to_owned()))?;
        // Like romt for Python, anything but `mixed` means lower.
        let style = |text: Option<String>| match text.as_deref() {
            Some("mixed") => PrefixStyle::Mixed,
            _ => PrefixStyle::Lower,
        };
        Ok(Self {
            prefix: style(file.prefix),
            archive_prefix: style(file.archive_prefix),
            crates: at,
        })
    }

    /// Writes `crates/config.toml` if the mirror has none, then
    /// [loads](Self::load) the layout.
    pub async fn load_or_init(store: &dyn Store) -> Result<Self, LayoutError> {
        Self::init_at(store, PartAt::Directory, PrefixStyle::Lower).await?;
        Self::load(store).await
    }

    /// Writes a `config.toml` beside the crates if there is none: their directories
    /// are to be spelt like this, and those of archives in lower case.
    pub async fn init_at(
        store: &dyn Store,
        at: PartAt,
        style: PrefixStyle,
    ) -> Result<(), LayoutError> {
        let key = at.key(CRATES, CONFIG);
        if store.try_head(&key).await?.is_some() {
            return Ok(());
        }
        let body = match style {
            PrefixStyle::Lower => DEFAULT_LAYOUT_FILE,
            PrefixStyle::Mixed => MIXED_LAYOUT_FILE,
        };
        let body = body.as_bytes().into();
        let mode = crate::ports::PutMode::CreateIfAbsent;
        match store.put_opts(&key, body, mode.into()).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The directory of the crates; `None` if it is the store's own.
    pub fn crates_root(&self) -> Option<Key> {
        self.crates.root(CRATES)
    }

    /// How the directories above a crate are spelt in the mirror.
    pub fn prefix_style(&self) -> PrefixStyle {
        self.prefix
    }

    /// How they are spelt in archives that the mirror packs.
    pub fn archive_style(&self) -> PrefixStyle {
        self.archive_prefix
    }

    /// Where the `.crate` file of this version is.
    pub fn crate_file(&self, name: &CrateName, version: &Version) -> Key {
        let directory = Key::escape_segment(name.as_str());
        let prefix = self.prefix_of(name);
        self.crates.key(
            CRATES,
            &format!("{prefix}/{directory}/{name}-{version}.crate"),
        )
    }

    /// Where the crate's index file is among the plain sparse files.
    pub fn index_file(&self, name: &CrateName) -> Key {
        let file = Key::escape_segment(&name.to_lowercase());
        let prefix = escaped_prefix(&name.prefix(PrefixStyle::Lower));
        known_key(&format!("index/{prefix}/{file}"))
    }

    /// Where the plain sparse files are.
    pub fn index_root(&self) -> Key {
        known_key("index")
    }

    /// A key in the part of the tree that only romt reads. `rest` is a constant
    /// of the caller's or made of digests.
    pub fn private(&self, rest: &str) -> Result<Key, crate::InvalidValue> {
        format!(".romt/{rest}").parse()
    }

    fn prefix_of(self, name: &CrateName) -> String {
        escaped_prefix(&name.prefix(self.prefix))
    }
}

/// What a digest file is called beside `key`.
pub(crate) fn sha256_beside(key: &Key) -> Key {
    known_key(&format!("{key}.sha256"))
}

/// What a signature is called beside `key`.
pub(crate) fn signature_beside(key: &Key) -> Key {
    known_key(&format!("{key}.asc"))
}

/// Two letters can make no device name, but the rule is the key's to know.
fn escaped_prefix(prefix: &str) -> String {
    let segments: Vec<String> = prefix.split('/').map(Key::escape_segment).collect();
    segments.join("/")
}

/// A key made of validated parts: names of at most 64 and versions of at most
/// 150 characters of the key alphabet, device names escaped.
fn known_key(text: &str) -> Key {
    text.parse()
        .expect("validated names and versions make valid keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_files_lie_where_the_python_tool_puts_them() {
        let lower = MirrorLayout::default();
        let mixed = MirrorLayout::new(PrefixStyle::Mixed);
        let name: CrateName = "MyCrate".parse().unwrap();
        let version: Version = "0.1.0+b1".parse().unwrap();
        assert_eq!(
            lower.crate_file(&name, &version).as_str(),
            "crates/my/cr/MyCrate/MyCrate-0.1.0+b1.crate"
        );
        assert_eq!(
            mixed.crate_file(&name, &version).as_str(),
            "crates/My/Cr/MyCrate/MyCrate-0.1.0+b1.crate"
        );
        assert_eq!(lower.index_file(&name).as_str(), "index/my/cr/mycrate");
    }

    #[test]
    fn hostile_i12_crates_named_like_devices_have_a_home() {
        let layout = MirrorLayout::default();
        let version: Version = "1.0.0".parse().unwrap();
        for (text, file) in [
            ("aux", "crates/3/a/=aux/aux-1.0.0.crate"),
            ("Nul", "crates/3/n/=Nul/Nul-1.0.0.crate"),
            ("com1", "crates/co/m1/=com1/com1-1.0.0.crate"),
        ] {
            let name: CrateName = text.parse().unwrap();
            assert_eq!(layout.crate_file(&name, &version).as_str(), file);
        }
        assert_eq!(
            layout.index_file(&"aux".parse().unwrap()).as_str(),
            "index/3/a/=aux"
        );
    }

    #[test]
    fn the_longest_names_and_versions_fit() {
        let name: CrateName = "a".repeat(64).parse().unwrap();
        let version: Version = format!("1.0.0-{}", "a".repeat(144)).parse().unwrap();
        assert!(
            MirrorLayout::default()
                .crate_file(&name, &version)
                .as_str()
                .len()
                < 1024
        );
    }
}
