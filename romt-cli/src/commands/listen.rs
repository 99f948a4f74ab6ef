//! What `up` and `serve` share: listening, and saying where.

use romt_server::{BaseUrl, Limits, ServeError, ServedMirror, ServerOptions, client_config};
use tokio_util::sync::CancellationToken;

use crate::{args::ListenArgs, error::CliError, report::Printer};

/// A listening socket, not yet served.
pub(super) struct Listening {
    inner: romt_server::Listening,
    server_url: Option<BaseUrl>,
}

impl Listening {
    pub(super) async fn bind(args: &ListenArgs) -> Result<Self, CliError> {
        let inner = romt_server::Listening::bind(&args.bind, args.port).await;
        let inner = inner.map_err(|error| {
            failed(&error)
                .with_help("--port and --bind choose another address; --port 0 any free one")
        })?;
        Ok(Self {
            inner,
            server_url: args.server_url.clone(),
        })
    }

    /// The address that clients reach the server at.
    pub(super) fn url(&self) -> String {
        match &self.server_url {
            Some(url) => url.to_string(),
            None => self.inner.url(),
        }
    }

    /// Says where the server is and how cargo is pointed at it.
    pub(super) fn announce(&self, printer: &Printer) {
        let url = self.url();
        printer.serving(&url, self.inner.address().ip().is_unspecified());
        if printer.level() < 1 {
            return;
        }
        let lines = client_config(&url);
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
        let mut options = ServerOptions::default();
        if let Some(url) = self.server_url {
            options = options.with_base_url(url);
        }
        let stop = stop.cancelled_owned();
        let served = self
            .inner
            .serve(mirror, options, Limits::default(), stop)
            .await;
        served.map(drop).map_err(|error| failed(&error))
    }
}

fn failed(error: &ServeError) -> CliError {
    CliError::from_error(error.class(), error)
}
