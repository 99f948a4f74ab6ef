//! What clients of a mirror would be missing.
//!
//! The mirror is only read. What is looked at is what clients are shown: each version in
//! the index, each manifest that rustup can ask for, the rustup that is said to be the
//! current one.

mod crates;
mod dist;
mod rustup;

use std::fmt;

use romt_core::{
    ErrorClass, Escaped,
    dist::DistError,
    installers::InstallerError,
    ports::{IndexError, StoreError},
};

use crate::ServedMirror;

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDepth {
    /// Whether everything is there.
    Present,
    /// Whether everything is there and has the bytes that it should: all of it is read.
    Bytes,
}

/// Something that a client would be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// What kind of trouble it is.
    pub class: ErrorClass,
    /// What is wrong with what.
    pub what: String,
}

impl Fault {
    fn missing(what: impl fmt::Display) -> Self {
        Self {
            class: ErrorClass::Partial,
            what: format!("missing: {what}"),
        }
    }

    fn of(class: ErrorClass, what: impl fmt::Display) -> Self {
        Self {
            class,
            what: what.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.what)
    }
}

/// What was looked at, and how grave it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Crates that the index shows.
    pub crates: u64,
    /// Versions that the index shows.
    pub versions: u64,
    /// Manifests that rustup can ask for.
    pub manifests: u64,
    /// Components that they name, for the targets that are here.
    pub components: u64,
    /// Installers of the current rustup.
    pub installers: u64,
    /// How much is wrong.
    pub faults: u64,
    /// The class of the gravest fault.
    pub class: Option<ErrorClass>,
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} versions of {} crates, {} components of {} manifests, {} installers of rustup: ",
            self.versions, self.crates, self.components, self.manifests, self.installers
        )?;
        match self.faults {
            0 => f.write_str("nothing is missing"),
            1 => f.write_str("1 fault"),
            faults => write!(f, "{faults} faults"),
        }
    }
}

/// Why a mirror cannot be checked to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The toolchains cannot be looked at.
    #[error(transparent)]
    Dist(#[from] DistError),
    /// The installers cannot be looked at.
    #[error(transparent)]
    Installers(#[from] InstallerError),
}

impl CheckError {
    /// What kind of failure this is.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Index(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Dist(error) => error.class(),
            Self::Installers(error) => error.class(),
        }
    }
}

/// Looks for what clients of `mirror` would be missing, and tells each fault as it is
/// found.
///
/// # Errors
///
/// If the mirror cannot be read at all. What is wrong with single files is a fault.
pub async fn check(
    mirror: &ServedMirror,
    depth: CheckDepth,
    tell: &mut (dyn FnMut(&Fault) + Send),
) -> Result<CheckReport, CheckError> {
    let mut findings = Findings {
        report: CheckReport::default(),
        tell,
    };
    crates::check(mirror, depth, &mut findings).await?;
    dist::check(mirror, depth, &mut findings).await?;
    rustup::check(mirror, depth, &mut findings).await?;
    let report = &findings.report;
    if report.versions + report.manifests + report.installers + report.faults == 0 {
        findings.note(&Fault::missing("everything: nothing is published here"));
    }
    Ok(findings.report)
}

/// What is found as the check goes on.
struct Findings<'t> {
    report: CheckReport,
    tell: &'t mut (dyn FnMut(&Fault) + Send),
}

impl Findings<'_> {
    fn note(&mut self, fault: &Fault) {
        self.report.faults += 1;
        let gravest = self
            .report
            .class
            .map_or(fault.class, |it| it.max(fault.class));
        self.report.class = Some(gravest);
        let what = Escaped::new(&fault.what).to_string();
        (self.tell)(&Fault::of(fault.class, what));
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // A transparent wrapper repeats its cause word for word.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
