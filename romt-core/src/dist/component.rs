//! The files of components, here and wanted.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::StreamExt as _;

use super::{DistError, DistSession, SignaturePolicy, fetch::MAX_SIGNATURE};
use crate::{
    ErrorClass, Event, EventSink, Key, Sha256Digest, Sha256Hasher, StoreExt as _,
    layout::signature_beside,
    ports::{
        Check, Evidence, SignatureCheck, SignatureError, Store, StoreError, StreamError, Verified,
        Verifier, VerifyError,
    },
    progress::chain,
    sync::Failure,
    toolchain::{ComponentFile, ComponentName, TargetName},
};

/// The file of a component that belongs to what was asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wanted {
    /// The component, as the manifest calls it.
    pub component: ComponentName,
    /// The target; `None` if it is for all.
    pub target: Option<TargetName>,
    /// The file.
    pub file: ComponentFile,
}

impl Wanted {
    pub(super) fn new(
        component: &ComponentName,
        target: Option<&TargetName>,
        file: &ComponentFile,
    ) -> Self {
        Self {
            component: component.clone(),
            target: target.cloned(),
            file: file.clone(),
        }
    }
}

/// What became of components.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ComponentOutcome {
    /// How many are here and right.
    pub good: u64,
    /// How many of those were fetched.
    pub fetched: u64,
    /// How many bytes were fetched.
    pub bytes: u64,
    /// Those that are not here or not right, with the reasons.
    pub bad: Vec<Failure>,
}

impl ComponentOutcome {
    /// The gravest class among what is bad, or `None` if nothing is.
    pub fn class(&self) -> Option<ErrorClass> {
        let classes = self.bad.iter().map(|failure| failure.class);
        classes.reduce(ErrorClass::max)
    }
}

/// What there is of a component.
#[derive(Debug)]
pub(super) enum Found {
    /// Its bytes, with a good signature if one is required.
    Right,
    /// Nothing.
    Missing,
    /// Other bytes.
    Wrong(Sha256Digest),
    /// Its bytes, without a good signature although one is required.
    Unsigned(SignatureError),
    /// Something that cannot be read.
    Unreadable(StoreError),
}

impl Found {
    /// What is wrong, for people, and its class.
    pub(super) fn fault(
        &self,
        file: &str,
        expected: &Sha256Digest,
    ) -> Option<(ErrorClass, String)> {
        let name = file.rsplit('/').next().unwrap_or(file);
        match self {
            Self::Right => None,
            Self::Missing => Some((ErrorClass::Partial, format!("missing file {file}"))),
            Self::Wrong(got) => Some((
                ErrorClass::Integrity,
                format!("Bad hash for {name} (got {got}, expected {expected})"),
            )),
            Self::Unsigned(error) => Some((
                error.class(),
                format!("Signature failure for {file} using signature {file}.asc: {error}"),
            )),
            Self::Unreadable(error) => Some((error.class(), chain(error))),
        }
    }
}

impl DistSession {
    /// Reads a component that is here, and judges it by its digest and, if signatures
    /// are looked at, by the signature beside it. What is right survives a loss of
    /// power, if that is asked for.
    pub(super) async fn look_at(&self, wanted: &Wanted, keep: bool) -> Found {
        let key = self.mirror.layout.component(&wanted.file.path);
        let looker = Looker {
            store: self.mirror.store.clone(),
            signatures: self.options.signatures.clone(),
            events: self.events.clone(),
            file: self.mirror.layout.member(&key),
            key,
            expected: wanted.file.digest,
            keep,
        };
        let task = tokio::spawn(async move { looker.look().await });
        match task.await.expect("looking at a component does not panic") {
            Ok(found) => found,
            Err(error) => Found::Unreadable(error),
        }
    }

    /// Whether something is here for this component, and survives a loss of power.
    pub(super) async fn is_here(&self, wanted: &Wanted) -> Result<bool, DistError> {
        let key = self.mirror.layout.component(&wanted.file.path);
        match self.mirror.store.persist(&key).await {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Looks at one component, on whatever core is free.
struct Looker {
    store: Arc<dyn Store>,
    signatures: SignaturePolicy,
    events: Arc<dyn EventSink>,
    file: String,
    key: Key,
    expected: Sha256Digest,
    keep: bool,
}

impl Looker {
    async fn look(&self) -> Result<Found, StoreError> {
        let mut body = match self.store.get(&self.key).await {
            Ok(object) => object.body,
            Err(StoreError::NotFound { .. }) => return Ok(Found::Missing),
            Err(error) => return Err(error),
        };
        let mut signed = self.begin_signature().await?;
        let mut hasher = Sha256Hasher::new();
        while let Some(bytes) = body.next().await {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(StreamError::Store(error)) => return Err(*error),
                Err(error) => {
                    return Err(StoreError::Body {
                        key: self.key.clone(),
                        source: Box::new(error),
                    });
                }
            };
            hasher.update(&bytes);
            if let Some(Ok(check)) = &mut signed {
                check.update(&bytes);
            }
        }
        let judged = signed.map(|check| check.and_then(|check| check.finish(&hasher)));
        let digest = hasher.finish();
        if digest != self.expected {
            return Ok(Found::Wrong(digest));
        }
        match judged {
            Some(Err(error)) if self.signatures.is_required() => return Ok(Found::Unsigned(error)),
            Some(Err(error)) => self.events.emit(Event::Unverified {
                label: self.file.as_str().into(),
                reason: error.to_string(),
            }),
            _ => {}
        }
        if self.keep {
            self.store.persist(&self.key).await?;
        }
        Ok(Found::Right)
    }

    async fn begin_signature(
        &self,
    ) -> Result<Option<Result<Box<dyn SignatureCheck>, SignatureError>>, StoreError> {
        let Some(verifier) = self.signatures.verifier() else {
            return Ok(None);
        };
        let at = signature_beside(&self.key);
        let signature = match self.store.try_read(&at, MAX_SIGNATURE).await {
            Ok(found) => found,
            // What is too large to be one is none.
            Err(StoreError::Body { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Some(match signature {
            Some((_, signature)) => verifier.begin(&self.file, &signature),
            None => Err(SignatureError::missing(&self.file)),
        }))
    }
}

/// Trusts components that have the expected digest and, as far as that is asked for, a
/// good signature. The signatures are brought before the components.
pub(super) struct ComponentVerifier {
    policy: SignaturePolicy,
    events: Arc<dyn EventSink>,
    signatures: Mutex<HashMap<Sha256Digest, Option<Bytes>>>,
}

impl ComponentVerifier {
    pub(super) fn new(policy: &SignaturePolicy, events: &Arc<dyn EventSink>) -> Self {
        Self {
            policy: policy.clone(),
            events: events.clone(),
            signatures: Mutex::default(),
        }
    }

    /// Brings the signature of what has this digest.
    pub(super) fn bring(&self, digest: Sha256Digest, signature: Option<Bytes>) {
        let mut signatures = self
            .signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        signatures.insert(digest, signature);
    }
}

impl fmt::Debug for ComponentVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentVerifier")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ComponentVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHA-256")?;
        match self.policy.verifier() {
            Some(verifier) => write!(f, " and {verifier}"),
            None => Ok(()),
        }
    }
}

impl Verifier for ComponentVerifier {
    fn begin(&self, evidence: &Evidence) -> Result<Box<dyn Check>, VerifyError> {
        let signed = self.policy.verifier().map(|verifier| {
            let signatures = self
                .signatures
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match signatures.get(&evidence.digest) {
                Some(Some(signature)) => verifier.begin(&evidence.label, signature),
                _ => Err(SignatureError::missing(&*evidence.label)),
            }
        });
        let signed = match signed {
            // Nothing that comes can mend it.
            Some(Err(error)) if self.policy.is_required() => return Err(error.into()),
            signed => signed,
        };
        Ok(Box::new(ComponentCheck {
            evidence: evidence.clone(),
            hasher: Sha256Hasher::new(),
            signed,
            is_required: self.policy.is_required(),
            events: self.events.clone(),
        }))
    }
}

struct ComponentCheck {
    evidence: Evidence,
    hasher: Sha256Hasher,
    signed: Option<Result<Box<dyn SignatureCheck>, SignatureError>>,
    is_required: bool,
    events: Arc<dyn EventSink>,
}

impl Check for ComponentCheck {
    fn update(&mut self, bytes: &[u8]) -> Result<(), VerifyError> {
        let length = self.hasher.length().saturating_add(bytes.len() as u64);
        if length > self.evidence.size_limit {
            return Err(VerifyError::TooLarge {
                label: self.evidence.label.clone(),
                limit: self.evidence.size_limit,
            });
        }
        self.hasher.update(bytes);
        if let Some(Ok(check)) = &mut self.signed {
            check.update(bytes);
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Verified, VerifyError> {
        let size = self.hasher.length();
        let judged = self
            .signed
            .map(|check| check.and_then(|check| check.finish(&self.hasher)));
        let actual = self.hasher.finish();
        if actual != self.evidence.digest {
            return Err(VerifyError::Digest {
                label: self.evidence.label,
                expected: self.evidence.digest,
                actual,
                size,
            });
        }
        match judged {
            Some(Err(error)) if self.is_required => return Err(error.into()),
            Some(Err(error)) => self.events.emit(Event::Unverified {
                label: self.evidence.label,
                reason: error.to_string(),
            }),
            _ => {}
        }
        Ok(Verified::new(actual, size))
    }
}
