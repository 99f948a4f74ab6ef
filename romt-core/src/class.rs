//! What kind of failure an error is, which decides the exit status.

/// The class of a failure.
///
/// Every error of the library belongs to one class. Front ends turn the class
/// into an exit status and scripts decide by it whether trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// Finished, but listed items failed and were held back.
    Partial,
    /// Bad arguments or configuration; nothing was touched.
    Usage,
    /// A digest or a signature does not match.
    Integrity,
    /// Malformed, hostile, out of limits, or stopped by a guard.
    Refused,
    /// The store failed.
    Storage,
    /// Another writer holds the lock, or a concurrent change won.
    Busy,
    /// Upstream cannot be reached or refuses, also after retries.
    Upstream,
    /// A rule of our own is broken; the mirror is still consistent.
    Bug,
}

impl ErrorClass {
    /// The class as messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partial => "PARTIAL",
            Self::Usage => "USAGE",
            Self::Integrity => "INTEGRITY",
            Self::Refused => "REFUSED",
            Self::Storage => "STORAGE",
            Self::Busy => "BUSY",
            Self::Upstream => "UPSTREAM",
            Self::Bug => "BUG",
        }
    }

    /// The process exit status of the class.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Partial => 1,
            Self::Usage => 2,
            Self::Integrity => 3,
            Self::Refused => 4,
            Self::Storage => 5,
            Self::Busy => 6,
            Self::Upstream => 7,
            Self::Bug => 8,
        }
    }

    /// The class that decides when several failures meet: the graver one.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if self.gravity() >= other.gravity() {
            self
        } else {
            other
        }
    }

    fn gravity(self) -> u8 {
        match self {
            Self::Bug => 8,
            Self::Storage => 7,
            Self::Integrity => 6,
            Self::Refused => 5,
            Self::Busy => 4,
            Self::Upstream => 3,
            Self::Usage => 2,
            Self::Partial => 1,
        }
    }
}

impl std::fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorClass::{Bug, Busy, Integrity, Partial, Refused, Storage, Upstream};

    #[test]
    fn the_graver_class_decides() {
        let order = [Bug, Storage, Integrity, Refused, Busy, Upstream, Partial];
        for pair in order.windows(2) {
            assert_eq!(pair[0].max(pair[1]), pair[0]);
            assert_eq!(pair[1].max(pair[0]), pair[0]);
        }
    }
}
