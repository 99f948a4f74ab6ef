//! `romt client-config`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use romt_core::ErrorClass;
use romt_server::{CLIENT_REGISTRY, client_config, client_index};
use toml_edit::{DocumentMut, Item, Table, Value, value};

use crate::{
    args::ClientConfigArgs,
    error::{CliError, shown},
    report::Printer,
};

pub(crate) fn run(args: &ClientConfigArgs, printer: &Printer) -> Result<ExitCode, CliError> {
    let url = args.url.as_str();
    let Some(directory) = &args.write else {
        printer.data(&client_config(url));
        return Ok(ExitCode::SUCCESS);
    };
    let path = config_path(directory)?;
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(CliError::from_io("read", shown(&path), &error)),
    };
    let after = edited(&before, url, args.force)
        .map_err(|error| error.with_note(format!("{} is as it was", shown(&path))))?;
    if after == before {
        printer.say(format_args!("{} points at {url} already", shown(&path)));
    } else {
        write(&path, &after)?;
        printer.say(format_args!("{} points at {url} now", shown(&path)));
    }
    Ok(ExitCode::SUCCESS)
}

/// The configuration file of the project in `directory`.
fn config_path(directory: &Path) -> Result<PathBuf, CliError> {
    if !directory.is_dir() {
        return Err(CliError::usage(format!(
            "{} is no directory",
            shown(directory)
        )));
    }
    let cargo = directory.join(".cargo");
    // Cargo reads the old name first where both are there.
    let old = cargo.join("config");
    Ok(if old.is_file() {
        old
    } else {
        cargo.join("config.toml")
    })
}

/// `before` with the mirror in it, and all else as it was.
fn edited(before: &str, url: &str, force: bool) -> Result<String, CliError> {
    let mut document: DocumentMut = before.parse().map_err(|error: toml_edit::TomlError| {
        CliError::new(ErrorClass::Refused, "the configuration is not TOML").caused_by(&error)
    })?;
    let replacement = ["source", "crates-io", "replace-with"];
    // A registry of our name is ours if crates.io is replaced with it. Otherwise
    // somebody else may have chosen the name for theirs.
    let is_ours = get(&document, replacement) == Some(CLIENT_REGISTRY);
    set(&mut document, replacement, CLIENT_REGISTRY, force)?;
    let index = client_index(url);
    let entry = ["registries", CLIENT_REGISTRY, "index"];
    set(&mut document, entry, &index, force || is_ours)?;
    Ok(with_line_ends_of(before, document.to_string()))
}

/// `text` with the line ends of `before`, which the editor of TOML does not keep.
fn with_line_ends_of(before: &str, text: String) -> String {
    let lines = before.matches('\n').count();
    if lines == 0 || before.matches("\r\n").count() < lines {
        return text;
    }
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The string at `path`, if there is one.
fn get<'d>(document: &'d DocumentMut, [table, entry, key]: [&str; 3]) -> Option<&'d str> {
    document.get(table)?.get(entry)?.get(key)?.as_str()
}

/// Sets one string, keeping what is around it. Another string at its place is
/// somebody's decision, and stays unless `force` is given.
fn set(
    document: &mut DocumentMut,
    path: [&str; 3],
    text: &str,
    force: bool,
) -> Result<(), CliError> {
    let [table, entry, key] = path;
    let not_a_table = || {
        let place = format!("`{table}.{entry}` in the configuration is no table");
        CliError::new(ErrorClass::Refused, place)
    };
    let outer = document.entry(table).or_insert_with(implicit_table);
    let outer = outer.as_table_like_mut().ok_or_else(not_a_table)?;
    let inner = outer
        .entry(entry)
        .or_insert_with(|| Item::Table(Table::new()));
    let inner = inner.as_table_like_mut().ok_or_else(not_a_table)?;
    match inner.get(key).and_then(Item::as_str) {
        Some(present) if present == text => return Ok(()),
        Some(present) if !force => {
            let message = format!("`{table}.{entry}.{key}` is `{present}` already");
            return Err(CliError::new(ErrorClass::Refused, message)
                .with_help("--force replaces it; without --write the lines are only printed"));
        }
        _ => {}
    }
    match inner.get_mut(key).and_then(Item::as_value_mut) {
        Some(present) => {
            let decor = present.decor().clone();
            *present = Value::from(text);
            *present.decor_mut() = decor;
        }
        None => drop(inner.insert(key, value(text))),
    }
    Ok(())
}

/// A table that is only there for the tables in it, and gets no heading.
fn implicit_table() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

/// Replaces the file in one step.
fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error| CliError::from_io("write", shown(path), &error);
    // A link is somebody's arrangement: what it points at is written.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let directory = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    let mut file = new_file(directory).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if let Ok(before) = fs::metadata(&target) {
        let permissions = before.permissions();
        file.as_file()
            .set_permissions(permissions)
            .map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A temporary file that all may read: cargo's configuration holds no secret of
/// ours.
fn new_file(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:8000";

    #[test]
    fn an_empty_file_gets_the_lines_that_are_printed() {
        assert_eq!(edited("", URL, false).unwrap(), client_config(URL));
        let again = edited(&client_config(URL), URL, false).unwrap();
        assert_eq!(again, client_config(URL), "writing twice changes nothing");
    }

    #[test]
    fn what_is_there_is_kept_to_the_byte() {
        let before =
            "# mine\n[build]\njobs = 4   # few\n\n[registries]\nother = { index = \"x\" }\n";
        let after = edited(before, URL, false).unwrap();
        assert!(
            after.starts_with("# mine\n[build]\njobs = 4   # few\n"),
            "{after}"
        );
        assert!(after.contains("other = { index = \"x\" }"));
        let document: DocumentMut = after.parse().unwrap();
        assert_eq!(
            document["registries"]["romt"]["index"].as_str(),
            Some("sparse+http://127.0.0.1:8000/index/")
        );
        assert_eq!(
            document["source"]["crates-io"]["replace-with"].as_str(),
            Some("romt")
        );
    }

    #[test]
    fn a_new_address_replaces_the_old_one_and_keeps_its_comment() {
        let before = client_config(URL).replace("/index/\"", "/index/\" # the mirror");
        let after = edited(&before, "http://mirror:80/", false).unwrap();
        assert!(
            after.contains("\"sparse+http://mirror:80/index/\" # the mirror"),
            "{after}"
        );
    }

    #[test]
    fn somebody_elses_replacement_stays_unless_forced() {
        let before = "[source.crates-io]\nreplace-with = \"vendored\"\n";
        let error = edited(before, URL, false).unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused);
        assert!(error.message.contains("vendored"));
        assert!(
            edited(before, URL, true)
                .unwrap()
                .contains("replace-with = \"romt\"")
        );
    }

    #[test]
    fn somebody_elses_registry_of_the_name_stays_unless_forced() {
        let before = "[registries.romt]\nindex = \"sparse+https://theirs/\"\ntoken = \"x\"\n";
        let error = edited(before, URL, false).unwrap_err();
        assert_eq!(error.class, ErrorClass::Refused);
        assert!(error.message.contains("`registries.romt.index`"));
        assert!(error.help.unwrap().contains("--force"));
        let forced = edited(before, URL, true).unwrap();
        assert!(!forced.contains("theirs") && forced.contains("token"));
        // One that says the same is no obstacle.
        let same = before.replace("https://theirs/", "http://127.0.0.1:8000/index/");
        assert!(edited(&same, URL, false).unwrap().contains("replace-with"));
    }

    #[test]
    fn line_ends_are_kept() {
        let windows = client_config(URL).replace('\n', "\r\n");
        assert_eq!(edited(&windows, URL, false).unwrap(), windows);
        let before = "# ours\r\n[build]\r\njobs = 4 # few\r\n";
        let after = edited(before, URL, false).unwrap();
        assert!(after.starts_with(before), "{after:?}");
        assert_eq!(
            after.matches('\n').count(),
            after.matches("\r\n").count(),
            "{after:?}"
        );
        assert!(!after.contains("\r\r"), "{after:?}");
    }

    #[test]
    fn what_is_no_toml_is_refused() {
        assert!(edited("[[[", URL, true).is_err());
        assert!(edited("source = 1", URL, true).is_err());
    }
}
