//! A source that saves downloads.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use romt_core::{
    CrateName, Location, Source, Version,
    ports::{OpenOptions, Opened, SourceError},
};

use super::{CargoHomeSource, split_stem};

/// Takes crates from a cargo home where that has them, and everything else from
/// the main source.
///
/// A location is a crate's if it ends in `NAME-VERSION.crate` or in
/// `/NAME/VERSION/download`. What a cargo home has may be damaged, which shows
/// when its digest is compared; so each crate is taken from there once, and from
/// the main source if it is asked for again.
#[derive(Debug)]
pub struct SeededSource {
    seed: Arc<CargoHomeSource>,
    main: Arc<dyn Source>,
    taken: Mutex<HashSet<(CrateName, Version)>>,
}

impl SeededSource {
    /// Prefers `seed` to `main`.
    pub fn new(seed: Arc<CargoHomeSource>, main: Arc<dyn Source>) -> Self {
        Self {
            seed,
            main,
            taken: Mutex::default(),
        }
    }

    fn is_taken(&self, wanted: &(CrateName, Version)) -> bool {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.contains(wanted)
    }

    /// Notes that it is being taken, and says whether it is for the first time.
    fn take(&self, wanted: (CrateName, Version)) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(wanted)
    }

    async fn open_seed(&self, location: &Location, options: &OpenOptions) -> Option<Opened> {
        // What the caller already has is the main source's to judge.
        if options.text || options.resume.is_some() || options.if_changed.is_some() {
            return None;
        }
        let (name, version) = crate_at(location)?;
        if self.is_taken(&(name.clone(), version.clone())) {
            return None;
        }
        let opened = self
            .seed
            .open_crate(&name, &version, location, OpenOptions::default())
            .await;
        match opened {
            Ok(opened) => self.take((name, version)).then_some(opened),
            Err(_) => None,
        }
    }
}

/// Which crate's file a location seems to be.
fn crate_at(location: &Location) -> Option<(CrateName, Version)> {
    let path = match location {
        Location::Path(path) => path,
        Location::Address(url) => url.path(),
    };
    let mut segments = path.rsplit('/');
    let last = segments.next()?;
    if let Some(stem) = last.strip_suffix(".crate") {
        return split_stem(stem);
    }
    if last != "download" {
        return None;
    }
    let version = segments.next()?.parse().ok()?;
    Some((segments.next()?.parse().ok()?, version))
}

#[async_trait]
impl Source for SeededSource {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        if let Some(opened) = self.open_seed(location, &options).await {
            return Ok(opened);
        }
        self.main.open(location, options).await
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        if let Some((name, version)) = crate_at(location) {
            let wanted = (name, version);
            if !self.is_taken(&wanted) {
                let (name, version) = wanted;
                let options = OpenOptions::default();
                let opened = self.seed.open_crate(&name, &version, location, options);
                if let Ok(Opened::Body(fetched)) = opened.await {
                    return Ok(fetched.size);
                }
            }
        }
        self.main.size(location).await
    }
}

impl fmt::Display for SeededSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.main.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_known_by_their_addresses() {
        for (location, expected) in [
            ("https://h/crates/serde/serde-1.0.0.crate", "serde 1.0.0"),
            (
                "https://h/api/v1/crates/serde/1.0.0+b/download",
                "serde 1.0.0+b",
            ),
            ("crates/a/a-1.0.0.crate", "a 1.0.0"),
        ] {
            let (name, version) = crate_at(&location.parse().unwrap()).unwrap();
            assert_eq!(format!("{name} {version}"), expected);
        }
        for other in [
            "config.json",
            "se/rd/serde",
            "https://h/download",
            "https://h/serde/latest/download",
            "https://h/x.crate",
            "https://h/%2e%2e-1.0.0.crate",
        ] {
            assert!(crate_at(&other.parse().unwrap()).is_none(), "{other}");
        }
    }
}
