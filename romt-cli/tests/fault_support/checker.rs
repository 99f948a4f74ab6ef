//! The checker: what a mirror shows, seen from outside, and whether it is true.

use std::{collections::BTreeMap, fs, path::Path};

use romt_core::{PrefixStyle, Sha256Digest};
use serde_json::Value;

use super::{
    http,
    process::Serving,
    registry::{Registry, index_path, prefix},
    tree,
};

/// The index files that clients see, by their paths.
pub type View = BTreeMap<String, String>;

/// Asks a mirror's server for every crate of `registries` and for everything
/// that the answers list, and looks at its plain files.
///
/// Fails the test unless each line is one of upstream's, byte for byte, and each
/// crate listed can be had with the digest that the line states.
#[track_caller]
pub fn check(mirror: &Path, registries: &[&Registry]) -> View {
    check_plain(mirror, registries);
    let serving = Serving::start(mirror);
    let faults = served(&serving.host, registries);
    drop(serving);
    match faults {
        Ok(view) => view,
        Err(fault) => panic!("the mirror breaks its promise: {fault}"),
    }
}

fn served(host: &str, registries: &[&Registry]) -> Result<View, String> {
    let template = template(host)?;
    let mut view = View::new();
    let mut names: Vec<&String> = registries.iter().flat_map(|r| r.0.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let path = index_path(name);
        let answer = http::get(host, &format!("/index/{path}"))?;
        if answer.status == 404 {
            continue;
        }
        if answer.status != 200 {
            return Err(format!("the index file of {name}: {}", answer.head));
        }
        let body = String::from_utf8(answer.body).map_err(|error| error.to_string())?;
        for line in body.lines() {
            check_line(&template, line, registries)?;
        }
        view.insert(path, body);
    }
    Ok(view)
}

/// Where the server says the crates are.
pub fn template(host: &str) -> Result<String, String> {
    let answer = http::get(host, "/index/config.json")?;
    let config: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
    let template = config["dl"].as_str().ok_or("config.json has no `dl`")?;
    Ok(template.to_owned())
}

/// One line is upstream's, and its crate can be had.
pub fn check_line(template: &str, line: &str, registries: &[&Registry]) -> Result<(), String> {
    let known = |registry: &&Registry| registry.releases().any(|release| release.line() == line);
    if !registries.iter().any(known) {
        return Err(format!("upstream has no such line: {line}"));
    }
    let (name, version, digest) = parts(line);
    let mut url = template
        .replace("{crate}", &name)
        .replace("{version}", &version)
        .replace("{prefix}", &prefix(&name, PrefixStyle::Mixed))
        .replace("{lowerprefix}", &prefix(&name, PrefixStyle::Lower))
        .replace("{sha256-checksum}", &digest);
    if url == template {
        url = format!("{template}/{name}/{version}/download");
    }
    let answer = http::get_url(&url)?;
    let got = Sha256Digest::of(&answer.body).to_string();
    if answer.status != 200 || got != digest {
        return Err(format!(
            "{name} {version} is listed with the digest {digest}, and {url} answers {} with {got}",
            answer.status
        ));
    }
    Ok(())
}

/// Name, version and digest of a line.
pub fn parts(line: &str) -> (String, String, String) {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |field: &str| value[field].as_str().unwrap().to_owned();
    (text("name"), text("vers"), text("cksum"))
}

/// The plain files list nothing that is not there, for servers that know nothing
/// of romt.
#[track_caller]
fn check_plain(mirror: &Path, registries: &[&Registry]) {
    let files = tree::files(mirror);
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for (name, path) in &files {
        if name.starts_with("crates") {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let digest = Sha256Digest::of(fs::read(path).unwrap()).to_string();
            digests.insert(file, digest);
        }
    }
    for (name, path) in &files {
        if !name.starts_with("index") || name.ends_with("config.json") {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let known = |r: &&Registry| r.releases().any(|release| release.line() == line);
            assert!(
                registries.iter().any(known),
                "upstream has no such line: {line}"
            );
            let (name, version, digest) = parts(line);
            let held = digests.get(&format!("{name}-{version}.crate"));
            assert_eq!(held, Some(&digest), "the plain files list {name} {version}");
        }
    }
}
