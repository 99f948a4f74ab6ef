//! Releases of the shape that real ones have, made of files of a few bytes.

use std::{collections::BTreeMap, fmt::Write as _};

use romt_core::Sha256Digest;

pub(crate) const LINUX: &str = "x86_64-unknown-linux-gnu";
pub(crate) const WINDOWS: &str = "x86_64-pc-windows-msvc";
const ARM: &str = "aarch64-unknown-linux-gnu";

/// What a target with a compiler has, besides documentation.
const NATIVE: [&str; 11] = [
    "cargo",
    "clippy-preview",
    "llvm-tools-preview",
    "rust",
    "rust-analysis",
    "rust-analyzer-preview",
    "rust-std",
    "rustc",
    "rustc-dev",
    "rustc-docs",
    "rustfmt-preview",
];

/// How much a release consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Of each kind of target a few.
    Small,
    /// As many of each kind as 1.76.0 has.
    Real,
}

impl Shape {
    /// How many targets have a compiler, a library only, little, and nothing.
    pub(crate) fn numbers(self) -> [usize; 4] {
        match self {
            Self::Small => [4, 3, 2, 2],
            Self::Real => [24, 61, 9, 21],
        }
    }

    /// How many targets have the documentation of Linux, and that of Linux on ARM.
    fn docs(self) -> [usize; 2] {
        match self {
            Self::Small => [3, 1],
            Self::Real => [19, 6],
        }
    }
}

/// A release of a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) shape: Shape,
    pub(crate) channel: &'static str,
    /// As the packages have it: `1.95.0-beta.2`.
    pub(crate) version: &'static str,
    pub(crate) date: &'static str,
    /// A target with a library only, which no other release has.
    pub(crate) own_target: Option<&'static str>,
    /// A component that Linux is without this time.
    pub(crate) lacks: Option<&'static str>,
}

/// By package and target, the target whose file it is; `None` if upstream has none.
type Packages = BTreeMap<(&'static str, String), Option<String>>;

impl Release {
    /// `1.95.0` of `1.95.0-beta.2`.
    pub(crate) fn number(&self) -> &'static str {
        self.version.split('-').next().unwrap()
    }

    /// As lists show it.
    pub(crate) fn ident(&self) -> String {
        format!("{}-{}({})", self.channel, self.date, self.number())
    }

    pub(crate) fn dated(&self) -> String {
        format!("{}-{}", self.channel, self.date)
    }

    /// Its targets, by kind: with a compiler, with a library, with little, with nothing.
    pub(crate) fn targets(&self) -> [Vec<String>; 4] {
        let [native, cross, minimal, nothing] = self.shape.numbers();
        let named = [LINUX, ARM, WINDOWS, "aarch64-apple-darwin"];
        let mut natives: Vec<String> = named.map(str::to_owned).into();
        natives.extend((4..native).map(|n| format!("host{n}-unknown-linux-gnu")));
        let mut crosses: Vec<String> = vec!["thumbv8m.main-none-eabi".into()];
        crosses.extend((1..cross).map(|n| format!("cross{n}-none-elf")));
        crosses.extend(self.own_target.map(str::to_owned));
        let mut minimals: Vec<String> = vec!["mips-unknown-linux-gnu".into()];
        minimals.extend((1..minimal).map(|n| format!("minimal{n}-pc-windows-gnu")));
        let nothings = (0..nothing).map(|n| format!("nothing{n}-unknown-none"));
        [natives, crosses, minimals, nothings.collect()]
    }

    fn packages(&self) -> Packages {
        let [natives, crosses, minimals, nothings] = self.targets();
        let mut packages = Packages::new();
        packages.insert(("rust-src", "*".into()), Some("*".into()));
        let mut own = |name, target: &str| {
            packages.insert((name, target.to_owned()), Some(target.to_owned()));
        };
        for target in &natives {
            for name in NATIVE {
                own(name, target);
            }
        }
        for target in natives.iter().skip(2).take(4) {
            own("rust-mingw", target);
        }
        own("miri-preview", LINUX);
        for target in &crosses {
            own("rust-std", target);
            own("rust-analysis", target);
        }
        // The last has a file of its own, the others documentation that is another's.
        let (last, docs_only) = minimals.split_last().unwrap();
        own("rust-mingw", last);
        let [of_linux, of_arm] = self.shape.docs();
        let hosts: Vec<&String> = natives.iter().filter(|target| *target != ARM).collect();
        let of_linux = of_linux - docs_only.len();
        for (number, target) in hosts.into_iter().chain([&ARM.to_owned()]).enumerate() {
            let owner = match number {
                number if number < of_linux => LINUX,
                number if number < of_linux + of_arm - 1 => ARM,
                _ => target,
            };
            packages.insert(("rust-docs", target.clone()), Some(owner.to_owned()));
        }
        for target in docs_only {
            packages.insert(("rust-docs", target.clone()), Some(LINUX.to_owned()));
        }
        for target in nothings.iter().chain(&crosses[..1]) {
            packages.insert(("llvm-tools-preview", target.clone()), None);
        }
        if let Some(lacking) = self.lacks {
            packages.insert((lacking, LINUX.into()), None);
        }
        packages
    }

    /// Every file of a component, by its path below `dist/`.
    pub(crate) fn components(&self) -> BTreeMap<String, Vec<u8>> {
        let packages = self.packages();
        let files = packages.iter().filter_map(|((name, _), owner)| {
            let path = self.file(name, owner.as_ref()?);
            let content = format!("the bytes of {path}\n").repeat(40);
            Some((path, content.into_bytes()))
        });
        files.collect()
    }

    /// How many pairs of a component and a target upstream has.
    pub(crate) fn pairs(&self) -> usize {
        self.packages().values().flatten().count()
    }

    /// The paths of the files that these targets need, of all components or of those
    /// that `takes`; with what is for all targets.
    pub(crate) fn files_of(&self, targets: &[&str], takes: impl Fn(&str) -> bool) -> Vec<String> {
        let packages = self.packages();
        let of_targets = packages.iter().filter(|((name, target), _)| {
            takes(name) && (target == "*" || targets.contains(&target.as_str()))
        });
        let paths =
            of_targets.filter_map(|((name, _), owner)| Some(self.file(name, owner.as_ref()?)));
        let mut paths: Vec<String> = paths.collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// The components of exactly this target, each with the path of its file.
    pub(crate) fn components_of(&self, target: &str) -> Vec<(&'static str, String)> {
        let packages = self.packages().into_iter();
        let of_target = packages.filter(|((_, of), _)| of == target);
        let files =
            of_target.filter_map(|((name, _), owner)| Some((name, self.file(name, &owner?))));
        files.collect()
    }

    /// Where the file of a component is, below `dist/`.
    pub(crate) fn file(&self, name: &str, target: &str) -> String {
        let version = match self.channel {
            "stable" => self.version,
            channel => channel,
        };
        let stem = match target {
            "*" => format!("{name}-{version}"),
            target => format!("{name}-{version}-{target}"),
        };
        format!("{}/{stem}.tar.xz", self.date)
    }

    /// The manifest, as upstream writes it.
    pub(crate) fn manifest(&self) -> String {
        let mut text = format!("manifest-version = \"2\"\ndate = \"{}\"\n", self.date);
        let mut last = "";
        for ((name, target), owner) in &self.packages() {
            if *name != last {
                let version = match *name {
                    // Of another number, as theirs is.
                    "cargo" => "0.96.0".to_owned(),
                    _ => self.version.to_owned(),
                };
                let _ = write!(
                    text,
                    "\n[pkg.{name}]\nversion = \"{version} (f2d3ce0bd {})\"\n",
                    self.date
                );
                last = name;
            }
            self.target(&mut text, name, target, owner.as_deref());
        }
        text.push_str(RENAMES);
        text
    }

    fn target(&self, text: &mut String, name: &str, target: &str, owner: Option<&str>) {
        let key = match target {
            "*" => "\"*\"".to_owned(),
            target if target.contains('.') => format!("\"{target}\""),
            target => target.to_owned(),
        };
        let _ = write!(
            text,
            "\n[pkg.{name}.target.{key}]\navailable = {}\n",
            owner.is_some()
        );
        let Some(owner) = owner else {
            return;
        };
        let path = self.file(name, owner);
        let digest = Sha256Digest::of(format!("the bytes of {path}\n").repeat(40));
        let gz = path.replace(".tar.xz", ".tar.gz");
        let other = Sha256Digest::of(&gz);
        let _ = write!(
            text,
            "url = \"https://example.com/dist/{gz}\"\nhash = \"{other}\"\n\
             xz_url = \"https://example.com/dist/{path}\"\nxz_hash = \"{digest}\"\n"
        );
        if name == "rust" {
            let _ = write!(
                text,
                "\n[[pkg.rust.target.{key}.components]]\npkg = \"rustc\"\ntarget = \"{target}\"\n\
                 is_extension = false\n"
            );
        }
    }
}

/// What users call components, and what they get unless they say otherwise.
const RENAMES: &str = "
[renames.clippy]
to = \"clippy-preview\"

[renames.rustfmt]
to = \"rustfmt-preview\"

[profiles]
minimal = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\"]
default = [\"rustc\", \"cargo\", \"rust-std\", \"rust-mingw\", \"rust-docs\", \"rustfmt-preview\", \"clippy-preview\"]
";
