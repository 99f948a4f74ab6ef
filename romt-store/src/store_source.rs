//! Bytes from another store.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use romt_core::{
    Key, Location, Source, Store,
    ports::{
        ByteRange, Fetched, GetOptions, Object, ObjectVersion, OpenOptions, Opened, SourceError,
        SourceErrorKind, StoreError, Validator,
    },
};

/// What is in a [`Store`], such as another mirror's.
///
/// A path is a key, each of its segments
/// [escaped](Key::escape_segment) as in a mirror. What cannot be a key is not
/// there.
#[derive(Clone, Debug)]
pub struct StoreSource {
    store: Arc<dyn Store>,
    prefix: Option<Key>,
}

impl StoreSource {
    /// The source in `store`, below `prefix`.
    pub fn new(store: Arc<dyn Store>, prefix: Option<Key>) -> Self {
        Self { store, prefix }
    }

    fn key_of(&self, location: &Location) -> Result<Key, SourceError> {
        let Location::Path(path) = location else {
            let reason = "a store has no addresses";
            return Err(SourceError::new(SourceErrorKind::Refused, location, reason));
        };
        let segments: Vec<_> = path.split('/').map(Key::escape_segment).collect();
        let path = segments.join("/");
        let key = match &self.prefix {
            Some(prefix) => prefix.join(&path),
            None => path.parse(),
        };
        key.map_err(|error| {
            let reason = "nothing can be stored under that name";
            SourceError::new(SourceErrorKind::NotFound, location, reason).with_source(error)
        })
    }

    /// The object from `offset` on, if it still is what `validator` describes.
    async fn rest(
        &self,
        key: &Key,
        offset: u64,
        validator: &Validator,
    ) -> Result<Option<Object>, StoreError> {
        let range = ByteRange {
            start: offset,
            end: None,
        };
        match self.store.get_opts(key, range.into()).await {
            Ok(object) => {
                let same = validator_of(&object.meta.version).as_ref() == Some(validator);
                Ok((same && object.range.start == offset).then_some(object))
            }
            Err(StoreError::RangeNotSatisfiable { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn object(&self, key: &Key, options: &OpenOptions) -> Result<Object, StoreError> {
        if let Some(resume) = &options.resume
            && let Some(object) = self.rest(key, resume.offset, &resume.validator).await?
        {
            return Ok(object);
        }
        self.store.get_opts(key, GetOptions::default()).await
    }
}

fn validator_of(version: &ObjectVersion) -> Option<Validator> {
    Validator::new(&format!("store: {}", version.as_str()))
}

fn failed(error: StoreError, location: &Location) -> SourceError {
    let (kind, reason) = match &error {
        StoreError::NotFound { .. } => (SourceErrorKind::NotFound, "there is no such object"),
        StoreError::Refused { .. } => (SourceErrorKind::Refused, "it is no object"),
        _ => (SourceErrorKind::Failed, "the store failed"),
    };
    SourceError::new(kind, location, reason).with_source(error)
}

#[async_trait]
impl Source for StoreSource {
    async fn open(&self, location: &Location, options: OpenOptions) -> Result<Opened, SourceError> {
        let key = self.key_of(location)?;
        let object = self.object(&key, &options).await;
        let object = object.map_err(|error| failed(error, location))?;
        let validator = validator_of(&object.meta.version);
        if options.if_changed.is_some() && options.if_changed == validator {
            return Ok(Opened::Unchanged);
        }
        Ok(Opened::Body(Fetched {
            body: object.body,
            offset: object.range.start,
            size: Some(object.meta.size),
            validator,
        }))
    }

    async fn size(&self, location: &Location) -> Result<Option<u64>, SourceError> {
        let meta = self.store.head(&self.key_of(location)?).await;
        let meta = meta.map_err(|error| failed(error, location))?;
        Ok(Some(meta.size))
    }
}

impl fmt::Display for StoreSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Some(prefix) => write!(f, "{prefix} in {}", self.store),
            None => self.store.fmt(f),
        }
    }
}
