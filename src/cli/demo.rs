//! `demo`: the gateway with a simulated Evolink behind it, to be tried at once, without account and network.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;

use super::say;
use crate::app::{App, Listeners};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::{self, Checks, Environment, Loaded, Source};
use crate::keys::SecretKey;
use crate::server::listener::Shutdown;
use crate::simulator::{self, Simulator};
use crate::telemetry::{LogFormat, LogOptions, LogWriter, init_logs};

/// How much faster than Evolink the simulator is: a usual picture takes 1 to 3 seconds.
const SPEED: f64 = 10.0;
/// How long a picture under way may take to finish when the demo is stopped.
const DRAIN: &str = "5s";

/// Try the gateway with a simulated Evolink: no account, no network.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Where the gateway listens. Port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

impl Demo {
    /// Runs until it is interrupted.
    pub async fn run(self, log: &OnceCell<LogWriter>) -> ExitCode {
        match init_logs(LogOptions { format: LogFormat::Auto, level: "warn" }) {
            Ok(writer) => log.get_or_init(|| writer),
            Err(error) => return say(&error.to_string()),
        };
        match self.demo().await {
            Ok(()) => ExitCode::SUCCESS,
            Err(problem) => say(&problem),
        }
    }

    async fn demo(self) -> Result<(), String> {
        let simulator = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| format!("no port for the simulator: {error}"))?;
        let options = simulator::Options { speed: SPEED, estimated_time: 1, ..simulator::Options::default() };
        let simulator = Simulator::start(simulator, options).await;
        let key = SecretKey::generate();
        let loaded = self.settings(&simulator.url(), &key)?;
        let app = App::build(&loaded.settings, Clock::system()).map_err(|error| error.to_string())?;
        let listeners = Listeners::bind(&loaded.settings).await.map_err(|error| {
            format!("{error}\nTry another port: evolink-gateway demo --listen 127.0.0.1:0")
        })?;
        let address = listeners.api.local_addr().map_err(|error| error.to_string())?;
        let admin = listeners.admin.local_addr().map_err(|error| error.to_string())?;
        introduce(address, admin, &key);
        let shutdown = Shutdown::new();
        let interrupted = async {
            if tokio::signal::ctrl_c().await.is_ok() {
                shutdown.drain();
            }
            tokio::signal::ctrl_c().await.ok();
        };
        tokio::select! {
            served = app.run(listeners, None, shutdown.clone()) => served.map_err(|error| error.to_string())?,
            () = interrupted => {}
        }
        simulator.stop().await;
        Ok(())
    }

    /// The demo's configuration, written as a user would write it.
    fn settings(&self, simulator: &str, key: &SecretKey) -> Result<Loaded, String> {
        let yaml = format!(
            "server: {{listen: '{listen}', admin_listen: '127.0.0.1:0', drain: {DRAIN}}}\n\
             evolink:\n  \
               api_key: sk-simulator\n  \
               base_url: {simulator}\n  \
               files_url: {simulator}\n  \
               allow_private_media: true\n  \
               poll: {{min: 200ms}}\n\
             state: {{store: memory}}\n\
             images: {{store: none}}\n\
             teams:\n  - name: demo\n    keys: [{{name: demo, secret: {secret}}}]\n",
            listen = self.listen,
            secret = key.expose(),
        );
        let known_models = Catalog::model_ids();
        let checks = Checks { known_models, allow_missing_secrets: false };
        config::load(&Source::Text(yaml), &Environment::default(), &checks)
            .map_err(|problems| problems.to_string())
    }
}

/// What a newcomer needs, ready to be copied.
#[expect(clippy::print_stdout, reason = "the demo speaks to a person")]
fn introduce(address: SocketAddr, admin: SocketAddr, key: &SecretKey) {
    println!("{}", introduction(address, admin, key.expose()));
}

fn introduction(address: SocketAddr, admin: SocketAddr, key: &str) -> String {
    format!(
        r#"evolink-gateway demo: a simulated Evolink, real pictures of your prompt's words, {seconds} seconds each.

  base URL   http://{address}/v1
  team key   {key}
  metrics    http://{admin}/metrics

With curl:

  curl -s http://{address}/v1/images/generations -H "Authorization: Bearer {key}" -H "Content-Type: application/json" -d '{{"model":"gpt-image-2","prompt":"a lighthouse at dusk","size":"1024x1024"}}' | sed 's/.*"b64_json":"\([^"]*\)".*/\1/' | base64 -d > picture.png

With Python (pip install openai):

  import base64
  from openai import OpenAI

  client = OpenAI(base_url="http://{address}/v1", api_key="{key}")
  result = client.images.generate(model="gpt-image-2", prompt="a lighthouse at dusk", size="1024x1024")
  open("picture.png", "wb").write(base64.b64decode(result.data[0].b64_json))

Stop with Ctrl-C.
"#,
        seconds = "1 to 3",
    )
}
