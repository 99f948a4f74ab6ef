//! The connections, and one request over them.

use std::{fmt, sync::Arc};

use reqwest::{Client, Method, Proxy, Request, Response, header::HeaderMap, redirect::Policy};
use romt_core::{
    Escaped, Location,
    ports::{SourceError, SourceErrorKind},
};
use rustls::{RootCertStore, pki_types::CertificateDer};
use tokio::sync::OnceCell;
use url::Url;

use super::{HttpOptions, HttpSetupError, ProxyChoice, failure, tls};

/// The most that the head of an answer may have, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Connections to HTTP servers, shared by all clones.
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

struct Inner {
    options: HttpOptions,
    /// For `http`: knows no certificates, which take long to load.
    plain: Client,
    /// For `https`, once needed.
    secure: OnceCell<Client>,
    extra: Vec<CertificateDer<'static>>,
}

impl HttpClient {
    /// Prepares to connect as `options` say. Connects to nothing yet.
    pub fn new(options: HttpOptions) -> Result<Self, HttpSetupError> {
        if let Some(ProxyChoice::Through(url)) = &options.proxy
            && !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h")
        {
            let proxy = Escaped::address(url.as_str());
            return Err(HttpSetupError::Proxy { proxy });
        }
        let mut extra = Vec::new();
        for file in &options.extra_ca_files {
            extra.extend(tls::read_ca_file(file)?);
        }
        // A proxy that is itself reached by TLS needs certificates for everything.
        let secure_proxy =
            matches!(&options.proxy, Some(ProxyChoice::Through(url)) if url.scheme() == "https");
        let roots = if secure_proxy {
            tls::system_roots(&extra)?
        } else {
            RootCertStore::empty()
        };
        let plain = build(&options, roots)?;
        Ok(Self(Arc::new(Inner {
            plain,
            secure: OnceCell::new(),
            extra,
            options,
        })))
    }

    /// As what this client was set up.
    pub fn options(&self) -> &HttpOptions {
        &self.0.options
    }

    /// The connections themselves, for a protocol that is more than fetching. They
    /// follow no redirect, and decode nothing.
    pub async fn connections(&self, url: &Url) -> Result<Client, SourceError> {
        let place = Location::Address(Box::new(url.clone()));
        Ok(self.client_for(url, &place).await?.clone())
    }

    /// Sends one request and waits for the head of its answer.
    ///
    /// `place` is what errors name: what was asked for, before any redirect.
    pub(super) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        place: &Location,
    ) -> Result<Response, SourceError> {
        let client = self.client_for(&url, place).await?;
        let mut request = Request::new(method, url);
        *request.headers_mut() = headers;
        let wait = self.0.options.first_byte_timeout;
        let response = match tokio::time::timeout(wait, client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(failure::of_request(error, place)),
            Err(_) => {
                let reason = format!("the server did not answer within {wait:?}");
                return Err(SourceError::new(SourceErrorKind::Transient, place, reason));
            }
        };
        let head: usize = response
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if head > MAX_HEAD {
            let reason = "the head of the answer is larger than the limit of 64 KiB";
            return Err(SourceError::new(SourceErrorKind::Refused, place, reason));
        }
        Ok(response)
    }

    async fn client_for(&self, url: &Url, place: &Location) -> Result<&Client, SourceError> {
        if url.scheme() != "https" {
            return Ok(&self.0.plain);
        }
        let inner = Arc::clone(&self.0);
        // Reading and parsing some hundred certificates is no work for an
        // asynchronous thread.
        let load = || async move {
            let built = tokio::task::spawn_blocking(move || {
                build(&inner.options, tls::system_roots(&inner.extra)?)
            });
            match built.await {
                Ok(built) => built,
                Err(error) => Err(HttpSetupError::Client(error.into())),
            }
        };
        self.0.secure.get_or_try_init(load).await.map_err(|error| {
            SourceError::new(SourceErrorKind::Failed, place, "TLS is not available")
                .with_source(error)
        })
    }
}

fn build(options: &HttpOptions, roots: RootCertStore) -> Result<Client, HttpSetupError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(roots)?)
        .user_agent(&options.user_agent)
        .connect_timeout(options.connect_timeout)
        // Redirects and codings have rules of ours.
        .redirect(Policy::none())
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .tcp_nodelay(true)
        .pool_max_idle_per_host(64)
        .http2_adaptive_window(true)
        .http2_max_header_list_size(64 * 1024);
    builder = match &options.proxy {
        None => builder,
        Some(ProxyChoice::Direct) => builder.no_proxy(),
        Some(ProxyChoice::Through(url)) => {
            // The error may quote the address, which may have a password.
            let proxy = Proxy::all(url.clone())
                .map_err(|error| HttpSetupError::Client(error.without_url().into()))?;
            builder.no_proxy().proxy(proxy)
        }
    };
    builder
        .build()
        .map_err(|error| HttpSetupError::Client(error.without_url().into()))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.0.options).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_an_unknown_kind_is_not_passed_over() {
        let client = |proxy: &str| {
            let through = ProxyChoice::Through(proxy.parse().unwrap());
            HttpClient::new(HttpOptions::default().with_proxy(Some(through)))
        };
        for good in ["http://h:1", "socks5://u:p@h", "socks5h://h"] {
            assert!(client(good).is_ok(), "{good}");
        }
        for bad in ["socks4://user:hunter2@h", "gopher://h", "file:///h"] {
            let error = client(bad).unwrap_err();
            assert!(matches!(error, HttpSetupError::Proxy { .. }), "{bad}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
