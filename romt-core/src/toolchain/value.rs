//! The values of a manifest, which know where they stand in it.

use std::str::FromStr;

use toml::{Spanned, de::DeValue};

use super::{
    ComponentName, ManifestError,
    reading::{MAX_NAMES, Reader, Text},
};
use crate::InvalidValue;

/// A value of the manifest.
pub(super) struct Value<'a> {
    inner: DeValue<'a>,
    /// Where the piece begins from which places in it count.
    start: usize,
    pub(super) place: Place,
}

/// Where a value stands.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) offset: usize,
    path: String,
}

impl Place {
    pub(super) fn error(&self, reader: &Reader<'_>, reason: impl Into<String>) -> ManifestError {
        reader.error(self.offset, reason).at_key(&self.path)
    }

    /// Parses a name that stands here.
    pub(super) fn check<T: FromStr<Err = InvalidValue>>(
        &self,
        reader: &Reader<'_>,
        name: &str,
    ) -> Result<T, ManifestError> {
        name.parse()
            .map_err(|error: InvalidValue| self.error(reader, error.to_string()))
    }
}

impl<'a> Value<'a> {
    /// A value whose piece begins at `start`.
    pub(super) fn new(value: Spanned<DeValue<'a>>, path: String, start: usize) -> Self {
        let offset = start + value.span().start;
        Self {
            inner: value.into_inner(),
            start,
            place: Place { offset, path },
        }
    }

    pub(super) fn entries(
        self,
        reader: &Reader<'_>,
    ) -> Result<Vec<(Text<'a>, Self)>, ManifestError> {
        let DeValue::Table(table) = self.inner else {
            return Err(self.place.error(reader, "it must be a table"));
        };
        let entries = table.into_iter().map(|(key, value)| {
            let key = key.into_inner();
            let path = format!("{}.{key}", self.place.path);
            let value = Self::new(value, path, self.start);
            (key, value)
        });
        Ok(entries.collect())
    }

    pub(super) fn text(self, reader: &Reader<'_>) -> Result<Text<'a>, ManifestError> {
        match self.inner {
            DeValue::String(text) => Ok(text),
            _ => Err(self.place.error(reader, "it must be a string")),
        }
    }

    pub(super) fn boolean(self, reader: &Reader<'_>) -> Result<bool, ManifestError> {
        match self.inner {
            DeValue::Boolean(value) => Ok(value),
            _ => Err(self.place.error(reader, "it must be true or false")),
        }
    }

    pub(super) fn name(self, reader: &Reader<'_>) -> Result<ComponentName, ManifestError> {
        let place = self.place.clone();
        place.check(reader, &self.text(reader)?)
    }

    pub(super) fn names(self, reader: &Reader<'_>) -> Result<Vec<ComponentName>, ManifestError> {
        let DeValue::Array(array) = self.inner else {
            return Err(self.place.error(reader, "it must be an array"));
        };
        if array.len() > MAX_NAMES {
            let reason = format!("it has more than {MAX_NAMES} names");
            return Err(self.place.error(reader, reason));
        }
        let values = array.into_iter();
        let values = values.map(|it| Self::new(it, self.place.path.clone(), self.start));
        values.map(|value| value.name(reader)).collect()
    }
}
