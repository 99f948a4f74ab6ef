//! What `up` and `serve` share: listening, and saying where.

use romt_server::{
    AccessLogArg, BaseUrl, FrontArgsError, FrontOptions, LogQueue, ServeError, ServedMirror,
    ServerOptions, Tokens, client_config, token_config,
};
use tokio_util::sync::CancellationToken;

use crate::{args::ListenArgs, error::CliError, report::Printer};

/// A listening socket, not yet served.
pub(super) struct Listening {
    inner: romt_server::Listening,
    server_url: Option<BaseUrl>,
    front: FrontOptions,
    tokens: Option<Tokens>,
    log: Option<LogQueue>,
}

impl Listening {
    pub(super) async fn bind(args: &ListenArgs, printer: &Printer) -> Result<Self, CliError> {
        // With -v each request is told.
        let otherwise = match printer.level() {
            2.. => AccessLogArg::Text,
            _ => AccessLogArg::Off,
        };
        let mut log = None;
        let front = args.front.front(otherwise, || {
            let queue = LogQueue::new(std::io::stderr())?;
            log = Some(queue.clone());
            Ok(queue)
        });
        let front = front.map_err(|error| refused(&error))?;
        let tokens = args.front.tokens().map_err(|error| refused(&error))?;
        let inner = romt_server::Listening::bind(&args.bind, args.port).await;
        let inner = inner.map_err(|error| {
            failed(&error)
                .with_help("--port and --bind choose another address; --port 0 any free one")
        })?;
        Ok(Self {
            inner,
            server_url: args.server_url.clone(),
            front,
            tokens,
            log,
        })
    }

    /// The address that clients reach the server at.
    pub(super) fn url(&self) -> String {
        match &self.server_url {
            Some(url) => url.to_string(),
            None => self.inner.url(self.front.tls.is_some()),
        }
    }

    /// Says where the server is and how cargo is pointed at it.
    pub(super) fn announce(&self, printer: &Printer) {
        let url = self.url();
        printer.serving(&url, self.inner.address().ip().is_unspecified());
        if printer.level() < 1 {
            return;
        }
        let mut lines = client_config(&url);
        if self.tokens.is_some() {
            lines = format!("{lines}\n{}", token_config());
        }
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
        if let Some(tokens) = self.tokens {
            options = options.with_tokens(tokens);
        }
        let stop = stop.cancelled_owned();
        let served = self.inner.serve(mirror, options, self.front, stop).await;
        if let Some(log) = self.log {
            log.finish();
        }
        served.map(drop).map_err(|error| failed(&error))
    }
}

fn failed(error: &ServeError) -> CliError {
    CliError::from_error(error.class(), error)
}

fn refused(error: &FrontArgsError) -> CliError {
    CliError::from_error(error.class(), error)
}
