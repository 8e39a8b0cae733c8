//! `serve`: runs the gateway until a signal stops it.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::{EXIT_REFUSED, say};
use crate::app::{App, Listeners, StartError};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::settings::LogFormat;
use crate::config::{self, Checks, Environment, Loaded, Reload, Settings, Source};
use crate::server::listener::Shutdown;
use crate::telemetry::{self, LogOptions, LogWriter, init_logs};

/// Run the gateway.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The configuration. Default: $EVOLINK_GATEWAY_CONFIG, else ./config/gateway.yaml if there, else built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    /// Exits with 0 after a drain, with 2 for a configuration with problems, with 1 when it cannot start or go on.
    pub async fn run(self, log: &OnceCell<LogWriter>) -> ExitCode {
        let environment = Environment::of_process();
        let source = Source::choose(self.config, &environment);
        let known_models = Catalog::model_ids();
        let checks = Checks { known_models, allow_missing_secrets: false };
        let reload = Reload { source, environment, checks, now: Arc::new(Notify::new()) };
        let loaded = match config::load(&reload.source, &reload.environment, &reload.checks) {
            Ok(loaded) => loaded,
            Err(problems) => {
                say(&problems.to_string());
                return ExitCode::from(EXIT_REFUSED);
            }
        };
        match init_logs(log_options(&loaded.settings)) {
            Ok(writer) => log.get_or_init(|| writer),
            Err(error) => return say(&error.to_string()),
        };
        match serve(reload, loaded).await {
            Ok(()) => ExitCode::SUCCESS,
            // It was told where it was found out.
            Err(StartError::Broken) => ExitCode::FAILURE,
            Err(error) => {
                tracing::error!(%error, "the gateway cannot start");
                ExitCode::FAILURE
            }
        }
    }
}

async fn serve(reload: Reload, loaded: Loaded) -> Result<(), StartError> {
    for warning in &loaded.warnings {
        tracing::warn!(path = %warning.path, "{}", warning.message);
    }
    let app = App::build(&loaded.settings, Clock::system())?;
    let listeners = Listeners::bind(&loaded.settings).await?;
    announce(&listeners);
    let shutdown = Shutdown::new();
    let signals = signals(shutdown.clone(), Arc::clone(&reload.now));
    tokio::select! {
        served = app.run(listeners, Some((reload, loaded)), shutdown) => served,
        () = signals => Ok(()),
    }
}

fn announce(listeners: &Listeners) {
    if let (Ok(api), Ok(admin)) = (listeners.api.local_addr(), listeners.admin.local_addr()) {
        tracing::info!(%api, %admin, version = env!("CARGO_PKG_VERSION"), "listening");
    }
}

/// SIGHUP reloads; the first SIGINT or SIGTERM drains, and the second one ends this, and with it the process, at once.
async fn signals(shutdown: Shutdown, reload: Arc<Notify>) {
    let listen =
        |kind| signal(kind).inspect_err(|error| tracing::error!(%error, "a signal cannot be listened to"));
    let (Ok(mut hangup), Ok(mut interrupt), Ok(mut terminate)) =
        (listen(SignalKind::hangup()), listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                reload.notify_one();
                continue;
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if shutdown.is_draining() {
            tracing::warn!("stopped at once by a second signal");
            return;
        }
        shutdown.drain();
    }
}

fn log_options(settings: &Settings) -> LogOptions<'static> {
    LogOptions {
        format: match settings.log.format {
            LogFormat::Auto => telemetry::LogFormat::Auto,
            LogFormat::Pretty => telemetry::LogFormat::Pretty,
            LogFormat::Json => telemetry::LogFormat::Json,
        },
        level: settings.log.level.name(),
    }
}
