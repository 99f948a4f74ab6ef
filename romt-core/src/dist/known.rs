//! What a session knows of components without reading them again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{DistError, DistSession, Wanted};
use crate::{
    Key, Sha256Digest, StoreExt as _,
    ports::{ObjectMeta, ObjectVersion},
};

/// Objects that this session has hashed, from their first byte to their last.
///
/// The session has the right to write all the while, and the version tells if somebody
/// without it has changed one meanwhile.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<Key, (ObjectVersion, Sha256Digest)>>);

impl Known {
    /// Takes note that the object `meta` has this digest and is durable.
    pub(super) fn note(&self, meta: ObjectMeta, digest: Sha256Digest) {
        self.lock().insert(meta.key, (meta.version, digest));
    }

    /// The version of the object at `key` that was seen to have this digest.
    fn version(&self, key: &Key, digest: &Sha256Digest) -> Option<ObjectVersion> {
        let known = self.lock();
        let (version, seen) = known.get(key)?;
        (seen == digest).then(|| version.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (ObjectVersion, Sha256Digest)>> {
        // Nothing is left half done where this is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DistSession {
    /// Whether this session has judged all of a component that is here: hashed it, and
    /// nothing more is asked for. A signature is judged with the bytes, in their place.
    pub(super) async fn is_judged(&self, wanted: &Wanted) -> Result<bool, DistError> {
        if self.options.signatures.verifier().is_some() {
            return Ok(false);
        }
        let key = self.mirror.layout.component(&wanted.file.path);
        let Some(version) = self.known.version(&key, &wanted.file.digest) else {
            return Ok(false);
        };
        let now = self.mirror.store.try_head(&key).await?;
        Ok(now.is_some_and(|meta| meta.version == version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_digest_and_by_no_other() {
        let (key, other): (Key, Key) = ("a".parse().unwrap(), "b".parse().unwrap());
        let (digest, wrong) = (Sha256Digest::of("a"), Sha256Digest::of("b"));
        let known = Known::default();
        assert_eq!(known.version(&key, &digest), None);
        let version = ObjectVersion::new("1");
        known.note(ObjectMeta::new(key.clone(), 1, version.clone()), digest);
        assert_eq!(known.version(&key, &digest), Some(version));
        assert_eq!(known.version(&key, &wrong), None);
        assert_eq!(known.version(&other, &digest), None);
    }
}
