//! What was deleted a moment ago.
//!
//! A client that read the index just before a crate was hidden asks for the crate just
//! after. So a crate that is deleted stays for a while where only a server looks, and
//! only once it is not at its place.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt as _;

use super::{FullError, Session};
use crate::{CrateName, Key, Sha256Digest, Version};

/// How long a deleted crate can be had at least; twice that at most, if anything is
/// published in between.
const GRACE: Duration = Duration::from_mins(10);

/// Where a crate may be that was deleted: by the time of its deletion, the latest
/// first.
pub fn leaving(name: &CrateName, version: &Version, now: SystemTime) -> [Key; 2] {
    let what = Sha256Digest::of(format!("{name}@{version}"));
    slots(now).map(|slot| {
        let key = format!("{}/{slot}/{what}", root());
        key.parse().expect("a number and a digest make a valid key")
    })
}

/// The times for which something is kept, the latest first.
fn slots(now: SystemTime) -> [u64; 2] {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let slot = since.as_secs() / GRACE.as_secs();
    [slot, slot.saturating_sub(1)]
}

fn root() -> Key {
    ".romt/leaving".parse().expect("a constant")
}

impl Session {
    /// Keeps a crate that is about to be deleted. What cannot be kept is not: who
    /// deletes may do so for want of room.
    pub(super) async fn let_go(&self, name: &CrateName, version: &Version) {
        let [to, _] = leaving(name, version, SystemTime::now());
        let from = self.mirror.layout.crate_file(name, version);
        let kept = self
            .mirror
            .store
            .copy_opts(&from, &to, <_>::default())
            .await;
        if let Err(error) = kept {
            tracing::debug!(%from, %error, "a deleted crate is gone at once");
        }
    }

    /// Removes what left long enough ago.
    pub(super) async fn sweep_leaving(&self) -> Result<(), FullError> {
        let (store, root) = (&self.mirror.store, root());
        let kept = slots(SystemTime::now()).map(|slot| format!("{root}/{slot}/"));
        let mut left = store.list(Some(&root));
        let mut keys = Vec::new();
        while let Some(object) = left.next().await {
            let key = object?.key;
            if !kept.iter().any(|slot| key.as_str().starts_with(slot)) {
                keys.push(key);
            }
        }
        for key in keys {
            store.delete(&key).await?;
            store.tidy(&key, Some(&root)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_is_found_for_ten_minutes() {
        let (name, version) = ("serde".parse().unwrap(), "1.0.0".parse().unwrap());
        let left = UNIX_EPOCH + Duration::from_secs(1_800_000_599);
        let [key, _] = leaving(&name, &version, left);
        for (later, is_there) in [(0, true), (1, true), (600, true), (601, false)] {
            let now = left + Duration::from_secs(later);
            let is_found = leaving(&name, &version, now).contains(&key);
            assert_eq!(is_found, is_there, "{later} seconds later");
        }
    }
}
