//! The pages in a real browser, with a real mirror behind them.

use std::{fs, process::Command};

use romt_core::Sha256Digest;

use crate::{
    browser::{Browser, ENTER, PASTE},
    dist_support::SECOND_TARGET,
    scene::{RUSTUP, Scene},
    support::{
        http,
        process::{Running, run},
        upstream::stand_in,
    },
};

/// A browser before a mirror that has something of everything.
struct Sight {
    browser: Browser,
    url: String,
    host: String,
    _server: Running,
    _scene: Scene,
}

fn sight() -> Option<Sight> {
    let scene = Scene::of_everything()?;
    let (server, url) = scene.serve();
    Some(Sight {
        browser: Browser::start(),
        url,
        host: host(),
        _server: server,
        _scene: scene,
    })
}

/// What the rustc of this machine runs on.
fn host() -> String {
    let told = Command::new("rustc").arg("-vV").output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("it says so").to_owned()
}

impl Sight {
    fn open(&self, path: &str) {
        self.browser.open(&format!("{}/{path}", self.url));
    }

    /// All text of the page, also of what is not open.
    fn words(&self) -> String {
        self.browser.text("return document.body.textContent")
    }

    #[track_caller]
    fn expect_words(&self, words: &[&str]) {
        let text = self.words();
        for word in words {
            assert!(text.contains(word), "{word} is not on the page:\n{text}");
        }
    }

    /// Nothing came from elsewhere, nothing was missing, no policy was broken.
    #[track_caller]
    fn expect_peace(&self) {
        assert_eq!(self.browser.complaints(), [""; 0]);
        let elsewhere = format!(
            "return performance.getEntriesByType('resource').map(it => it.name)\
             .filter(it => !it.startsWith('{}/')).join(' ')",
            self.url
        );
        assert_eq!(self.browser.text(&elsewhere), "");
    }
}

const OPEN_ALL: &str = "for (const it of document.querySelectorAll('details')) it.open = true;";

#[test]
#[cfg_attr(
    not(romt_chromedriver),
    ignore = "ROMT_CHROMEDRIVER names no driver of a browser"
)]
fn the_first_page_has_everything() {
    let Some(sight) = sight() else { return };
    sight.open("");
    let (browser, url, host) = (&sight.browser, &sight.url, &sight.host);
    for platform in ["linux", "macos", "powershell", "cmd", "container"] {
        let text = browser.text(&format!(
            "return document.getElementById('{platform}').textContent"
        ));
        for part in [
            "RUSTUP_DIST_SERVER",
            &format!("{url}/rustup"),
            &format!("sparse+{url}/index/"),
            "replace-with = \"romt\"",
        ] {
            assert!(text.contains(part), "{platform} lacks {part}: {text}");
        }
    }
    // Counting is done in the background.
    for _ in 0..50 {
        if browser.text("return document.getElementById('versions').textContent") == "7" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        sight.open("");
    }
    for (id, text) in [
        ("crates", "5"),
        ("versions", "7"),
        ("toolchains", "2"),
        ("rustup", RUSTUP),
    ] {
        let shown = format!("return document.getElementById('{id}').textContent");
        assert_eq!(browser.text(&shown), text, "{id}");
    }
    let state = browser.text("return document.getElementById('state').textContent");
    assert!(state.starts_with("Index at "), "{state}");
    assert!(state.contains(" UTC"), "{state}");
    sight.expect_words(&[
        &format!("curl -sSf {url}/rustup-init.sh | sh"),
        "rustup toolchain install stable",
        &format!("rustup toolchain install stable-{host}"),
        &format!("rustup target add --toolchain stable {SECOND_TARGET}"),
        "rustup toolchain install nightly",
        "1.94.0",
        "2026-03-05",
        "2026-03-08",
        "1.96.0-nightly",
    ]);
    // Landmarks and labels, for those who do not see the page.
    for selector in [
        "html[lang]",
        "header form[role=search] label[for=q]",
        "input#q[type=search]",
        "main h1",
        "main section[aria-labelledby]",
        "footer",
        "[role=region][aria-label][tabindex]",
        "th[scope=row]",
    ] {
        let found = browser.run(&format!("return !!document.querySelector('{selector}')"));
        assert_eq!(found, true, "{selector}");
    }
    let unnamed = "return [...document.querySelectorAll('button, input, a')]\
         .filter(it => !(it.textContent.trim() || it.labels?.length || it.ariaLabel)).length";
    assert_eq!(browser.run(unnamed), 0, "something cannot be named");
    sight.expect_peace();

    let links = "return [...document.querySelectorAll('a[href]')].map(it => it.href).join(' ')";
    let links = browser.text(links);
    assert!(
        links.contains(&format!("{url}/rustup/dist/{host}/rustup-init")),
        "{links}"
    );
    for link in links.split(' ') {
        let path = link
            .strip_prefix(&format!("{url}/"))
            .expect("it leads nowhere else");
        let path = path.split('#').next().unwrap_or_default();
        assert_eq!(http::get(url, path).unwrap().0, 200, "{link}");
    }
}

#[test]
#[cfg_attr(
    not(romt_chromedriver),
    ignore = "ROMT_CHROMEDRIVER names no driver of a browser"
)]
fn what_the_page_tells_people_to_type_works() {
    let Some(sight) = sight() else { return };
    sight.open("");
    let config = romt_server::client_config(&sight.url);
    for (platform, profile) in [
        ("linux", Some(".profile")),
        ("macos", Some(".zprofile")),
        ("container", None),
    ] {
        let home = tempfile::tempdir().unwrap();
        let code = sight.browser.run(&format!(
            "return [...document.querySelectorAll('#{platform} code')].map(it => it.textContent)"
        ));
        let steps = code.as_array().unwrap().iter();
        let steps: Vec<&str> = steps.map(|it| it.as_str().unwrap()).collect();
        // What a line of a container file does is not for a shell; and nobody is here
        // to answer questions.
        let typed = steps.join("\n").replace("ENV ", "export ");
        let typed = typed
            .replace("RUN ", "")
            .replace("| sh\n", "| sh -s -- -y\n");
        let mut shell = Command::new("sh");
        shell.args(["-euc", &typed]).env("HOME", home.path());
        for name in ["CARGO_HOME", "RUSTUP_DIST_SERVER", "RUSTUP_UPDATE_ROOT"] {
            shell.env_remove(name);
        }
        let done = run(&mut shell).expect(0);
        let told = format!("{0} {0}/rustup\n<-y>\n", sight.url);
        assert!(
            done.stdout.starts_with(&told),
            "{platform}: {}",
            done.stdout
        );
        let written = fs::read_to_string(home.path().join(".cargo/config.toml")).unwrap();
        assert_eq!(written, config, "{platform}");
        if let Some(profile) = profile {
            let kept = fs::read_to_string(home.path().join(profile)).unwrap();
            let expected = romt_server::rustup_environment(&sight.url);
            assert_eq!(kept.replace("export ", ""), expected, "{platform}");
        }
    }
}

#[test]
#[cfg_attr(
    not(romt_chromedriver),
    ignore = "ROMT_CHROMEDRIVER names no driver of a browser"
)]
fn people_find_and_copy_what_they_need() {
    let Some(sight) = sight() else { return };
    let browser = &sight.browser;
    sight.open("");
    browser.type_into("#q", &format!("SHAPE{ENTER}"));
    assert_eq!(browser.url(), format!("{}/search?q=SHAPE", sight.url));
    sight.expect_words(&["1 in this mirror", "shapes", "1.10.0"]);
    browser.click("#found a");
    assert_eq!(browser.url(), format!("{}/crate/shapes", sight.url));
    let digest = Sha256Digest::of(stand_in("shapes", "1.9.0")).to_string();
    sight.expect_words(&[
        "3 versions in this mirror, 1 of them yanked",
        "cargo add shapes@1.10.0",
        "1.9.0",
        "2026-01-02",
        "1.70",
        &digest,
    ]);
    let yanked = browser.text("return document.querySelector('tr.gone').textContent");
    assert!(yanked.starts_with("1.0.0 yanked"), "{yanked}");
    let file = browser.text("return document.querySelector('#versions th a').href");
    let path = file
        .strip_prefix(&sight.url)
        .unwrap()
        .trim_start_matches('/');
    assert_eq!(http::get(&sight.url, path).unwrap().0, 200, "{file}");

    browser.click(".code .copy");
    let pressed = browser.text("return document.querySelector('.copy').textContent");
    assert!(["Copy", "Copied"].contains(&pressed.as_str()), "{pressed}");
    browser.type_into("#q", PASTE);
    let pasted = browser.text("return document.getElementById('q').value");
    assert_eq!(pasted, "cargo add shapes@1.10.0");
    sight.expect_peace();
    sight.open("search?q=%3Cscript%3Ealert(1)%3C/script%3E");
    sight.expect_words(&["No crate of this mirror", "<script>alert(1)</script>"]);
    sight.expect_peace();
}

#[test]
#[cfg_attr(
    not(romt_chromedriver),
    ignore = "ROMT_CHROMEDRIVER names no driver of a browser"
)]
fn pages_are_readable_on_a_phone_by_night_and_without_scripts() {
    let Some(sight) = sight() else { return };
    let browser = &sight.browser;
    for path in ["", "crate/shapes", "search?q=", "crate/MyCrate"] {
        sight.open(path);
        for width in [320, 390, 1280] {
            browser.be_wide(width);
            // A page that is too wide makes the window of a phone wider.
            let needed = "return document.documentElement.scrollWidth";
            let needed = browser.run(&format!("{OPEN_ALL} {needed}"));
            let needed = needed.as_u64().unwrap();
            assert!(needed <= width.into(), "{path} is {needed} wide in {width}");
        }
        browser.be_wide(390);
        let mut shots = Vec::new();
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            shots.push(browser.screenshot());
            let least = browser.run(CONTRAST).as_f64().unwrap();
            assert!(least >= 4.5, "{path}, {scheme}: a contrast of {least}");
        }
        assert!(shots[0] != shots[1], "{path} is the same by night");
        browser.prefer("");
    }

    let hidden = "return [...document.querySelectorAll('.copy')].every(it => it.hidden)";
    sight.open("");
    assert_eq!(browser.run(hidden), false);
    browser.forbid_scripts(true);
    sight.open("");
    let shown = "return document.querySelector('#linux pre').checkVisibility()";
    assert_eq!(browser.run(shown), true);
    assert_eq!(
        browser.run(hidden),
        true,
        "a button that does nothing is shown"
    );
    browser.click("#macos summary");
    let shown = "return document.querySelector('#macos pre').checkVisibility()";
    assert_eq!(browser.run(shown), true);
    browser.type_into("#q", &format!("xyz{ENTER}"));
    sight.expect_words(&["xyz", "1 in this mirror"]);
    browser.forbid_scripts(false);
    sight.expect_peace();
}

/// The least contrast of any text with what is behind it.
const CONTRAST: &str = "
    const channels = text => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => {
      const part = it => (it /= 255) <= .03928 ? it / 12.92 : ((it + .055) / 1.055) ** 2.4;
      return .2126 * part(r) + .7152 * part(g) + .0722 * part(b);
    };
    const behind = it => {
      for (; it; it = it.parentElement) {
        const color = channels(getComputedStyle(it).backgroundColor);
        if (color.length < 4 || color[3] > 0) return color;
      }
      return [255, 255, 255];
    };
    let least = 21;
    for (const it of document.querySelectorAll('body *')) {
      const own = [...it.childNodes].some(node => node.nodeType === 3 && node.data.trim());
      if (!own || !it.checkVisibility()) continue;
      const [a, b] = [light(channels(getComputedStyle(it).color)), light(behind(it))];
      least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05));
    }
    return least;";
