//! What is made anew now and then, behind the backs of those who ask for it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::answer::Refusal;

/// How long those wait for something new who could have the old.
const GRACE: Duration = Duration::from_millis(250);

/// How much longer a value is kept than it took to make.
const RATIO: u32 = 20;

/// A value that may cost a while to make. It is made when somebody asks and what
/// there is is old: at once for who has nothing, and else in the background. The
/// longer it takes the longer it is kept, so that it never costs more than a
/// twentieth of the time.
#[derive(Debug)]
pub(crate) struct Refreshed<T> {
    state: Mutex<State<T>>,
    making: tokio::sync::Mutex<()>,
    /// How long a value is kept at least.
    least: Duration,
}

#[derive(Debug)]
struct State<T> {
    value: Option<Arc<T>>,
    /// From when on the value is old.
    due: Option<Instant>,
}

impl<T: Send + Sync + 'static> Refreshed<T> {
    pub(crate) fn new(least: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                value: None,
                due: None,
            }),
            making: tokio::sync::Mutex::new(()),
            least,
        })
    }

    /// The value, which `make` makes of the one before if need be.
    pub(crate) async fn get<F, M>(self: &Arc<Self>, make: M) -> Result<Arc<T>, Refusal>
    where
        M: FnOnce(Option<Arc<T>>) -> F + Send + 'static,
        F: Future<Output = Result<Arc<T>, Refusal>> + Send,
    {
        match self.look(make) {
            Look::Fresh(value) | Look::Old(value, None) => Ok(value),
            Look::Old(value, Some(making)) => Ok(settled(making).await.unwrap_or(value)),
            // Only a panic or the end of the runtime can fail it.
            Look::Nothing(making) => making.await.unwrap_or(Err(Refusal::Unavailable)),
        }
    }

    /// The value, if it is there or takes no time.
    pub(crate) async fn glance<F, M>(self: &Arc<Self>, make: M) -> Option<Arc<T>>
    where
        M: FnOnce(Option<Arc<T>>) -> F + Send + 'static,
        F: Future<Output = Result<Arc<T>, Refusal>> + Send,
    {
        if self.state().value.is_none() && self.making.try_lock().is_err() {
            // Somebody waits for it already, and it is not soon done.
            return None;
        }
        match self.look(make) {
            Look::Fresh(value) | Look::Old(value, None) => Some(value),
            Look::Old(value, Some(making)) => Some(settled(making).await.unwrap_or(value)),
            Look::Nothing(making) => settled(making).await,
        }
    }

    fn look<F, M>(self: &Arc<Self>, make: M) -> Look<T>
    where
        M: FnOnce(Option<Arc<T>>) -> F + Send + 'static,
        F: Future<Output = Result<Arc<T>, Refusal>> + Send,
    {
        let state = self.state();
        match &state.value {
            Some(value) if !state.is_due() => Look::Fresh(value.clone()),
            Some(value) if self.making.try_lock().is_err() => Look::Old(value.clone(), None),
            Some(value) => Look::Old(value.clone(), Some(self.begin(make))),
            None => Look::Nothing(self.begin(make)),
        }
    }

    fn begin<F, M>(self: &Arc<Self>, make: M) -> JoinHandle<Result<Arc<T>, Refusal>>
    where
        M: FnOnce(Option<Arc<T>>) -> F + Send + 'static,
        F: Future<Output = Result<Arc<T>, Refusal>> + Send,
    {
        let this = self.clone();
        tokio::spawn(async move {
            let _turn = this.making.lock().await;
            // Whoever had the turn before may have done it.
            let before = {
                let state = this.state();
                match &state.value {
                    Some(value) if !state.is_due() => return Ok(value.clone()),
                    value => value.clone(),
                }
            };
            let begun = Instant::now();
            let value = make(before).await;
            this.note(value, begun.elapsed())
        })
    }

    fn note(&self, made: Result<Arc<T>, Refusal>, cost: Duration) -> Result<Arc<T>, Refusal> {
        let mut state = self.state();
        state.due = Some(Instant::now() + self.least.max(cost * RATIO));
        let made = made?;
        state.value = Some(made.clone());
        Ok(made)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn is_due(&self) -> bool {
        self.due.is_none_or(|due| Instant::now() >= due)
    }
}

enum Look<T> {
    Fresh(Arc<T>),
    /// An old value, and whoever makes a new one if nobody did already.
    Old(Arc<T>, Option<JoinHandle<Result<Arc<T>, Refusal>>>),
    Nothing(JoinHandle<Result<Arc<T>, Refusal>>),
}

/// What is being made, if that is soon done.
async fn settled<T>(making: JoinHandle<Result<Arc<T>, Refusal>>) -> Option<Arc<T>> {
    match timeout(GRACE, making).await {
        Ok(Ok(made)) => made.ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn slow(number: u32) -> Result<Arc<u32>, Refusal> {
        tokio::time::sleep(Duration::from_millis(400)).await;
        Ok(Arc::new(number))
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_an_old_value_does_not_wait_for_the_new() {
        let value = Refreshed::new(Duration::ZERO);
        assert_eq!(value.glance(|_| slow(1)).await, None, "it takes too long");
        let begun = Instant::now();
        assert_eq!(value.glance(|_| slow(9)).await, None);
        assert!(begun.elapsed() < GRACE / 2, "nobody waits twice");
        assert_eq!(*value.get(|_| slow(2)).await.unwrap(), 1, "once is enough");
        value.state().due = None;
        let begun = Instant::now();
        assert_eq!(*value.get(|_| slow(3)).await.unwrap(), 1);
        assert!(begun.elapsed() < Duration::from_millis(390));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(*value.get(|_| slow(4)).await.unwrap(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_have_it_made_once() {
        let value = Refreshed::new(Duration::from_mins(1));
        let made = Arc::new(AtomicU32::new(0));
        let asked = (0..50).map(|_| {
            let made = made.clone();
            value.get(move |_| async move {
                made.fetch_add(1, Ordering::Relaxed);
                slow(7).await
            })
        });
        for answer in futures::future::join_all(asked).await {
            assert_eq!(*answer.unwrap(), 7);
        }
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_tried_again_and_takes_nothing_away() {
        let value: Arc<Refreshed<u32>> = Refreshed::new(Duration::ZERO);
        let fail = |_| async { Err(Refusal::Unavailable) };
        assert_eq!(value.get(fail).await, Err(Refusal::Unavailable));
        let one = |_| async { Ok(Arc::new(1)) };
        assert_eq!(*value.get(one).await.unwrap(), 1);
        value.state().due = None;
        assert_eq!(*value.get(fail).await.unwrap(), 1);
    }
}
