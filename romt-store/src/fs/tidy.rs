//! Removing directories that hold nothing any more.

use std::{io::ErrorKind, sync::Arc};

use romt_core::{Key, ports::StoreError};

use super::{
    Inner, blocking,
    error::FsError,
    tree::{self, check_not_own, parent_of},
};

/// Removes the directories above `key` and below `top` that are empty.
pub(super) async fn tidy(
    inner: &Arc<Inner>,
    key: &Key,
    top: Option<&Key>,
) -> Result<(), StoreError> {
    let wrong = inner.tree.error(key);
    check_not_own(key).map_err(&wrong)?;
    let this = Arc::clone(inner);
    let target = key.clone();
    let top = top.map_or_else(String::new, |top| top.as_str().to_owned());
    blocking(move || remove_empty(&this, &target, &top))
        .await
        .map_err(&wrong)
}

fn remove_empty(inner: &Inner, key: &Key, top: &str) -> Result<(), FsError> {
    // A put that has made a directory must find it there.
    let _alone = inner.publishing_alone();
    let mut at = parent_of(key.as_str());
    while at.len() > top.len() && at.starts_with(top) {
        let above = parent_of(at);
        let dir = match inner.tree.directory(above) {
            Ok(dir) => dir,
            Err(FsError::NotFound | FsError::BelowFile) => return Ok(()),
            Err(error) => return Err(error),
        };
        match dir.remove_dir(tree::name_of(at)) {
            Ok(()) => inner.flusher.forget(key),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => {}
                ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory => return Ok(()),
                _ => return Err(FsError::io("remove the empty directory of")(error)),
            },
        }
        at = above;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use romt_core::{Key, Store as _, StoreExt as _};

    use crate::FsStore;

    #[tokio::test]
    async fn statement_30_empty_directories_go_up_to_the_top() {
        let scratch = tempfile::tempdir().unwrap();
        let store = FsStore::open(scratch.path()).unwrap();
        let key = |text: &str| text.parse::<Key>().unwrap();
        let (one, other) = (key("crates/se/rd/serde/a"), key("crates/se/rx/x/b"));
        for key in [&one, &other] {
            store.put(key, "x".as_bytes()).await.unwrap();
        }
        store.delete(&one).await.unwrap();
        store.tidy(&one, Some(&key("crates"))).await.unwrap();
        assert!(!scratch.path().join("crates/se/rd").exists());
        assert!(scratch.path().join("crates/se/rx/x/b").is_file());
        store.delete(&other).await.unwrap();
        store.tidy(&other, Some(&key("crates"))).await.unwrap();
        assert!(scratch.path().join("crates").is_dir());
        assert!(!scratch.path().join("crates/se").exists());
        // What was tidied away can be made anew, and stays.
        store.put(&one, "x".as_bytes()).await.unwrap();
        assert!(store.head(&one).await.is_ok());
        store.delete(&one).await.unwrap();
        store.tidy(&one, None).await.unwrap();
        assert!(!scratch.path().join("crates").exists());
    }
}
