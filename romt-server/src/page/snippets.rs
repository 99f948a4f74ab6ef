//! What people type to use a mirror, for each platform.

use std::borrow::Cow;

use crate::{CLIENT_REGISTRY, client::with_token, client_config, rustup_environment, token_config};

/// How a client gets at the mirror.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'b> {
    /// Its address.
    pub(super) base: &'b str,
    /// Whether only those may read who have a token.
    pub(super) needs_token: bool,
}

impl<'b> Access<'b> {
    /// The address as rustup and curl need it.
    fn base(self) -> Cow<'b, str> {
        if self.needs_token {
            Cow::Owned(with_token(self.base))
        } else {
            Cow::Borrowed(self.base)
        }
    }

    /// The lines that cargo needs.
    fn config(self) -> String {
        let config = client_config(self.base);
        if self.needs_token {
            format!("{config}\n{}", token_config())
        } else {
            config
        }
    }

    /// The command by which cargo is told a token, after the command before it.
    fn login(self) -> String {
        if self.needs_token {
            format!("\ncargo login --registry {CLIENT_REGISTRY}")
        } else {
            String::new()
        }
    }
}

/// What a mirror has, so that nobody is told to set up what is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Has {
    pub(super) crates: bool,
    pub(super) toolchains: bool,
    pub(super) installers: bool,
}

/// A platform, and what is done on it.
#[derive(Debug)]
pub(super) struct Platform {
    /// For links, as in `linux`.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) steps: Vec<Step>,
}

/// Something to be done.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) code: String,
}

/// What is typed to use the mirror that is got at by `access`.
pub(super) fn platforms(access: Access<'_>, has: Has) -> Vec<Platform> {
    let all = [
        ("linux", "Linux", unix(access, "~/.profile", has)),
        ("macos", "macOS", unix(access, "~/.zprofile", has)),
        ("powershell", "Windows, PowerShell", powershell(access, has)),
        ("cmd", "Windows, command prompt", cmd(access, has)),
        ("container", "Containers and CI", container(access, has)),
    ];
    let all = all.into_iter();
    all.map(|(id, name, steps)| Platform { id, name, steps })
        .filter(|platform| !platform.steps.is_empty())
        .collect()
}

const KEEP: &str = "Let rustup know this mirror";
const INSTALL: &str = "Install Rust with rustup";
const CARGO: &str = "Let cargo take crates from this mirror";

/// Those of `steps` that make sense where a mirror `has` this.
fn fitting(has: Has, keep: String, install: String, cargo: String) -> Vec<Step> {
    let steps = [
        (has.toolchains || has.installers, KEEP, keep),
        (has.installers, INSTALL, install),
        (has.crates, CARGO, cargo),
    ];
    let fitting = steps.into_iter().filter(|(fits, ..)| *fits);
    fitting
        .map(|(_, title, code)| Step { title, code })
        .collect()
}

fn unix(access: Access<'_>, profile: &str, has: Has) -> Vec<Step> {
    let base = access.base();
    let exports: Vec<String> = variables(&base)
        .map(|(name, value)| format!("export {name}={}", sh(&value)))
        .collect();
    let exports = exports.join("\n");
    let keep = format!("cat >> {profile} <<'EOF'\n{exports}\nEOF\n. {profile}");
    let install = format!("curl -sSf {} | sh", sh(&format!("{base}/rustup-init.sh")));
    let (config, login) = (access.config(), access.login());
    let cargo =
        format!("mkdir -p ~/.cargo\ncat >> ~/.cargo/config.toml <<'EOF'\n{config}EOF{login}");
    fitting(has, keep, install, cargo)
}

fn powershell(access: Access<'_>, has: Has) -> Vec<Step> {
    let keep: Vec<String> = variables(&access.base())
        .map(|(name, value)| {
            let value = ps(&value);
            format!(
                "$env:{name} = {value}\n\
                 [Environment]::SetEnvironmentVariable('{name}', {value}, 'User')"
            )
        })
        .collect();
    let url = ps(&format!(
        "{}/rustup/dist/{WINDOWS}/rustup-init.exe",
        access.base
    ));
    // It does not send what is in the address.
    let headers = if access.needs_token {
        " -Headers @{Authorization='Bearer TOKEN'}"
    } else {
        ""
    };
    let install =
        format!("Invoke-WebRequest {url}{headers} -OutFile rustup-init.exe\n.\\rustup-init.exe");
    let (config, login) = (access.config(), access.login());
    let cargo = format!(
        "New-Item -ItemType Directory -Force \"$HOME\\.cargo\" | Out-Null\n\
         Add-Content \"$HOME\\.cargo\\config.toml\" @'\n{config}'@{login}"
    );
    fitting(has, keep.join("\n"), install, cargo)
}

fn cmd(access: Access<'_>, has: Has) -> Vec<Step> {
    let base = access.base();
    let keep: Vec<String> = variables(&base)
        .map(|(name, value)| format!("set \"{name}={value}\"\nsetx {name} \"{value}\""))
        .collect();
    let url = format!("\"{base}/rustup/dist/{WINDOWS}/rustup-init.exe\"");
    let install = format!("curl -sSf -o rustup-init.exe {url}\nrustup-init.exe");
    let (config, login) = (access.config(), access.login());
    let echoes: Vec<String> = config
        .lines()
        .map(|line| match line {
            "" => "echo.".to_owned(),
            line => format!("echo {line}"),
        })
        .collect();
    let cargo = format!(
        "mkdir \"%USERPROFILE%\\.cargo\" 2>nul\n(\n{}\n) >> \"%USERPROFILE%\\.cargo\\config.toml\"{login}",
        echoes.join("\n")
    );
    fitting(has, keep.join("\n"), install, cargo)
}

/// Lines of a Dockerfile, which any shell of a CI understands less their first words.
fn container(access: Access<'_>, has: Has) -> Vec<Step> {
    let base = access.base();
    let keep: Vec<String> = variables(&base)
        .map(|(name, value)| format!("ENV {name}={}", sh(&value)))
        .collect();
    let script = sh(&format!("{base}/rustup-init.sh"));
    let install = format!("RUN curl -sSf {script} | sh -s -- -y --no-modify-path");
    let lines: Vec<String> = access.config().lines().map(sh_always).collect();
    let cargo = format!(
        "RUN home=\"${{CARGO_HOME:-$HOME/.cargo}}\" && mkdir -p \"$home\" && printf '%s\\n' \\\n    \
         {} \\\n    >> \"$home/config.toml\"",
        lines.join(" \\\n    ")
    );
    fitting(has, keep.join("\n"), install, cargo)
}

/// The target of most machines with Windows.
const WINDOWS: &str = "x86_64-pc-windows-msvc";

/// The variables of rustup, by name.
fn variables(base: &str) -> impl Iterator<Item = (String, String)> {
    let lines = rustup_environment(base);
    let pairs: Vec<_> = lines
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    pairs.into_iter()
}

/// `text` as one word of a POSIX shell.
pub(crate) fn sh(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b":/._-".contains(&b);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    sh_always(text)
}

fn sh_always(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `text` as a string of PowerShell.
fn ps(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(base: &str) -> Access<'_> {
        Access {
            base,
            needs_token: false,
        }
    }

    #[test]
    fn who_needs_a_token_is_told_where_it_goes() {
        let access = Access {
            base: "https://mirror.example",
            needs_token: true,
        };
        for platform in platforms(access, ALL) {
            let [keep, install, cargo] = &platform.steps[..] else {
                panic!("{} has other steps", platform.id);
            };
            let id = platform.id;
            assert!(
                keep.code.contains("https://me:TOKEN@mirror.example"),
                "{id}"
            );
            assert!(install.code.contains("TOKEN"), "{id}");
            // cargo has it from elsewhere, and sends none that is in an address.
            assert!(!cargo.code.contains("TOKEN@"), "{id}");
            assert!(cargo.code.contains("global-credential-providers"), "{id}");
            let logs_in = cargo.code.ends_with("\ncargo login --registry romt");
            assert_eq!(logs_in, id != "container", "{id}");
        }
    }

    const ALL: Has = Has {
        crates: true,
        toolchains: true,
        installers: true,
    };

    #[test]
    fn every_platform_is_told_where_the_mirror_is() {
        let base = "http://mirror.example:8000";
        let all = platforms(open(base), ALL);
        let ids: Vec<&str> = all.iter().map(|it| it.id).collect();
        assert_eq!(ids, ["linux", "macos", "powershell", "cmd", "container"]);
        for platform in all {
            assert_eq!(platform.steps.len(), 3, "{}", platform.id);
            let text: String = platform.steps.into_iter().map(|it| it.code).collect();
            for part in [
                "RUSTUP_DIST_SERVER",
                "http://mirror.example:8000/rustup",
                "replace-with = \"romt\"",
                "sparse+http://mirror.example:8000/index/",
            ] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn nobody_is_told_to_use_what_is_not_there() {
        let nothing = Has {
            crates: false,
            toolchains: false,
            installers: false,
        };
        assert!(platforms(open("http://m"), nothing).is_empty());
        let crates = Has {
            crates: true,
            ..nothing
        };
        for platform in platforms(open("http://m"), crates) {
            let titles: Vec<&str> = platform.steps.iter().map(|it| it.title).collect();
            assert_eq!(titles, [CARGO]);
        }
    }

    #[test]
    fn hostile_c05_odd_addresses_are_quoted() {
        assert_eq!(sh("http://m:80/x-y_z"), "http://m:80/x-y_z");
        assert_eq!(sh("http://[::1]:80"), "'http://[::1]:80'");
        assert_eq!(sh("a'b$(c)"), r"'a'\''b$(c)'");
        assert_eq!(sh(""), "''");
        assert_eq!(ps("a'b"), "'a''b'");
    }
}
