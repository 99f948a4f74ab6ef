//! Fetching the components of a release.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use super::{
    ComponentOutcome, DistError, DistSession, Wanted,
    component::{ComponentVerifier, Found},
    fetch::{MAX_SHA256_FILE, MAX_SIGNATURE},
};
use crate::{
    Artifact, ErrorClass, Event, Location, Source, StoreExt as _,
    digest_file::sha256_file,
    layout::{sha256_beside, signature_beside},
    progress::chain,
    sync::{Engine, EngineOptions, Failure},
};

/// What is fetched with a component.
struct Order {
    wanted: Wanted,
    signature: Option<Bytes>,
    size: Option<u64>,
}

impl DistSession {
    /// Fetches what is not here of `wanted`, with digest files and signatures.
    ///
    /// What is here is read and judged first, unless the options say that being here
    /// is enough. One that fails is reported, and the others go on.
    ///
    /// # Errors
    ///
    /// If the store fails, or has no room for what is to be fetched.
    pub async fn download(
        &mut self,
        source: Arc<dyn Source>,
        wanted: &[Wanted],
    ) -> Result<ComponentOutcome, DistError> {
        self.begin_writing().await?;
        let mut outcome = ComponentOutcome::default();
        let lacking = self.lacking(wanted, &mut outcome).await?;
        let orders = self.prepare(&source, lacking, &mut outcome).await?;
        self.check_room(&orders).await?;
        self.fetch_orders(source, orders, &mut outcome).await?;
        Ok(outcome)
    }

    /// Those of `wanted` that are not here, or not right.
    async fn lacking(
        &self,
        wanted: &[Wanted],
        outcome: &mut ComponentOutcome,
    ) -> Result<Vec<Wanted>, DistError> {
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        let mut looks = stream::iter(wanted)
            .map(|wanted| async move {
                if self.options.assume_ok {
                    let here = self.has_all(wanted).await?;
                    return Ok((wanted, if here { Found::Right } else { Found::Missing }));
                }
                let found = self.look_at(wanted, true).await;
                Ok::<_, DistError>((wanted, found))
            })
            .buffered(cores * 2)
            .boxed();
        let mut lacking = Vec::new();
        while let Some(looked) = looks.next().await {
            if self.options.cancel.is_cancelled() {
                return Err(DistError::Cancelled);
            }
            let (wanted, found) = looked?;
            match found {
                Found::Right => {
                    outcome.good += 1;
                    let label = self.label(wanted);
                    self.events.emit(Event::AlreadyPresent { label });
                }
                Found::Unreadable(error) => return Err(error.into()),
                Found::Wrong(got) => {
                    self.refuse_to_replace(wanted, got).await?;
                    lacking.push(wanted.clone());
                }
                Found::Missing | Found::Unsigned(_) => lacking.push(wanted.clone()),
            }
        }
        drop(looks);
        self.complete(wanted, &lacking).await?;
        Ok(lacking)
    }

    /// Whether a component and all that belongs beside it are here.
    async fn has_all(&self, wanted: &Wanted) -> Result<bool, DistError> {
        let key = self.mirror.layout.component(&wanted.file.path);
        let mut beside = vec![sha256_beside(&key)];
        if self.options.signatures.verifier().is_some() {
            beside.push(signature_beside(&key));
        }
        for key in beside {
            if self.mirror.store.try_head(&key).await?.is_none() {
                return Ok(false);
            }
        }
        self.is_here(wanted).await
    }

    /// A component that is what its digest file says was meant by somebody: another
    /// release, whose manifest says so.
    pub(super) async fn refuse_to_replace(
        &self,
        wanted: &Wanted,
        got: crate::Sha256Digest,
    ) -> Result<(), DistError> {
        let key = self.mirror.layout.component(&wanted.file.path);
        if self.options.signatures.is_required() || self.digest_beside(&key).await? != Some(got) {
            return Ok(());
        }
        Err(DistError::Changed {
            file: self.mirror.layout.member(&key),
            here: got,
            came: wanted.file.digest,
        })
    }

    /// Puts the digest files beside those that are here, should they be missing.
    async fn complete(&self, wanted: &[Wanted], lacking: &[Wanted]) -> Result<(), DistError> {
        let lacking: std::collections::HashSet<_> =
            lacking.iter().map(|wanted| &wanted.file.path).collect();
        for wanted in wanted {
            if !lacking.contains(&wanted.file.path) {
                self.put_digest_file(wanted).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn put_digest_file(&self, wanted: &Wanted) -> Result<(), DistError> {
        let key = self.mirror.layout.component(&wanted.file.path);
        if self.digest_beside(&key).await? == Some(wanted.file.digest) {
            return Ok(());
        }
        let text = sha256_file(wanted.file.digest, key.file_name());
        self.put_unless_same(&sha256_beside(&key), text.into(), MAX_SHA256_FILE)
            .await
    }

    /// Asks for the signatures and the sizes of what is to be fetched.
    async fn prepare(
        &self,
        source: &Arc<dyn Source>,
        lacking: Vec<Wanted>,
        outcome: &mut ComponentOutcome,
    ) -> Result<Vec<Order>, DistError> {
        let mut asked = stream::iter(lacking)
            .map(|wanted| async move {
                let signature = self.ask_signature(&**source, &wanted).await;
                let size = self.ask_size(&**source, &wanted).await;
                (wanted, signature, size)
            })
            .buffered(self.options.jobs);
        let mut orders = Vec::new();
        while let Some((wanted, signature, size)) = asked.next().await {
            match signature {
                Ok(_) if size.is_some_and(|size| size > self.options.component_size_limit) => {
                    let limit = self.options.component_size_limit;
                    let size = size.unwrap_or_default();
                    let reason = format!(
                        "upstream says that it has {size} bytes, more than the limit of {limit}"
                    );
                    self.note_bad(&wanted, ErrorClass::Refused, reason, outcome);
                }
                Ok(signature) => orders.push(Order {
                    wanted,
                    signature,
                    size,
                }),
                Err(DistError::Cancelled) => return Err(DistError::Cancelled),
                Err(error) => self.note_bad(&wanted, error.class(), chain(&error), outcome),
            }
        }
        Ok(orders)
    }

    async fn ask_signature(
        &self,
        source: &dyn Source,
        wanted: &Wanted,
    ) -> Result<Option<Bytes>, DistError> {
        if self.options.signatures.verifier().is_none() {
            return Ok(None);
        }
        let path = format!("{}.asc", wanted.file.path.as_str());
        self.fetch_file(source, &path, MAX_SIGNATURE).await
    }

    /// How large a component is, if upstream says so. What it says is a claim.
    async fn ask_size(&self, source: &dyn Source, wanted: &Wanted) -> Option<u64> {
        let location: Location = wanted.file.path.as_str().parse().ok()?;
        source.size(&location).await.ok().flatten()
    }

    /// M-11: better now than half-way.
    async fn check_room(&self, orders: &[Order]) -> Result<(), DistError> {
        let store = &self.mirror.store;
        // What upstream says of sizes may be anything.
        let sizes = orders.iter().filter_map(|order| order.size);
        let needed = sizes.fold(0, u64::saturating_add);
        self.events.emit(Event::Planned {
            artifacts: orders.len() as u64,
            to_fetch: orders.len() as u64,
            known_bytes: needed,
            unknown_sizes: orders.iter().filter(|order| order.size.is_none()).count() as u64,
        });
        match store.free_space().await? {
            Some(free) if free < needed => Err(DistError::NoRoom {
                store: store.to_string(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }

    async fn fetch_orders(
        &self,
        source: Arc<dyn Source>,
        orders: Vec<Order>,
        outcome: &mut ComponentOutcome,
    ) -> Result<(), DistError> {
        let verifier = ComponentVerifier::new(&self.options.signatures, &self.events);
        let mut artifacts = Vec::new();
        let mut by_key = std::collections::HashMap::new();
        for order in orders {
            let file = &order.wanted.file;
            let key = self.mirror.layout.component(&file.path);
            let location = file.path.as_str().parse();
            let Ok(location) = location else {
                let reason = "its path is no location".to_owned();
                self.note_bad(&order.wanted, ErrorClass::Bug, reason, outcome);
                continue;
            };
            // Before the component: whoever finds that has them too.
            verifier.bring(file.digest, order.signature.clone());
            let label = self.label(&order.wanted);
            let artifact = Artifact::new(label, key.clone(), file.digest, location);
            artifacts.push(artifact.with_size(order.size));
            by_key.insert(key, order);
        }
        let options = EngineOptions::new(
            self.options.jobs,
            self.options.retry.clone(),
            self.options.component_size_limit,
        )
        .without_sizes();
        let store = self.mirror.store.clone();
        let engine = Engine::new(source, store, Arc::new(verifier), options);
        let plan = stream::iter(artifacts);
        let fetched = engine.run(plan, &self.events, &self.options.cancel).await;
        if fetched.cancelled {
            return Err(DistError::Cancelled);
        }
        for (artifact, failure) in fetched.failed {
            if fetched.stopped && failure.class == ErrorClass::Storage {
                return Err(DistError::StoreStopped { failure });
            }
            by_key.remove(&artifact.key);
            outcome.bad.push(failure);
        }
        for order in by_key.values() {
            self.put_beside(order).await?;
        }
        outcome.fetched += fetched.fetched;
        outcome.good += fetched.fetched + fetched.present;
        outcome.bytes += fetched.bytes;
        Ok(())
    }

    async fn put_beside(&self, order: &Order) -> Result<(), DistError> {
        let key = self.mirror.layout.component(&order.wanted.file.path);
        if let Some(signature) = &order.signature {
            let at = signature_beside(&key);
            self.put_unless_same(&at, signature.clone(), MAX_SIGNATURE)
                .await?;
        }
        self.put_digest_file(&order.wanted).await
    }

    fn note_bad(
        &self,
        wanted: &Wanted,
        class: ErrorClass,
        reason: String,
        outcome: &mut ComponentOutcome,
    ) {
        let label = self.label(wanted);
        self.events.emit(Event::Failed {
            label: label.clone(),
            class,
            reason: reason.clone(),
        });
        outcome.bad.push(Failure::new(label, class, reason));
    }

    /// What a component is called in events and messages: its path in the mirror.
    pub(super) fn label(&self, wanted: &Wanted) -> Arc<str> {
        let layout = self.mirror.layout;
        layout.member(&layout.component(&wanted.file.path)).into()
    }
}
