//! The sources that need no network.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::{fs, path::Path, sync::Arc};

use bytes::Bytes;
use romt_core::{
    Key, Location, Source, StoreExt as _,
    ports::{OpenOptions, Opened, ResumeFrom, SourceError, SourceErrorKind, collect_bounded},
};
use romt_store::{
    CargoHomeError, CargoHomeSource, MemoryStore, PathSource, SeededSource, StoreSource,
    conformance::source,
};
use tempfile::TempDir;

const REGISTRY: &str = "index.crates.io-1949cf8c6b5b557f";

fn place(text: &str) -> Location {
    text.parse().unwrap()
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

async fn read(source: &dyn Source, path: &str) -> Result<Bytes, SourceError> {
    match source.open(&place(path), OpenOptions::default()).await? {
        Opened::Body(fetched) => Ok(collect_bounded(fetched.body, 1 << 24).await.unwrap()),
        Opened::Unchanged => panic!("unexpectedly unchanged"),
    }
}

async fn error(source: &dyn Source, path: &str) -> SourceError {
    read(source, path).await.unwrap_err()
}

#[tokio::test]
async fn a_directory_conforms() {
    let root = TempDir::new().unwrap();
    for (path, bytes) in source::files() {
        write(root.path(), &path, bytes);
    }
    source::all(Arc::new(PathSource::new(root.path()))).await;
}

#[tokio::test]
async fn a_store_conforms_with_and_without_a_prefix() {
    for prefix in [None, Some("a/b")] {
        let store = MemoryStore::new();
        for (path, bytes) in source::files() {
            let key = prefix.map_or(path.clone(), |prefix| format!("{prefix}/{path}"));
            store.put(&key.parse().unwrap(), bytes).await.unwrap();
        }
        let prefix = prefix.map(|prefix| prefix.parse().unwrap());
        source::all(Arc::new(StoreSource::new(Arc::new(store), prefix))).await;
    }
}

#[tokio::test]
async fn a_store_keeps_device_names_escaped() {
    let store = MemoryStore::new();
    let key: Key = "3/a/=aux".parse().unwrap();
    store.put(&key, Bytes::from("{}\n")).await.unwrap();
    let source = StoreSource::new(Arc::new(store), None);
    assert_eq!(read(&source, "3/a/aux").await.unwrap(), "{}\n");
}

#[tokio::test]
async fn a_directory_is_addressed_by_file_urls_inside_it() {
    let root = TempDir::new().unwrap();
    write(root.path(), "in/a b", "inside");
    write(root.path(), "out", "outside");
    let inside = root.path().join("in");
    let base = url::Url::from_directory_path(&inside).unwrap();
    let source = PathSource::from_url(&base).unwrap();
    assert_eq!(
        read(&source, &format!("{base}a%20b")).await.unwrap(),
        "inside"
    );
    for bad in ["../out", "%2e%2e/out", "..%2fout", "x/..%2f..%2fout"] {
        assert_eq!(
            error(&source, &format!("{base}{bad}")).await.kind(),
            SourceErrorKind::Refused
        );
    }
    assert_eq!(
        error(&source, "https://example.com/x").await.kind(),
        SourceErrorKind::Refused
    );
    for bad in ["https://h/x", "file://host/x"] {
        let made = PathSource::from_url(&bad.parse().unwrap());
        assert!(cfg!(windows) || made.is_err(), "{bad}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn hostile_only_regular_files_inside_are_read() {
    use std::os::unix::fs::symlink;

    let root = TempDir::new().unwrap();
    write(root.path(), "in/real", "inside");
    write(root.path(), "secret", "outside");
    let inside = root.path().join("in");
    symlink(inside.join("real"), inside.join("good-link")).unwrap();
    symlink("../secret", inside.join("bad-link")).unwrap();
    symlink("..", inside.join("up")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    symlink("/dev/zero", inside.join("device")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        inside.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let source = PathSource::new(&inside);
    assert_eq!(read(&source, "good-link").await.unwrap(), "inside");
    for bad in ["bad-link", "up/secret", "device", "pipe"] {
        let error = error(&source, bad).await;
        assert_eq!(error.kind(), SourceErrorKind::Refused, "{error}");
        assert!(source.size(&place(bad)).await.is_err());
    }
    assert!(read(&source, "loop").await.is_err());
}

#[tokio::test]
async fn a_file_that_was_written_again_is_not_continued() {
    let root = TempDir::new().unwrap();
    write(root.path(), "a", vec![1; 1000]);
    let source = PathSource::new(root.path());
    let first = source.open(&place("a"), OpenOptions::default()).await;
    let Ok(Opened::Body(first)) = first else {
        panic!("{first:?}")
    };
    write(root.path(), "a", vec![2; 2000]);
    let resume = ResumeFrom {
        offset: 500,
        validator: first.validator.clone().unwrap(),
    };
    let options = OpenOptions::default()
        .with_resume(Some(resume))
        .with_if_changed(first.validator);
    match source.open(&place("a"), options).await.unwrap() {
        Opened::Body(fetched) => assert_eq!((fetched.offset, fetched.size), (0, Some(2000))),
        Opened::Unchanged => panic!("it was changed"),
    }
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_read_ends_in_an_error() {
    let root = TempDir::new().unwrap();
    write(root.path(), "a", vec![1; 1 << 20]);
    let source = PathSource::new(root.path());
    let opened = source
        .open(&place("a"), OpenOptions::default())
        .await
        .unwrap();
    let Opened::Body(fetched) = opened else {
        panic!("{opened:?}")
    };
    let file = fs::OpenOptions::new()
        .write(true)
        .open(root.path().join("a"))
        .unwrap();
    file.set_len(300_000).unwrap();
    assert!(collect_bounded(fetched.body, 1 << 24).await.is_err());
}

fn cache_file(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut file = b"\x03\x02\0\0\0etag: \"x\"\0".to_vec();
    for (version, line) in entries {
        file.extend_from_slice(format!("{version}\0{line}\0").as_bytes());
    }
    file
}

fn home() -> TempDir {
    let home = TempDir::new().unwrap();
    let entries = [
        ("1.0.0", r#"{"vers":"1.0.0"}"#),
        ("1.0.1", r#"{"vers":"1.0.1"}"#),
    ];
    let index = format!("registry/index/{REGISTRY}/.cache");
    write(
        home.path(),
        &format!("{index}/se/rd/serde"),
        cache_file(&entries),
    );
    write(home.path(), &format!("{index}/3/b/bad"), b"\x02junk");
    let crates = format!("registry/cache/{REGISTRY}");
    for file in [
        "serde-1.0.0.crate",
        "Inflector-0.11.4.crate",
        "lib-1.0.0+b1.crate",
    ] {
        write(home.path(), &format!("{crates}/{file}"), file);
    }
    let git = "registry/cache/github.com-25cdd57fae9f0462";
    write(
        home.path(),
        &format!("{git}/serde-1.0.0.crate"),
        "second choice",
    );
    write(home.path(), &format!("{git}/old-0.1.0.crate"), "only here");
    write(
        home.path(),
        "registry/cache/other-0000/private-1.0.0.crate",
        "private",
    );
    home
}

#[tokio::test]
async fn a_cargo_home_is_a_registry() {
    let home = home();
    let source = CargoHomeSource::open(home.path()).unwrap();
    assert_eq!(source.registries()[0], REGISTRY);
    let config = read(&source, "config.json").await.unwrap();
    let config = romt_core::crates::IndexConfig::parse(&config).unwrap();
    let expand = |name: &str, version: &str| {
        let digest = romt_core::Sha256Digest::of("");
        let (name, version) = (name.parse().unwrap(), version.parse().unwrap());
        config
            .download
            .expand(&name, &version, &digest)
            .unwrap()
            .to_string()
    };
    for (name, version, bytes) in [
        ("serde", "1.0.0", "serde-1.0.0.crate"),
        ("Inflector", "0.11.4", "Inflector-0.11.4.crate"),
        ("lib", "1.0.0+b1", "lib-1.0.0+b1.crate"),
        ("old", "0.1.0", "only here"),
    ] {
        assert_eq!(read(&source, &expand(name, version)).await.unwrap(), bytes);
    }
    let lines = read(&source, "se/rd/serde").await.unwrap();
    assert_eq!(lines, "{\"vers\":\"1.0.0\"}\n{\"vers\":\"1.0.1\"}\n");
    let size = source.size(&place("se/rd/serde")).await.unwrap();
    assert_eq!(size, Some(lines.len() as u64));

    let names: Vec<_> = source
        .crates()
        .unwrap()
        .iter()
        .map(|c| format!("{} {}", c.name, c.version))
        .collect();
    assert_eq!(
        names,
        [
            "Inflector 0.11.4",
            "lib 1.0.0+b1",
            "old 0.1.0",
            "serde 1.0.0"
        ]
    );
}

#[tokio::test]
async fn a_cargo_home_has_nothing_else() {
    let home = home();
    let source = CargoHomeSource::open(home.path()).unwrap();
    for absent in [
        "se/rd/Serde",
        "SE/RD/serde",
        "3/p/private",
        "crates/private/private-1.0.0.crate",
        "crates/serde/serde-9.0.0.crate",
        "crates/serd/serde-1.0.0.crate",
        "crates/serde/../x.crate",
        "registry/cache/x",
        "config",
    ] {
        let Ok(location) = absent.parse() else {
            continue;
        };
        let result = source.open(&location, OpenOptions::default()).await;
        assert_eq!(
            result.unwrap_err().kind(),
            SourceErrorKind::NotFound,
            "{absent}"
        );
    }
    let error = error(&source, "3/b/bad").await;
    assert_eq!(error.kind(), SourceErrorKind::Refused);
    assert!(error.reason().contains("bad"), "{error}");
}

#[tokio::test]
async fn a_cargo_homes_index_is_conditional() {
    let home = home();
    let source = CargoHomeSource::open(home.path()).unwrap();
    let at = place("se/rd/serde");
    let opened = source.open(&at, OpenOptions::default()).await.unwrap();
    let Opened::Body(fetched) = opened else {
        panic!("{opened:?}")
    };
    let options = OpenOptions::default().with_if_changed(fetched.validator);
    let again = source.open(&at, options.clone()).await.unwrap();
    assert!(matches!(again, Opened::Unchanged));
    let file = format!("registry/index/{REGISTRY}/.cache/se/rd/serde");
    write(home.path(), &file, cache_file(&[("1.0.0", "{}")]));
    let again = source.open(&at, options).await.unwrap();
    assert!(matches!(again, Opened::Body(_)));
}

#[test]
fn a_cargo_homes_registry_can_be_chosen() {
    let home = home();
    let source = CargoHomeSource::open(home.path()).unwrap();
    let chosen = source.clone().with_registry("other-0000").unwrap();
    assert_eq!(chosen.crates().unwrap()[0].name.as_str(), "private");
    let error = source.with_registry("../..").unwrap_err();
    assert!(matches!(error, CargoHomeError::NoRegistry { .. }));
    assert!(error.to_string().contains("other-0000"), "{error}");
    let empty = TempDir::new().unwrap();
    assert!(matches!(
        CargoHomeSource::open(empty.path()),
        Err(CargoHomeError::Empty { .. })
    ));
}

#[tokio::test]
async fn a_seed_is_asked_once_for_each_crate() {
    let home = home();
    let seed = Arc::new(CargoHomeSource::open(home.path()).unwrap());
    let main = TempDir::new().unwrap();
    write(main.path(), "serde/1.0.0/download", "from upstream");
    write(main.path(), "absent/1.0.0/download", "only upstream");
    write(main.path(), "config.json", "upstream's");
    let main: Arc<dyn Source> = Arc::new(PathSource::new(main.path()));
    let source = SeededSource::new(seed, main);
    let size = source.size(&place("serde/1.0.0/download")).await.unwrap();
    assert_eq!(size, Some("serde-1.0.0.crate".len() as u64));
    for expected in ["serde-1.0.0.crate", "from upstream", "from upstream"] {
        assert_eq!(
            read(&source, "serde/1.0.0/download").await.unwrap(),
            expected
        );
    }
    assert_eq!(
        source.size(&place("serde/1.0.0/download")).await.unwrap(),
        Some(13)
    );
    assert_eq!(
        read(&source, "absent/1.0.0/download").await.unwrap(),
        "only upstream"
    );
    assert_eq!(read(&source, "config.json").await.unwrap(), "upstream's");
}
