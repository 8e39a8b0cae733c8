//! `evolink-gateway simulate`: the simulator alone, for developing against it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::simulator::{self, Fault, Options, Simulator};

/// Run a stand-in for Evolink: task API, files API and media host on one address
#[derive(Debug, Args)]
pub struct Simulate {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9999")]
    listen: String,
    /// Divides the times of tasks
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    speed: f64,
    /// Times of tasks, for example 10s..30s, instead of Evolink's by quality and size
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    latency: Option<(Duration, Duration)>,
    /// The same seed gives the same times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The estimated_time that tasks tell, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 100)]
    estimated_time: u64,
    /// An accepted API key; may be repeated; any key without it
    #[arg(long = "api-key", value_name = "KEY")]
    api_keys: Vec<String>,
    /// Credits of the account
    #[arg(long, default_value_t = 1_000_000.0, value_parser = factor)]
    credits: f64,
    /// No batch query: POST /v1/tasks/batch answers 404
    #[arg(long)]
    no_batch: bool,
    /// No list of tasks: GET /v1/tasks answers 404
    #[arg(long)]
    no_list: bool,
    /// Ignore Idempotency-Key: every create makes a task of its own, repeated or not
    #[arg(long)]
    no_idempotency: bool,
    /// Plain pictures of exactly so many bytes
    #[arg(long, value_name = "BYTES")]
    picture_bytes: Option<usize>,
    /// A fault, for example create:429*2;retry-after=1; may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<Fault>,
}

impl Simulate {
    /// Runs until SIGINT or SIGTERM. Exit code 0, or 1 when the address cannot be used.
    pub async fn run(self) -> ExitCode {
        let served = match stopped() {
            Ok(shutdown) => self.serve(shutdown).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say_error(&error);
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let listener = TcpListener::bind(&self.listen).await?;
        let simulator = Simulator::start(listener, self.options()).await;
        say_ready(&simulator.url());
        shutdown.await;
        simulator.stop().await;
        Ok(())
    }

    fn options(self) -> Options {
        Options {
            speed: self.speed,
            latency: self.latency,
            seed: self.seed,
            estimated_time: self.estimated_time,
            api_keys: self.api_keys,
            credits: self.credits,
            batch: !self.no_batch,
            list: !self.no_list,
            idempotency: !self.no_idempotency,
            picture_bytes: self.picture_bytes,
            faults: self.faults,
            ..Options::default()
        }
    }
}

#[expect(clippy::print_stdout, reason = "scripts wait for this line and read the port from it")]
fn say_ready(url: &str) {
    println!("simulator listening on {url}");
}

#[expect(clippy::print_stderr, reason = "the command's error must be seen whatever the log level")]
fn say_error(error: &std::io::Error) {
    eprintln!("simulate: {error}");
}

/// Ends at SIGINT or SIGTERM. Both are caught from the call on, not from the first poll: a script may stop the process
/// as soon as it has read the ready line.
fn stopped() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn factor(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

/// `10s..30s`, or one time for all tasks.
fn range(text: &str) -> Result<(Duration, Duration), String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let read = |text| simulator::duration(text).map_err(|error| error.to_string());
    let (from, to) = (read(from)?, read(to)?);
    if from <= to { Ok((from, to)) } else { Err("the range runs backwards".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn options(flags: &[&str]) -> Result<Options, clap::Error> {
        let line = Line::try_parse_from(std::iter::once(&"simulate").chain(flags))?;
        Ok(line.simulate.options())
    }

    #[test]
    fn flags_become_options() {
        let flags =
            ["--latency", "250ms..2s", "--no-batch", "--picture-bytes", "102400", "--fault", "create:500*2"];
        let options = options(&flags).unwrap();
        assert_eq!(options.latency, Some((Duration::from_millis(250), Duration::from_secs(2))));
        assert_eq!((options.batch, options.list, options.idempotency), (false, true, true));
        assert_eq!((options.picture_bytes, options.faults.len()), (Some(102_400), 1));
    }

    #[test]
    fn bad_flags_are_refused() {
        for flags in
            [["--speed", "0"], ["--latency", "9s..1s"], ["--fault", "create:nonsense"], ["--speed", "inf"]]
        {
            assert!(options(&flags).is_err(), "{flags:?}");
        }
    }

    #[tokio::test]
    async fn an_address_in_use_is_an_error_and_a_free_one_runs_until_shutdown() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let simulate =
            |listen: &str| Line::try_parse_from(["simulate", "--listen", listen]).unwrap().simulate;
        assert!(simulate(&address).serve(async {}).await.is_err());
        assert!(simulate("127.0.0.1:0").serve(async {}).await.is_ok());
    }
}
