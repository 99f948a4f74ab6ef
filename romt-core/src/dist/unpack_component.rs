//! Taking the components of releases out of an archive.

use bytes::Bytes;

use super::{
    DistError, DistSession, Wanted,
    component::Found,
    fetch::{MAX_SHA256_FILE, MAX_SIGNATURE, parse_digest},
    unpack::{Known, Unpacking},
};
use crate::{
    Event, Key, StoreExt as _,
    layout::{sha256_beside, signature_beside},
    ports::{Body, Evidence, PutOptions, Sha256Verifier, StoreError, StreamError, Verifier as _},
    transfer::FedFile,
};

/// How many small files wait to be put beside components.
const BESIDE: usize = 128;

impl DistSession {
    /// Takes a component and what is beside it.
    pub(super) async fn take_component(
        &self,
        unpacking: &mut Unpacking,
        known: Known,
        file: FedFile,
    ) -> Result<(), DistError> {
        let wanted = &known.wanted;
        let (member, place) = (file.entry.path.clone(), file.entry.place.clone());
        let limit = self.options.component_size_limit;
        if file.entry.size > limit {
            let reason = format!("it has more bytes than the limit of {limit} for a component");
            return Err(unpacking.refused(&place, reason));
        }
        let key = self.mirror.layout.component(&wanted.file.path);
        let before = self.place(unpacking, wanted, file).await?;
        let is_new = before != Before::Here;
        if before == Before::Nothing {
            unpacking.placed.push(key.clone());
        }
        let mut has_digest_file = false;
        while let Some(file) = unpacking.next_file().await? {
            match file.entry.path.strip_prefix(member.as_str()) {
                Some(".sha256") => {
                    let text = unpacking.small(file, MAX_SHA256_FILE).await?;
                    let stated = parse_digest(&member, &text)?;
                    if stated != wanted.file.digest {
                        return Err(DistError::BadHash {
                            file: format!("{member}.sha256"),
                            got: stated,
                            expected: wanted.file.digest,
                        });
                    }
                    has_digest_file = true;
                    if self.digest_beside(&key).await? != Some(stated) {
                        unpacking.beside.push((sha256_beside(&key), text));
                    }
                }
                Some(".asc") => {
                    let signature = unpacking.small(file, MAX_SIGNATURE).await?;
                    let signature = self.take_signature(wanted, signature).await?;
                    unpacking.beside.extend(signature);
                }
                _ => {
                    unpacking.next = Some(file);
                    break;
                }
            }
        }
        if !has_digest_file {
            self.put_digest_file(wanted).await?;
        }
        if unpacking.beside.len() >= BESIDE {
            self.put_beside_all(unpacking).await?;
        }
        let label = self.label(wanted);
        if is_new {
            unpacking.new += 1;
            let size = 0;
            self.events.emit(Event::Finished { label, size });
        } else {
            self.events.emit(Event::AlreadyPresent { label });
        }
        unpacking.came(&known);
        Ok(())
    }

    /// Stores what was to be put beside components, many files at once: flushing them
    /// together costs little more than one.
    pub(super) async fn put_beside_all(&self, unpacking: &mut Unpacking) -> Result<(), DistError> {
        let files = std::mem::take(&mut unpacking.beside).into_iter();
        let puts = files.map(|(key, bytes)| async move {
            self.put_unless_same(&key, bytes, MAX_SIGNATURE).await
        });
        let put = futures::future::join_all(puts).await;
        put.into_iter().collect()
    }

    /// A signature to be kept, if it could be one; whether it fits is seen when the
    /// component is verified.
    async fn take_signature(
        &self,
        wanted: &Wanted,
        signature: Bytes,
    ) -> Result<Option<(Key, Bytes)>, DistError> {
        let Some(verifier) = self.options.signatures.verifier() else {
            return Ok(None);
        };
        let label = self.label(wanted);
        if let Err(error) = verifier.begin(&label, &signature) {
            self.bad_signature(&label, error)?;
        }
        let key = self.mirror.layout.component(&wanted.file.path);
        let at = signature_beside(&key);
        let here = self.read_whole(&at, MAX_SIGNATURE).await?;
        let other = here.is_some_and(|here| here != signature);
        // A good one is not given up for one of which nobody knows.
        if other && matches!(self.look_at(wanted, false).await, Found::Right) {
            return Ok(None);
        }
        Ok(Some((at, signature)))
    }

    /// Stores a component unless it is here; the archive's is judged in any case.
    async fn place(
        &self,
        unpacking: &mut Unpacking,
        wanted: &Wanted,
        file: FedFile,
    ) -> Result<Before, DistError> {
        let label = self.label(wanted);
        let evidence = Evidence::new(
            label.clone(),
            wanted.file.digest,
            self.options.component_size_limit,
        );
        let wrong = |source| DistError::WrongComponent {
            file: label.to_string(),
            source: Box::new(source),
        };
        let check = Sha256Verifier.begin(&evidence).map_err(wrong)?;
        let body = crate::ports::checked(file.into_stream(), check);
        let before = self.look_quickly(wanted).await?;
        let key = self.mirror.layout.component(&wanted.file.path);
        let stored = if before == Before::Here {
            drain(body).await
        } else {
            let (body, options) = (Body::Stream(body), PutOptions::default());
            match self.mirror.store.put_opts(&key, body, options).await {
                Ok(meta) => {
                    self.known.note(meta, wanted.file.digest);
                    Ok(())
                }
                Err(StoreError::Body { source, .. }) => Err(*source),
                Err(error) => return Err(error.into()),
            }
        };
        match stored {
            Ok(()) => Ok(before),
            Err(StreamError::Verify(error)) => Err(wrong(error)),
            Err(error) => Err(unpacking.broken(error).await),
        }
    }

    /// What is here where the component belongs; refuses to replace another one that is
    /// vouched for no less.
    async fn look_quickly(&self, wanted: &Wanted) -> Result<Before, DistError> {
        let key = self.mirror.layout.component(&wanted.file.path);
        let Some(meta) = self.mirror.store.try_head(&key).await? else {
            return Ok(Before::Nothing);
        };
        match self.look_at(wanted, true).await {
            // The signature comes with the archive.
            Found::Right | Found::Unsigned(_) => {
                self.known.note(meta, wanted.file.digest);
                Ok(Before::Here)
            }
            Found::Wrong(got) => {
                self.refuse_to_replace(wanted, got).await?;
                Ok(Before::Other)
            }
            Found::Missing => Ok(Before::Nothing),
            Found::Unreadable(error) => Err(error.into()),
        }
    }
}

/// What was here before a component came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// The very component.
    Here,
    /// Something that is not right.
    Other,
}

async fn drain(mut body: crate::ByteStream) -> Result<(), StreamError> {
    use futures::StreamExt as _;
    while let Some(piece) = body.next().await {
        piece?;
    }
    Ok(())
}
