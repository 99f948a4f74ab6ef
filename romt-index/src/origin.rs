//! Where a mirror's crates come from, for people to read.

use bytes::Bytes;
use romt_core::{Key, Store, StoreExt as _, ports::StoreError};

/// The longest address, in bytes.
const MAX_LENGTH: u64 = 4096;

/// Notes that `store` was last fed from `upstream`, if anybody may be told.
pub(crate) async fn note(store: &dyn Store, upstream: &str) -> Result<(), StoreError> {
    let Some(origin) = public_origin(upstream) else {
        return Ok(());
    };
    if read(store).await?.as_ref() != Some(&origin) {
        store.put(&key(), Bytes::from(origin)).await?;
    }
    Ok(())
}

/// What was noted.
pub(crate) async fn read(store: &dyn Store) -> Result<Option<String>, StoreError> {
    let bytes = match store.try_read(&key(), MAX_LENGTH).await {
        Ok(found) => found.map(|(_, bytes)| bytes),
        // A note that is too long is none.
        Err(StoreError::Body { .. }) => None,
        Err(error) => return Err(error),
    };
    let text = bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
    Ok(text.as_deref().and_then(public_origin))
}

fn key() -> Key {
    ".romt/upstream/last"
        .parse()
        .expect("a constant key is valid")
}

/// `url` if it is one that anybody may be told: neither a path of this machine nor
/// one with a password in it.
pub(crate) fn public_origin(url: &str) -> Option<String> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split('/').next().unwrap_or_default();
    let is_plain = !host.is_empty() && !host.contains('@') && !rest.contains(['?', '#']);
    is_plain.then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_told_without_secrets() {
        let open = "https://mirror.example/crates.io-index";
        assert_eq!(public_origin(open).as_deref(), Some(open));
        for secret in [
            "https://user:password@mirror.example/index",
            "https://token@mirror.example/index",
            "https://mirror.example/index?token=x",
            "/srv/upstream",
            "git@mirror.example:index",
            "ssh://mirror.example/index",
            "https:///index",
        ] {
            assert_eq!(public_origin(secret), None, "{secret}");
        }
    }

    #[tokio::test]
    async fn what_may_be_told_is_noted_and_read() {
        let store = romt_store::MemoryStore::new();
        assert_eq!(read(&store).await.unwrap(), None);
        note(&store, "/home/somebody/.cargo").await.unwrap();
        assert_eq!(read(&store).await.unwrap(), None);
        for origin in ["http://a.example/index/", "https://b.example/"] {
            note(&store, origin).await.unwrap();
            assert_eq!(read(&store).await.unwrap().as_deref(), Some(origin));
        }
        let long = format!("https://{}/", "x".repeat(5000));
        store.put(&key(), Bytes::from(long)).await.unwrap();
        assert_eq!(read(&store).await.unwrap(), None);
    }
}
