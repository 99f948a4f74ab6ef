//! What the tests have in common: an upstream, mirrors of it, and archives.

pub(crate) mod archive;
pub(crate) mod git;
mod mirror;
mod origin;
mod rounds;
mod tool;

pub(crate) use mirror::{IMPORT, Mirror, State, carry, crate_path, digest, failed};
pub(crate) use origin::{Origin, served};
pub(crate) use rounds::{ROUNDS, happen};
pub(crate) use tool::Tool;

use std::{collections::BTreeMap, path::Path};

use romt_core::Sha256Digest;

/// Every file below `root`, by its path there, with its digest. Directories whose
/// name is `.romt` are ours alone and left out.
pub(crate) fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().unwrap() != ".romt" {
                    directories.push(path);
                }
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let digest = Sha256Digest::of(std::fs::read(&path).unwrap());
            found.insert(name.to_owned(), digest.to_string());
        }
    }
    found
}
