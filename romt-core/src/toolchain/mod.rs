//! Toolchains: their channels, manifests, components, and how they are asked for.
//!
//! The formats are upstream's, as rustup reads them: a *channel manifest* says
//! for one release of a channel which components exist for which targets, where
//! their archives are and what they hash to.

mod building;
mod classify;
mod component;
mod date;
mod dist_path;
mod error;
mod filter;
mod list;
mod manifest;
mod reading;
mod release;
mod spec;
mod tables;
mod target;
mod value;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod samples;

pub use classify::{TargetCounts, TargetKind, classify, classify_in};
pub use component::{ComponentName, Profile};
pub use date::ReleaseDate;
pub use dist_path::{DistPath, Format, FormatChoice};
pub use error::ManifestError;
pub use filter::ComponentFilter;
pub(crate) use list::parts;
pub use manifest::{ChannelManifest, ComponentFile, MAX_MANIFEST_SIZE, Package};
pub(crate) use release::numbers_of;
pub use release::{Channel, ManifestName, ReleaseName, ReleaseVersion, Stage};
pub use spec::{SpecDate, SpecName, ToolchainSpec};
pub use target::{TargetChoice, TargetName};
