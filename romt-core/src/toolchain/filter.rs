//! Which components of a toolchain somebody wants.

use super::{ChannelManifest, ComponentName, Profile, parts};
use crate::InvalidValue;

/// Selects components.
///
/// Made of names to include, names to exclude, and perhaps a [`Profile`].
/// Excluding wins. Where nothing is included and there is no profile, all is.
///
/// Names are those of manifests or those of users, and which components are in
/// a profile differs between releases. So [`resolve`](Self::resolve) comes before
/// [`allows`](Self::allows).
///
/// ```
/// # use romt_core::toolchain::ComponentFilter;
/// let filter = ComponentFilter::parse_all(&["!rust-docs, !rust-src"])?;
/// assert!(filter.allows(&"rustc".parse()?));
/// assert!(!filter.allows(&"rust-docs".parse()?));
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentFilter {
    includes: Vec<ComponentName>,
    excludes: Vec<ComponentName>,
    profile: Option<Profile>,
    /// What the profile has, once that is known.
    members: Option<Vec<ComponentName>>,
}

impl ComponentFilter {
    /// Selects everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Parses the values of a list option, in which `!name` excludes and `name`
    /// includes.
    pub fn parse_all<S: AsRef<str>>(values: &[S]) -> Result<Self, InvalidValue> {
        let mut filter = Self::default();
        for part in parts(values) {
            let (list, name) = match part.strip_prefix('!') {
                Some(name) => (&mut filter.excludes, name),
                None => (&mut filter.includes, part),
            };
            add(list, name.parse()?);
        }
        Ok(filter)
    }

    /// The same with the components of `profile` included.
    #[must_use]
    pub fn with_profile(self, profile: Option<Profile>) -> Self {
        Self {
            profile,
            members: None,
            ..self
        }
    }

    /// The names that were included, as they were given.
    pub fn includes(&self) -> &[ComponentName] {
        &self.includes
    }

    /// The names that were excluded, as they were given.
    pub fn excludes(&self) -> &[ComponentName] {
        &self.excludes
    }

    /// The profile, if one was given.
    pub fn profile(&self) -> Option<Profile> {
        self.profile
    }

    /// Whether everything is selected.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// The same filter for the components of `manifest`: it knows what the
    /// manifest has in the profile, and names for users mean what the manifest
    /// says that they do.
    ///
    /// Where the manifest has no such profile, as those from before 2019, all is
    /// included, since nothing says what could be left out.
    #[must_use]
    pub fn resolve(&self, manifest: &ChannelManifest) -> Self {
        let mut resolved = self.clone();
        rename(&mut resolved.includes, manifest);
        rename(&mut resolved.excludes, manifest);
        let members = self.profile.map(|profile| manifest.profile(profile));
        match members {
            Some(Some(names)) => {
                let mut names = names.to_vec();
                rename(&mut names, manifest);
                resolved.members = Some(names);
            }
            Some(None) => {
                resolved.profile = None;
                resolved.includes.clear();
            }
            None => {}
        }
        resolved
    }

    /// Whether the component of this name in the manifest is selected.
    ///
    /// Of a profile it knows nothing until it is [resolved](Self::resolve), and
    /// of names for users neither.
    pub fn allows(&self, component: &ComponentName) -> bool {
        if self.excludes.contains(component) {
            return false;
        }
        let is_member = || {
            let members = self.members.as_deref().unwrap_or_default();
            members.contains(component)
        };
        let has_all = self.includes.is_empty() && self.profile.is_none();
        has_all || self.includes.contains(component) || is_member()
    }
}

fn add(list: &mut Vec<ComponentName>, name: ComponentName) {
    if !list.contains(&name) {
        list.push(name);
    }
}

/// Adds to names for users the manifest's.
fn rename(list: &mut Vec<ComponentName>, manifest: &ChannelManifest) {
    for at in 0..list.len() {
        let mut name = &list[at];
        // The manifest has no circles, so this ends.
        while let Some(next) = manifest.renames().get(name) {
            name = next;
        }
        let name = name.clone();
        add(list, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::samples;

    fn allowed<'a>(filter: &ComponentFilter, names: &[&'a str]) -> Vec<&'a str> {
        let allows = |name: &&&str| filter.allows(&name.parse().unwrap());
        names.iter().filter(allows).copied().collect()
    }

    const NAMES: [&str; 5] = [
        "rustc",
        "rust-std",
        "rust-docs",
        "rust-src",
        "clippy-preview",
    ];

    #[test]
    fn statement_53_includes_and_excludes_select_components() {
        for (values, expected) in [
            (&["rustc, rust-std"][..], &["rustc", "rust-std"][..]),
            (
                &["!rust-docs !rust-src"],
                &["rustc", "rust-std", "clippy-preview"],
            ),
            (&["rustc", "!rustc"], &[]),
            (&["rustc rust-src", "!rustc"], &["rust-src"]),
            (&["unknown"], &[]),
            (&[" ", ","], &NAMES),
        ] {
            let filter = ComponentFilter::parse_all(values).unwrap();
            assert_eq!(allowed(&filter, &NAMES), expected, "{values:?}");
        }
        let filter = ComponentFilter::parse_all(&["b,!c a", "b"]).unwrap();
        let includes: Vec<&str> = filter
            .includes()
            .iter()
            .map(ComponentName::as_str)
            .collect();
        assert_eq!(includes, ["b", "a"]);
        assert_eq!(filter.excludes()[0].as_str(), "c");
        assert!(ComponentFilter::parse_all(&["!"]).is_err());
        assert!(ComponentFilter::parse_all(&["../x"]).is_err());
    }

    #[test]
    fn names_for_users_mean_the_components_of_the_manifest() {
        let manifest = samples::manifest();
        for (value, expected) in [
            ("clippy", &["clippy-preview"][..]),
            ("clippy-preview", &["clippy-preview"]),
            ("!clippy", &NAMES[..4]),
            ("clippy,!clippy-preview", &[]),
        ] {
            let filter = ComponentFilter::parse_all(&[value]).unwrap();
            let resolved = filter.resolve(&manifest);
            assert_eq!(allowed(&resolved, &NAMES), expected, "{value}");
        }
    }

    #[test]
    fn a_profile_includes_and_what_is_named_adds_to_it() {
        let manifest = samples::manifest();
        for (profile, value, expected) in [
            (Profile::Minimal, "", &["rustc", "rust-std"][..]),
            (Profile::Minimal, "!rustc", &["rust-std"]),
            (
                Profile::Minimal,
                "rust-src",
                &["rustc", "rust-std", "rust-src"],
            ),
            (
                Profile::Default,
                "!rust-docs",
                &["rustc", "rust-std", "clippy-preview"],
            ),
        ] {
            let filter = ComponentFilter::parse_all(&[value]).unwrap();
            let filter = filter.with_profile(Some(profile)).resolve(&manifest);
            assert_eq!(allowed(&filter, &NAMES), expected, "{profile} {value}");
        }
        let filter = ComponentFilter::all().with_profile(Some(Profile::Minimal));
        assert!(!filter.is_all());
        assert!(ComponentFilter::all().with_profile(None).is_all());
    }

    #[test]
    fn without_profiles_in_the_manifest_all_is_selected() {
        let text = samples::text();
        let without = text.split("[profiles]").next().unwrap();
        let manifest = ChannelManifest::parse(without.to_owned().into(), "old").unwrap();
        let filter = ComponentFilter::all().with_profile(Some(Profile::Minimal));
        assert_eq!(allowed(&filter.resolve(&manifest), &NAMES), NAMES);
    }
}
