//! What `up` and `serve` share: listening, and saying where.

use std::{io, net::SocketAddr};

use romt_core::{ErrorClass, Escaped};
use romt_server::{BaseUrl, HostPolicy, Limits, ServedMirror, ServerOptions};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::client_config;
use crate::{args::ListenArgs, error::CliError, report::Printer};

/// A listening socket, not yet served.
pub(super) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    server_url: Option<BaseUrl>,
}

impl Listening {
    /// Listens, so that a port that is taken is told before any work is done.
    pub(super) async fn bind(args: &ListenArgs) -> Result<Self, CliError> {
        let bind = args.bind.trim_start_matches('[').trim_end_matches(']');
        let failed = |error: io::Error| {
            let place = format!("{}:{}", Escaped::new(&args.bind), args.port);
            CliError::new(ErrorClass::Usage, format!("could not listen on {place}"))
                .caused_by(&error)
                .with_help("--port and --bind choose another address; --port 0 any free port")
        };
        let listener = TcpListener::bind((bind, args.port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            server_url: args.server_url.clone(),
        })
    }

    /// The address that clients on this machine reach the server at.
    pub(super) fn url(&self) -> String {
        if let Some(url) = &self.server_url {
            return url.to_string();
        }
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        format!("http://{address}")
    }

    /// Says where the server is and how cargo is pointed at it.
    pub(super) fn announce(&self, printer: &Printer) {
        let url = self.url();
        printer.serving(&url, self.address.ip().is_unspecified());
        if printer.level() < 1 {
            return;
        }
        let lines = client_config::lines(&url);
        printer.data(&format!(
            "# In .cargo/config.toml of a project, or by: romt client-config --write --url {url}\n{lines}"
        ));
    }

    /// Serves until `stop`, then lets what is under way finish.
    pub(super) async fn serve(
        self,
        mirror: ServedMirror,
        stop: CancellationToken,
    ) -> Result<(), CliError> {
        let mut options =
            ServerOptions::default().with_allowed_hosts(HostPolicy::for_address(&self.address));
        if let Some(url) = self.server_url {
            options = options.with_base_url(url);
        }
        let router = romt_server::router(mirror, &options);
        let limits = Limits::default();
        romt_server::serve(self.listener, router, limits, stop.cancelled_owned())
            .await
            .map(drop)
            .map_err(|error| CliError::from_error(ErrorClass::Storage, &error))
    }
}
