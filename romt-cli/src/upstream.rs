//! The upstream that the arguments name.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use romt_core::{
    ErrorClass, Escaped, EventSink, InvalidValue, Location, Sha256Digest, Source, Store, Upstream,
    crates::DownloadTemplate, sync::RetryPolicy,
};
use romt_index::SparseIndex;
use romt_store::{
    CargoHomeSource, HttpClient, HttpOptions, HttpSource, PathSource, ProxyChoice, SeededSource,
};
use url::{Host, Url};

use crate::{
    args::UpstreamArgs,
    error::{CliError, shown},
};

/// What `--index-url` names.
enum Place {
    Web(Url),
    Directory(PathBuf),
    CargoHome(PathBuf),
}

/// What the arguments name, found to be usable and not yet asked anything.
pub(crate) struct Origin {
    index: Arc<dyn Source>,
    crates: Arc<dyn Source>,
}

impl Origin {
    /// Judges the arguments. Nothing is asked and nothing is written, so that bad
    /// usage touches nothing.
    pub(crate) fn open(args: &UpstreamArgs) -> Result<Self, CliError> {
        let index: Arc<dyn Source> = match place(&args.index_url)? {
            Place::Web(url) => {
                require_tls(&url, args.allow_http)?;
                Arc::new(web(args, url)?)
            }
            Place::Directory(path) => Arc::new(PathSource::new(path)),
            Place::CargoHome(path) => Arc::new(cargo_home(path)?),
        };
        let mut crates = match &args.crates_url {
            Some(template) => crates_source(args, template, index.clone())?,
            None => index.clone(),
        };
        if let Some(home) = &args.cargo_home {
            crates = Arc::new(SeededSource::new(Arc::new(cargo_home(home)?), crates));
        }
        Ok(Self { index, crates })
    }

    /// The upstream, with what it says kept in `store`.
    pub(crate) fn upstream(
        &self,
        args: &UpstreamArgs,
        store: &Arc<dyn Store>,
        events: &Arc<dyn EventSink>,
    ) -> Upstream {
        let index = SparseIndex::new(self.index.clone())
            .with_retry(retry(args))
            .with_events(events.clone())
            .with_cache(store.clone());
        Upstream::new(Arc::new(index), self.crates.clone()).with_download(args.crates_url.clone())
    }
}

/// The source that reaches the crates of `template`, which the user vouches for.
fn crates_source(
    args: &UpstreamArgs,
    template: &DownloadTemplate,
    index: Arc<dyn Source>,
) -> Result<Arc<dyn Source>, CliError> {
    let invalid = |error: InvalidValue| CliError::from_error(ErrorClass::Usage, &error);
    let (name, version) = ("probe".parse(), "1.0.0".parse());
    let probe = template
        .expand(
            &name.map_err(invalid)?,
            &version.map_err(invalid)?,
            &Sha256Digest::of(b""),
        )
        .map_err(invalid)?;
    match probe {
        Location::Path(_) => Ok(index),
        Location::Address(url) if url.scheme() == "file" => {
            Ok(Arc::new(PathSource::new(Path::new("/"))))
        }
        Location::Address(mut origin) => {
            require_tls(&origin, args.allow_http)?;
            origin.set_path("/");
            origin.set_query(None);
            Ok(Arc::new(web(args, *origin)?))
        }
    }
}

/// A time-out that is none.
pub(crate) const NEVER: Duration = Duration::from_hours(10 * 365 * 24);

/// How failures for now are tried again.
pub(crate) fn retry(args: &UpstreamArgs) -> RetryPolicy {
    RetryPolicy::default().with_attempts(args.retries + 1)
}

fn place(text: &str) -> Result<Place, CliError> {
    let address = text.strip_prefix("sparse+").unwrap_or(text);
    let invalid = |reason: &str| {
        let shown = Escaped::address(text);
        CliError::usage(format!("--index-url `{shown}`: {reason}"))
            .with_help("write an address such as https://HOST/PATH/, a directory, or a cargo home")
    };
    if !address.contains("://") {
        let path = PathBuf::from(address);
        if !path.is_dir() {
            return Err(invalid("there is no such directory"));
        }
        let is_home = path.join("registry/index").is_dir();
        return Ok(if is_home {
            Place::CargoHome(path)
        } else {
            Place::Directory(path)
        });
    }
    let url = Url::parse(address).map_err(|error| invalid(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => {
            Ok(Place::Web(url))
        }
        "http" | "https" => Err(invalid("it has a query or a fragment")),
        "file" => url
            .to_file_path()
            .map(Place::Directory)
            .map_err(|()| invalid("it names no directory of this machine")),
        _ => Err(invalid("only http, https and file are known")),
    }
}

/// An upstream without encryption could be anybody.
fn require_tls(url: &Url, allow_http: bool) -> Result<(), CliError> {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || is_here || allow_http {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} is not encrypted, so anybody on the way could change the index",
        Escaped::address(url.as_str())
    ))
    .with_help("use https, or say --allow-http"))
}

fn web(args: &UpstreamArgs, url: Url) -> Result<HttpSource, CliError> {
    let mut options = patient(args.timeout).with_proxy(proxy(args)?);
    if let Some(file) = &args.ca_file {
        options = options.with_extra_ca_file(file);
    }
    HttpClient::new(options)
        .and_then(|client| HttpSource::new(client, url))
        .map(|source| source.with_plain_downgrade(args.allow_http))
        .map_err(|error| CliError::from_error(ErrorClass::Usage, &error))
}

/// A client that waits through so many seconds of silence, or for ever.
pub(crate) fn http_client(timeout: i64) -> Result<HttpClient, CliError> {
    let mut options = HttpOptions::default().with_total_timeout(None);
    options = match u64::try_from(timeout) {
        Ok(seconds) if seconds > 0 => {
            let timeout = Duration::from_secs(seconds);
            let (rate, window) = (options.min_rate, options.min_rate_window.max(timeout));
            options
                .with_connect_timeout(timeout)
                .with_first_byte_timeout(timeout)
                .with_idle_timeout(timeout)
                .with_min_rate(rate, window)
        }
        _ => options
            .with_connect_timeout(NEVER)
            .with_first_byte_timeout(NEVER)
            .with_idle_timeout(NEVER)
            .with_min_rate(0, NEVER),
    };
    HttpClient::new(options).map_err(|error| CliError::from_error(ErrorClass::Usage, &error))
}

/// What is at an address, at a `file:` address, or in a directory.
pub(crate) fn source_at(url: &str, timeout: i64) -> Result<Arc<dyn Source>, CliError> {
    let invalid = |reason: String| {
        let shown = Escaped::address(url);
        CliError::usage(format!("--url `{shown}`: {reason}"))
    };
    if !url.contains("://") {
        return Ok(Arc::new(PathSource::new(url)));
    }
    let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    match parsed.scheme() {
        "file" => {
            let source = PathSource::from_url(&parsed);
            Ok(Arc::new(
                source.map_err(|error| invalid(error.to_string()))?,
            ))
        }
        "http" | "https" => {
            let source = HttpSource::new(http_client(timeout)?, parsed);
            let source = source.map_err(|error| CliError::from_error(ErrorClass::Usage, &error))?;
            Ok(Arc::new(source))
        }
        _ => Err(invalid("only http, https and file are known".into())),
    }
}

/// Waits through so many seconds of silence, which no other limit may cut short.
fn patient(seconds: u64) -> HttpOptions {
    let timeout = Duration::from_secs(seconds);
    let options = HttpOptions::default();
    let connect = options.connect_timeout.min(timeout);
    let window = options.min_rate_window.max(timeout);
    let total = options.total_timeout.map(|total| total.max(timeout));
    let rate = options.min_rate;
    options
        .with_connect_timeout(connect)
        .with_first_byte_timeout(timeout)
        .with_idle_timeout(timeout)
        .with_min_rate(rate, window)
        .with_total_timeout(total)
}

fn proxy(args: &UpstreamArgs) -> Result<Option<ProxyChoice>, CliError> {
    let Some(address) = &args.proxy else {
        return Ok(None);
    };
    let invalid = |reason: &str| {
        let shown = Escaped::address(address);
        CliError::usage(format!("--proxy `{shown}`: {reason}"))
    };
    let url = Url::parse(address).map_err(|error| invalid(&error.to_string()))?;
    // The HTTP library passes over a proxy of any other kind and goes directly.
    if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
        return Err(invalid("only http, https, socks5 and socks5h are known"));
    }
    Ok(Some(ProxyChoice::Through(url)))
}

fn cargo_home(path: impl AsRef<Path>) -> Result<CargoHomeSource, CliError> {
    let path = path.as_ref();
    CargoHomeSource::open(path).map_err(|error| {
        CliError::from_error(ErrorClass::Usage, &error).with_help(format!(
            "is {} a cargo home, such as ~/.cargo?",
            shown(path)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_ends_a_silence_that_is_allowed() {
        let usual = HttpOptions::default();
        let options = patient(5);
        assert_eq!(options.connect_timeout.as_secs(), 5);
        assert_eq!(options.idle_timeout.as_secs(), 5);
        assert_eq!(options.min_rate_window, usual.min_rate_window);
        assert_eq!(options.total_timeout, usual.total_timeout);
        let options = patient(7200);
        assert_eq!(options.connect_timeout, usual.connect_timeout);
        for limit in [
            options.first_byte_timeout,
            options.idle_timeout,
            options.min_rate_window,
            options.total_timeout.unwrap(),
        ] {
            assert_eq!(limit.as_secs(), 7200);
        }
    }
}
