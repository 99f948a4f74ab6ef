//! One at a time for each name.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Lets those who come for the same thing pass one after the other, and all
/// others at once.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Box<str>, Weak<Turn<()>>>>);

impl Turns {
    /// Waits for the turn at `name`, which ends when what is returned is dropped.
    pub(crate) async fn take(&self, name: &str) -> OwnedMutexGuard<()> {
        self.turn(name).lock_owned().await
    }

    fn turn(&self, name: &str) -> Arc<Turn<()>> {
        // Nothing panics while it holds the lock.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        // There are never more in use than there are connections.
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(name.into(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn only_those_of_the_same_name_wait() {
        let turns = Turns::default();
        let first = turns.take("a").await;
        drop(turns.take("b").await);
        let wait = Duration::from_millis(20);
        let second = tokio::time::timeout(wait, turns.take("a")).await;
        assert!(second.is_err(), "it is still taken");
        drop(first);
        drop(turns.take("a").await);
        drop(turns.take("c").await);
        assert_eq!(turns.0.lock().unwrap().len(), 1, "the past is forgotten");
    }
}
