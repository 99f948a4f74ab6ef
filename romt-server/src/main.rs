//! The `romt-server` command: serves a mirror, and does nothing else.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use romt_core::ErrorClass;
use romt_server::{
    BaseUrl, Limits, Listening, ServeError, ServedMirror, ServerOptions, client_config,
};
use tracing_subscriber::EnvFilter;

/// Serve a mirror of Rust crates and toolchains, with no connection to anywhere.
///
/// The same server as `romt serve`, for machines that only serve. Exit status: 0
/// stopped, 2 bad usage, 4 refused, 5 the disk failed.
#[derive(Debug, Parser)]
#[command(name = "romt-server", version)]
struct Args {
    /// Where the mirror is
    #[arg(long, value_name = "DIR", default_value = ".", env = "ROMT_MIRROR")]
    mirror: PathBuf,
    /// The address to listen on; 0.0.0.0 is every one of this machine
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    bind: String,
    /// The port to listen on; 0 chooses a free one
    #[arg(long, value_name = "N", default_value_t = 8000)]
    port: u16,
    /// The address that clients reach the server at, if a proxy stands before it
    // Parsed by us: clap would show the password of an address that is refused.
    #[arg(long, value_name = "URL")]
    server_url: Option<String>,
    /// What is logged: `warn`, `info` with each request, `debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "ROMT_LOG")]
    log: EnvFilter,
    /// Log JSON, an object a line
    #[arg(long)]
    log_json: bool,
}

/// As in `romt`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A failure, with its class.
struct Failure(ErrorClass, Box<dyn std::error::Error>);

fn main() -> ExitCode {
    let mut args = Args::parse();
    let log = tracing_subscriber::fmt()
        .with_env_filter(std::mem::take(&mut args.log))
        .with_writer(std::io::stderr);
    if args.log_json {
        log.json().init();
    } else {
        log.init();
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(class, error)) => {
            let mut text = format!("error[{class}]: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            drop(writeln!(std::io::stderr(), "{text}"));
            ExitCode::from(class.exit_code())
        }
    }
}

#[tokio::main]
async fn run(args: &Args) -> Result<(), Failure> {
    let base_url = args.server_url.as_deref().map(str::parse::<BaseUrl>);
    let base_url = base_url
        .transpose()
        .map_err(|error| Failure(ErrorClass::Usage, error.into()))?;
    let mirror = ServedMirror::open(&args.mirror)
        .await
        .map_err(|error| Failure(error.class(), error.into()))?;
    if !mirror
        .is_published()
        .await
        .map_err(|error| Failure(error.class(), error.into()))?
    {
        tracing::warn!("the mirror holds no crates yet");
    }
    let served = |error: ServeError| Failure(error.class(), error.into());
    let listening = Listening::bind(&args.bind, args.port)
        .await
        .map_err(served)?;
    let mut options = ServerOptions::default();
    let mut url = listening.url();
    if let Some(base_url) = base_url {
        url = base_url.to_string();
        options = options.with_base_url(base_url);
    }
    let stdout = std::io::stdout();
    drop(write!(
        stdout.lock(),
        "# serving {url}\n{}",
        client_config(&url)
    ));
    listening
        .serve(mirror, options, Limits::default(), stop())
        .await
        .map_err(served)?;
    Ok(())
}

/// Done when the process is asked to stop.
async fn stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    drop(tokio::signal::ctrl_c().await);
}
