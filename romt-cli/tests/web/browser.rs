//! A browser, told what to do through its driver: a few requests of `WebDriver`.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::{PATIENCE, Running};

/// Nothing that a browser does on its own account.
const FLAGS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A key with Control held, as `WebDriver` spells it.
pub(crate) const PASTE: &str = "\u{e009}v\u{e000}";
pub(crate) const ENTER: &str = "\u{e007}";

/// A browser without a window. Dropping it ends it.
pub(crate) struct Browser {
    address: String,
    session: String,
    // Ended after the session, and the profile removed after that.
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    /// Starts the browser whose driver `ROMT_CHROMEDRIVER` names.
    pub(crate) fn start() -> Self {
        let driver = std::env::var_os("ROMT_CHROMEDRIVER").expect("the test is run with it");
        let mut driver = Running::spawn(Command::new(driver).arg("--port=0"));
        let told = "started successfully on port ";
        driver.wait_until(told, |driver| driver.stdout().contains(told));
        let stdout = driver.stdout();
        let (_, port) = stdout.split_once(told).expect("it was waited for");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let address = format!("127.0.0.1:{port}");
        let profile = tempfile::tempdir().expect("a directory is made");
        let mut args: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        // On a machine with other work a browser sometimes does not come up in its time.
        let start = || try_value(&address, "POST", "/session", &wanted);
        let answer = start().or_else(|_| start()).or_else(|_| start());
        let answer = answer.unwrap_or_else(|error| panic!("no browser: {error}"));
        let session = answer["sessionId"].as_str().expect("it has a name");
        Self {
            session: session.to_owned(),
            address,
            _driver: driver,
            _profile: profile,
        }
    }

    /// Goes to a page, and waits until it is there.
    pub(crate) fn open(&self, url: &str) {
        self.post("url", &json!({ "url": url }));
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        let path = format!("/session/{}/url", self.session);
        let url = ask(&self.address, "GET", &path, &Value::Null);
        url.as_str().expect("it is text").to_owned()
    }

    /// What the JavaScript function body `script` returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// The text that `script` returns.
    pub(crate) fn text(&self, script: &str) -> String {
        let text = self.run(script);
        text.as_str()
            .unwrap_or_else(|| panic!("{script}: {text}"))
            .to_owned()
    }

    /// Clicks the first element that `selector` finds.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.post(&format!("element/{element}/click"), &json!({}));
    }

    /// Types into the first element that `selector` finds.
    pub(crate) fn type_into(&self, selector: &str, keys: &str) {
        let element = self.find(selector);
        self.post(
            &format!("element/{element}/value"),
            &json!({ "text": keys }),
        );
    }

    /// Has the page shown in a window of this width.
    pub(crate) fn be_wide(&self, width: u32) {
        let metrics = json!({
            "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Has pages believe that their user wants them `dark` or `light`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        let media = json!({ "features": [feature] });
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    /// Runs no scripts of pages any more, or does again.
    pub(crate) fn forbid_scripts(&self, value: bool) {
        let value = json!({ "value": value });
        self.devtools("Emulation.setScriptExecutionDisabled", &value);
    }

    /// What the window shows, as the text of a PNG.
    pub(crate) fn screenshot(&self) -> String {
        let path = format!("/session/{}/screenshot", self.session);
        let shot = ask(&self.address, "GET", &path, &Value::Null);
        shot.as_str().expect("it is text").to_owned()
    }

    /// What the browser did not like since this was last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("it is a list").iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        let request = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", &request);
    }

    fn find(&self, selector: &str) -> String {
        let request = json!({ "using": "css selector", "value": selector });
        let found = self.post("element", &request);
        let mut ids = found.as_object().expect("it is there").values();
        let id = ids.next().and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{selector}: {found}"))
            .to_owned()
    }

    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{command}", self.session);
        ask(&self.address, "POST", &path, body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser; who killed the driver would leave it behind.
        let path = format!("/session/{}", self.session);
        drop(try_ask(&self.address, "DELETE", &path, &Value::Null));
    }
}

/// Asks the driver, which must do what it is asked.
fn ask(address: &str, method: &str, path: &str, body: &Value) -> Value {
    let value = try_value(address, method, path, body);
    value.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn try_value(address: &str, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let answer = try_ask(address, method, path, body).map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_slice(&answer).expect("drivers speak JSON");
    let value = answer["value"].take();
    match value.get("error") {
        None => Ok(value),
        Some(_) => Err(format!("{value:#}")),
    }
}

fn try_ask(address: &str, method: &str, path: &str, body: &Value) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(answer)
}
