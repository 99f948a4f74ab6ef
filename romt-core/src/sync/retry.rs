//! The one policy by which things are tried again.

use std::{hash::BuildHasher, time::Duration};

use crate::{Event, EventSink, ports::SourceError};

/// How often and after which waits a failed request is made again.
///
/// Only failures that may pass are tried again: connections that break, stalls,
/// 5xx and 429. What is absent or forbidden is believed at once.
///
/// # Defaults
///
/// Four attempts; waits of up to 0.5 s, doubling to at most 10 s, each drawn at
/// random from zero upwards so that many clients do not return together. A
/// `Retry-After` is honoured up to 120 s.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// How many attempts are made in all; at least 1.
    pub attempts: u32,
    /// The longest wait before the second attempt.
    pub first_wait: Duration,
    /// The longest wait before any attempt.
    pub longest_wait: Duration,
    /// The longest wait that a source may ask for.
    pub longest_asked: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            longest_asked: Duration::from_mins(2),
        }
    }
}

impl RetryPolicy {
    /// Sets how many attempts are made in all; at least 1.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets the longest wait before the second attempt.
    #[must_use]
    pub fn with_first_wait(mut self, wait: Duration) -> Self {
        self.first_wait = wait;
        self
    }

    /// How long to wait after `failed` attempts, the last of which ended in
    /// `error`, or `None` if there is to be no other.
    pub fn wait_after(&self, failed: u32, error: &SourceError) -> Option<Duration> {
        if !error.is_transient() || failed >= self.attempts {
            return None;
        }
        if let Some(asked) = error.retry_after() {
            return (asked <= self.longest_asked).then_some(asked);
        }
        let doubled = self
            .first_wait
            .saturating_mul(1 << failed.clamp(1, 16).saturating_sub(1));
        Some(doubled.min(self.longest_wait).mul_f64(random_fraction()))
    }

    /// Makes attempts at `label` until one succeeds or there are to be no more.
    pub async fn run<T, F>(
        &self,
        label: &str,
        events: &dyn EventSink,
        mut attempt: impl FnMut() -> F + Send,
    ) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, SourceError>> + Send,
        T: Send,
    {
        let mut failed = 0;
        loop {
            let error = match attempt().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failed += 1;
            let Some(wait) = self.wait_after(failed, &error) else {
                return Err(error);
            };
            events.emit(Event::Retrying {
                label: label.into(),
                reason: error.reason().to_owned(),
                wait,
            });
            tokio::time::sleep(wait).await;
        }
    }
}

/// A number from 0 to 1. Any randomness will do here; that of the standard
/// library's hash maps is at hand.
fn random_fraction() -> f64 {
    let random = std::hash::RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::ports::SourceErrorKind;

    fn error(kind: SourceErrorKind) -> SourceError {
        SourceError::new(kind, "x", "it failed")
    }

    #[test]
    fn hostile_u10_what_is_absent_or_forbidden_is_believed_at_once() {
        let policy = RetryPolicy::default();
        for kind in [
            SourceErrorKind::NotFound,
            SourceErrorKind::Denied,
            SourceErrorKind::Refused,
            SourceErrorKind::Failed,
        ] {
            assert_eq!(policy.wait_after(1, &error(kind)), None);
        }
    }

    #[test]
    fn waits_grow_within_bounds() {
        let policy = RetryPolicy::default().with_attempts(100);
        for failed in 1..100 {
            let wait = policy
                .wait_after(failed, &error(SourceErrorKind::Transient))
                .unwrap();
            assert!(wait <= policy.longest_wait);
            assert!(failed > 1 || wait <= policy.first_wait);
        }
    }

    #[test]
    fn hostile_u11_retry_after_is_honoured_within_reason() {
        let policy = RetryPolicy::default();
        let asked = |seconds| {
            let wait = Some(Duration::from_secs(seconds));
            policy.wait_after(1, &error(SourceErrorKind::Transient).with_retry_after(wait))
        };
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(3650 * 86_400), None);
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_counted() {
        let made = AtomicU32::new(0);
        let attempt = || async {
            made.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(error(SourceErrorKind::Transient))
        };
        let result = RetryPolicy::default().run("x", &(), attempt).await;
        assert!(result.is_err());
        assert_eq!(made.load(Ordering::SeqCst), 4);
    }
}
