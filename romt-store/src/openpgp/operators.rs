//! Several people who answer for the same bytes.

use std::collections::BTreeMap;

use romt_core::{
    Sha256Hasher,
    ports::{SignatureCheck as _, SignatureError, SignatureFault, Signed},
};

use super::{KeyFileError, MAX_PACKETS, OpenPgp, check::FileCheck, unarmored};

/// Trusts bytes that enough of these people have signed.
///
/// What counts is people, and a person is a primary key: two signatures by one of
/// them, or by two subkeys of one, are one.
///
/// The signatures are in one file: binary, or armoured blocks one after the other, as
/// `gpg --armor --detach-sign` makes them.
#[derive(Clone, Debug)]
pub struct Operators {
    keys: Vec<OpenPgp>,
    threshold: usize,
}

impl Operators {
    /// The people whose public keys are in `files`; so many of them must have signed.
    ///
    /// There must be as many, and one must be enough for something.
    pub fn new(
        files: impl IntoIterator<Item = impl AsRef<[u8]>>,
        threshold: usize,
    ) -> Result<Self, KeyFileError> {
        let keys = files
            .into_iter()
            .map(|file| OpenPgp::from_key_file(file.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut people: Vec<&str> = keys.iter().flat_map(OpenPgp::primaries).collect();
        people.sort_unstable();
        people.dedup();
        if threshold == 0 || people.len() < threshold {
            return Err(KeyFileError::TooFew {
                people: people.len(),
                threshold,
            });
        }
        Ok(Self { keys, threshold })
    }

    /// One signature of each who has signed `bytes`, which messages call `label`, if
    /// they are enough.
    pub fn check(
        &self,
        label: &str,
        signatures: &[u8],
        bytes: &[u8],
    ) -> Result<Vec<Signed>, SignatureError> {
        let failed = |fault, reason: String| {
            let accepted: Vec<String> = self.keys.iter().map(ToString::to_string).collect();
            let reason = format!("{reason}; accepted: {}", accepted.join(", "));
            SignatureError::new(label, fault, reason)
        };
        let packets =
            unarmored(signatures, MAX_PACKETS).map_err(|(fault, reason)| failed(fault, reason))?;
        let mut hasher = Sha256Hasher::new();
        hasher.update(bytes);
        let mut good: BTreeMap<String, Signed> = BTreeMap::new();
        let mut first = None;
        for keys in &self.keys {
            match keys.candidates_in(&packets) {
                Ok(candidates) => {
                    let mut check = FileCheck::new(label, keys.accepted.clone(), candidates);
                    check.update(bytes);
                    let signed = check.finish_all(&hasher).into_iter();
                    good.extend(signed.map(|signed| (signed.primary.clone(), signed)));
                }
                Err(objection) => drop(first.get_or_insert(objection)),
            }
        }
        match (good.len(), first) {
            (count, _) if count >= self.threshold => Ok(good.into_values().collect()),
            (0, Some((fault, reason))) => Err(failed(fault, reason)),
            (0, None) => {
                let reason = "what is signed is not these bytes, or was changed";
                Err(failed(SignatureFault::Wrong, reason.into()))
            }
            (count, _) => {
                let people: Vec<&str> = good.keys().map(String::as_str).collect();
                let (people, threshold) = (people.join(", "), self.threshold);
                let reason = format!(
                    "{count} of the {threshold} people who must sign it have: {people}; \
                     several signatures of one person are one"
                );
                Err(failed(SignatureFault::Missing, reason))
            }
        }
    }
}
