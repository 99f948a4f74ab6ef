//! The `romt-server` command: serves a mirror, and does nothing else.

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use romt_core::ErrorClass;
use romt_server::{
    AccessLogArg, BaseUrl, CheckArg, FrontArgs, FrontArgsError, Listening, LogQueue, ServeError,
    ServedMirror, ServerOptions, client_config, token_config,
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
    #[command(flatten)]
    front: FrontArgs,
    /// Say what clients would be missing, and exit; with `=full` every byte is read
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, require_equals = true,
          default_missing_value = "present")]
    check: Option<CheckArg>,
    /// What is logged besides requests: `warn`, `info`, `debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "ROMT_LOG")]
    log: EnvFilter,
    /// Log JSON, an object a line
    #[arg(long)]
    log_json: bool,
}

/// A failure, with its class.
struct Failure(ErrorClass, Box<dyn std::error::Error>);

fn main() -> ExitCode {
    let mut args = Args::parse();
    let queue = match LogQueue::new(std::io::stderr()) {
        Ok(queue) => queue,
        Err(error) => {
            drop(writeln!(
                std::io::stderr(),
                "error[STORAGE]: could not begin the log: {error}"
            ));
            return ExitCode::from(ErrorClass::Storage.exit_code());
        }
    };
    let lines = queue.clone();
    let log = tracing_subscriber::fmt()
        .with_env_filter(std::mem::take(&mut args.log))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(move || lines.clone());
    if args.log_json {
        log.json().init();
    } else {
        log.init();
    }
    let result = run(&args, &queue);
    // What was logged comes before what the end is.
    queue.finish();
    match result {
        Ok(code) => code,
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
async fn run(args: &Args, queue: &LogQueue) -> Result<ExitCode, Failure> {
    let refused = |error: FrontArgsError| Failure(error.class(), error.into());
    let base_url = args.server_url.as_deref().map(str::parse::<BaseUrl>);
    let base_url = base_url
        .transpose()
        .map_err(|error| Failure(ErrorClass::Usage, error.into()))?;
    let mirror = ServedMirror::open(&args.mirror)
        .await
        .map_err(|error| Failure(error.class(), error.into()))?;
    if let Some(how) = args.check {
        return check(&mirror, how).await;
    }
    if !mirror
        .is_published()
        .await
        .map_err(|error| Failure(error.class(), error.into()))?
    {
        tracing::warn!("the mirror holds no crates yet");
    }
    let front = args.front.front(AccessLogArg::Text, || Ok(queue.clone()));
    let front = front.map_err(refused)?;
    let tokens = args.front.tokens().map_err(refused)?;
    let served = |error: ServeError| Failure(error.class(), error.into());
    let listening = Listening::bind(&args.bind, args.port)
        .await
        .map_err(served)?;
    let mut options = ServerOptions::default();
    let mut url = listening.url(front.tls.is_some());
    if let Some(base_url) = base_url {
        url = base_url.to_string();
        options = options.with_base_url(base_url);
    }
    let mut lines = client_config(&url);
    if let Some(tokens) = tokens {
        options = options.with_tokens(tokens);
        lines = format!("{lines}\n{}", token_config());
    }
    let stdout = std::io::stdout();
    drop(write!(stdout.lock(), "# serving {url}\n{lines}"));
    listening
        .serve(mirror, options, front, stop())
        .await
        .map_err(served)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what clients of `mirror` would be missing.
async fn check(mirror: &ServedMirror, how: CheckArg) -> Result<ExitCode, Failure> {
    let mut tell = |fault: &romt_server::Fault| drop(writeln!(std::io::stdout(), "{fault}"));
    let report = romt_server::check(mirror, how.into(), &mut tell).await;
    let report = report.map_err(|error| Failure(error.class(), error.into()))?;
    drop(writeln!(std::io::stderr(), "{report}"));
    let code = report.class.map_or(0, ErrorClass::exit_code);
    Ok(ExitCode::from(code))
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
