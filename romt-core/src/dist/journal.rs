//! What is about to be shown or deleted, so that the next run can finish it.
//!
//! A name that rustup asks for is three files. They cannot be switched in one step on
//! a disk, so what is to be switched is written down first, durably.

use bytes::Bytes;

use super::{
    DistError, DistSession,
    fetch::{MAX_MANIFEST, MAX_SHA256_FILE, MAX_SIGNATURE},
};
use crate::{
    Event, Key, Sha256Digest, StoreExt as _,
    layout::{DistLayout, sha256_beside, signature_beside},
};

/// The longest journal, in bytes.
pub(super) const MAX_JOURNAL: usize = 16 << 20;

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// What is at the first is to be at the second as well, with its digest file and
    /// its signature.
    Copy(Key, Key),
    /// What is there is to be deleted, with its digest file and its signature.
    Delete(Key),
}

impl DistSession {
    /// Writes down what is to be done, does it, and forgets it.
    pub(super) async fn do_all(&self, intents: &[Intent]) -> Result<(), DistError> {
        if intents.is_empty() {
            return Ok(());
        }
        // An earlier step of this session may have failed half-way.
        self.recover().await?;
        let journal = DistLayout::journal();
        let text: String = intents.iter().map(line).collect();
        if text.len() > MAX_JOURNAL {
            let reason = format!("it would have more than the limit of {MAX_JOURNAL} bytes");
            let file = journal.to_string();
            return Err(DistError::OwnFile { file, reason });
        }
        self.mirror.store.put(&journal, text.into_bytes()).await?;
        for intent in intents {
            self.carry_out(intent).await?;
        }
        self.mirror.store.delete(&journal).await?;
        Ok(())
    }

    /// Does what an earlier run had written down.
    pub(super) async fn recover(&self) -> Result<(), DistError> {
        let journal = DistLayout::journal();
        let Some(text) = self.read_small(&journal, MAX_JOURNAL as u64).await? else {
            return Ok(());
        };
        for intent in self.parse(&text)? {
            match self.carry_out(&intent).await {
                Ok(()) => {}
                Err(DistError::Missing { .. } | DistError::BadHash { .. }) => {
                    self.settle(&intent).await?;
                }
                Err(error) => return Err(error),
            }
        }
        self.mirror.store.delete(&journal).await?;
        Ok(())
    }

    async fn carry_out(&self, intent: &Intent) -> Result<(), DistError> {
        match intent {
            Intent::Copy(from, to) => self.copy_trio(from, to).await,
            Intent::Delete(key) => self.delete_trio(key).await,
        }
    }

    /// Deletes a file and what is beside it, and the directories that hold nothing then.
    pub(super) async fn delete_trio(&self, key: &Key) -> Result<(), DistError> {
        let store = &self.mirror.store;
        for key in [key.clone(), signature_beside(key), sha256_beside(key)] {
            store.delete(&key).await?;
        }
        if !DistLayout::is_aside(key) {
            let root = self.mirror.layout.root();
            store.tidy(key, root.as_ref()).await?;
        }
        Ok(())
    }

    /// Makes `to` what `from` is. The digest file is last: a client that reads it first
    /// and then finds the manifest of before asks again.
    async fn copy_trio(&self, from: &Key, to: &Key) -> Result<(), DistError> {
        let (bytes, text) = self.intact(from).await?;
        let digest = Sha256Digest::of(&bytes);
        let digest_file: Bytes = if DistLayout::is_aside(from) {
            text
        } else {
            crate::digest_file::sha256_file(digest, to.file_name()).into()
        };
        let signature = self
            .read_small(&signature_beside(from), MAX_SIGNATURE)
            .await?;
        self.put_unless_same(to, bytes, MAX_MANIFEST).await?;
        match signature {
            Some(signature) => {
                self.put_unless_same(&signature_beside(to), signature, MAX_SIGNATURE)
                    .await?;
            }
            // One of another manifest would be worse than none.
            None => self.mirror.store.delete(&signature_beside(to)).await?,
        }
        self.put_unless_same(&sha256_beside(to), digest_file, MAX_SHA256_FILE)
            .await
    }

    /// A manifest, which is what its digest file says, and that file.
    async fn intact(&self, key: &Key) -> Result<(Bytes, Bytes), DistError> {
        let file = self.mirror.layout.member(key);
        let missing = |file: String| DistError::Missing { file };
        let bytes = self.read_whole(key, MAX_MANIFEST).await?;
        let bytes = bytes.ok_or_else(|| missing(file.clone()))?;
        let at = sha256_beside(key);
        let text = self.read_whole(&at, MAX_SHA256_FILE).await?;
        let text = text.ok_or_else(|| missing(format!("{file}.sha256")))?;
        let (got, expected) = (
            Sha256Digest::of(&bytes),
            crate::digest_file::parse_sha256_file(&text).ok(),
        );
        match expected {
            Some(expected) if expected == got => Ok((bytes, text)),
            Some(expected) => Err(DistError::BadHash {
                file,
                got,
                expected,
            }),
            None => Err(missing(format!("{file}.sha256"))),
        }
    }

    /// A name was about to be switched to what is not here any more, or not right. What
    /// it shows is whole, or it shows nothing: clients take a digest file that does not
    /// fit for a sign that nothing is new.
    async fn settle(&self, intent: &Intent) -> Result<(), DistError> {
        let Intent::Copy(from, to) = intent else {
            return Ok(());
        };
        let (from, file) = (
            self.mirror.layout.member(from),
            self.mirror.layout.member(to),
        );
        let became = match self.intact(to).await {
            Ok(_) => "stays as it is",
            Err(DistError::Missing { .. } | DistError::BadHash { .. }) => {
                self.delete_trio(to).await?;
                "was removed, being half of it"
            }
            Err(error) => return Err(error),
        };
        let message = format!("{from} is not right, and {file}, which was to show it, {became}");
        self.events.emit(Event::Note { message });
        Ok(())
    }

    /// Stores a small file unless it is there already.
    pub(super) async fn put_unless_same(
        &self,
        key: &Key,
        bytes: Bytes,
        limit: u64,
    ) -> Result<(), DistError> {
        let store = &self.mirror.store;
        let here = self.read_whole(key, limit).await?;
        if here.is_some_and(|here| here == bytes) {
            store.persist(key).await?;
        } else {
            store.put(key, bytes).await?;
        }
        Ok(())
    }

    fn parse(&self, text: &[u8]) -> Result<Vec<Intent>, DistError> {
        parse(text, self.mirror.layout).map_err(|reason| DistError::OwnFile {
            file: DistLayout::journal().to_string(),
            reason: reason.to_owned(),
        })
    }
}

fn parse(text: &[u8], layout: DistLayout) -> Result<Vec<Intent>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let shown = |text: &str| -> Result<Key, &'static str> {
        let key: Key = text.parse().map_err(|_| "it names no file")?;
        match layout.rest(&key) {
            Some(rest) if !rest.starts_with('.') && has_room(&key) => Ok(key),
            _ => Err("it names what is no toolchain"),
        }
    };
    let any = |text: &str| match text.parse::<Key>() {
        Ok(key) if DistLayout::is_aside(&key) && has_room(&key) => Ok(key),
        _ => shown(text),
    };
    let mut intents = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        intents.push(
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("copy"), Some(from), Some(to), None) => Intent::Copy(any(from)?, shown(to)?),
                (Some("delete"), Some(at), None, None) => Intent::Delete(any(at)?),
                _ => return Err("a line is none of ours"),
            },
        );
    }
    Ok(intents)
}

/// Whether what is put beside a key is a key too.
fn has_room(key: &Key) -> bool {
    key.as_str().len() + ".sha256".len() <= crate::MAX_KEY_LENGTH
}

/// An intent as the journal has it.
pub(super) fn line(intent: &Intent) -> String {
    match intent {
        Intent::Copy(from, to) => format!("copy {from} {to}\n"),
        Intent::Delete(key) => format!("delete {key}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartAt;

    #[test]
    fn what_is_written_down_is_read_again() {
        let key = |text: &str| text.parse::<Key>().unwrap();
        let aside = DistLayout::aside(&Sha256Digest::of("x"));
        let to = key("dist/channel-rust-nightly.toml");
        let intents = [
            Intent::Copy(key("dist/2026-03-08/channel-rust-nightly.toml"), to.clone()),
            Intent::Copy(aside.clone(), to),
            Intent::Delete(aside),
        ];
        let text: String = intents.iter().map(line).collect();
        let read = parse(text.as_bytes(), DistLayout::default());
        assert_eq!(read.unwrap(), intents);
    }

    #[test]
    fn hostile_t12_a_journal_names_toolchains_only_and_never_panics() {
        let layout = DistLayout::default();
        let long = format!("delete dist/{}", "x".repeat(1015));
        for bad in [
            "delete crates/x",
            "delete .romt/lock",
            "delete dist/.romt/x",
            "delete dist/../x",
            "delete /etc/passwd",
            "delete dist",
            "copy dist/a .romt/dist-aside/x.toml",
            "copy dist/a",
            "copy dist/a dist/b dist/c",
            "move dist/a dist/b",
            "delete .romt/dist-aside/../lock",
            &long,
        ] {
            assert!(parse(bad.as_bytes(), layout).is_err(), "{bad}");
        }
        let text = "copy dist/a dist/b\ndelete dist/c\n".repeat(10);
        let mut state = 1_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut bytes = text.clone().into_bytes();
            let at = usize::try_from(state >> 8).unwrap() % bytes.len();
            bytes[at] = u8::try_from(state & 0xff).unwrap();
            for intent in parse(&bytes, layout).unwrap_or_default() {
                let keys = match intent {
                    Intent::Copy(from, to) => vec![from, to],
                    Intent::Delete(at) => vec![at],
                };
                assert!(keys.iter().all(|key| key.as_str().starts_with("dist/")));
            }
        }
        let large = "delete dist/x\n".repeat(80_000);
        let started = std::time::Instant::now();
        let read = parse(large.as_bytes(), DistLayout::new(PartAt::Directory));
        assert_eq!(read.unwrap().len(), 80_000);
        assert!(started.elapsed().as_secs() < 1);
    }
}
