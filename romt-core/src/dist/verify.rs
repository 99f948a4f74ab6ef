//! Reading and judging what is here of a release.

use futures::{StreamExt as _, stream};

use super::{
    ComponentOutcome, DistError, DistSession, Wanted, component::Found, fetch::MAX_SHA256_FILE,
};
use crate::{
    ErrorClass, Event, digest_file::parse_sha256_file, layout::sha256_beside, progress::chain,
    sync::Failure,
};

impl DistSession {
    /// Reads all of `wanted` and judges it by the manifest, by the digest file beside
    /// it and, if signatures are looked at, by its signature. Looks at everything,
    /// whatever it finds.
    ///
    /// Where no signatures are looked at, a component that this very session has hashed
    /// is not read again unless it has changed since: on its way out of an archive, say.
    pub async fn verify(&self, wanted: &[Wanted]) -> Result<ComponentOutcome, DistError> {
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        let mut looks = stream::iter(wanted)
            .map(|wanted| async move {
                let found = match self.is_judged(wanted).await {
                    Ok(true) => Found::Right,
                    // If it cannot even be looked for, reading it says why.
                    Ok(false) | Err(_) => self.look_at(wanted, false).await,
                };
                (wanted, self.judge_found(wanted, &found).await)
            })
            .buffered(cores * 2)
            .boxed();
        let mut outcome = ComponentOutcome::default();
        while let Some((wanted, fault)) = looks.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(DistError::Cancelled);
            }
            let label = self.label(wanted);
            let Some((class, reason)) = fault else {
                outcome.good += 1;
                self.events.emit(Event::AlreadyPresent { label });
                continue;
            };
            self.events.emit(Event::Failed {
                label: label.clone(),
                class,
                reason: reason.clone(),
            });
            outcome.bad.push(Failure::new(label, class, reason));
        }
        Ok(outcome)
    }

    /// What is wrong with a component, or with the digest file beside it.
    async fn judge_found(&self, wanted: &Wanted, found: &Found) -> Option<(ErrorClass, String)> {
        let key = self.mirror.layout.component(&wanted.file.path);
        let file = self.mirror.layout.member(&key);
        if let Some(fault) = found.fault(&file, &wanted.file.digest) {
            return Some(fault);
        }
        let text = match self.read_small(&sha256_beside(&key), MAX_SHA256_FILE).await {
            Ok(Some(text)) => text,
            Ok(None) => {
                return Some((ErrorClass::Partial, format!("missing file {file}.sha256")));
            }
            Err(error) => return Some((error.class(), chain(&error))),
        };
        match parse_sha256_file(&text) {
            Ok(digest) if digest == wanted.file.digest => None,
            Ok(digest) => Some((
                ErrorClass::Integrity,
                format!(
                    "{file}.sha256 says {digest}, and the manifest {}",
                    wanted.file.digest
                ),
            )),
            Err(error) => Some((ErrorClass::Refused, format!("{file}.sha256: {error}"))),
        }
    }
}
