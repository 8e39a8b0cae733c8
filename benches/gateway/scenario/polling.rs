//! How late success is noticed, and how many looks that takes: by the simulator's books, which know the true ends.

use evolink_gateway::simulator::{LedgerView, TaskView};

use crate::Error;
use crate::load::{self, Client, Until};
use crate::process::Core;
use crate::report::{Report, count, mean, quantile};
use crate::setup::Bench;

/// Requests under way at once.
const CLIENTS: usize = 32;
/// Tasks to learn from, not counted.
const LEARNED: usize = 50;
const COUNTED: usize = 120;
const PICTURE_BYTES: usize = 4096;
/// The p95 lag allowed: this share of the generation's time, or this many seconds, whichever is more; then the mean.
const P95_ALLOWED: (f64, f64) = (0.07, 0.5);
const MEAN_ALLOWED: (f64, f64) = (0.04, 0.25);
const LOOKS_MAX: f64 = 24.0;
const STEADY_P95_MS_MAX: f64 = 500.0;
const STEADY_LOOKS_MAX: f64 = 6.0;
/// `poll.per_second`, its default.
const CALLS_PER_SECOND_MAX: f64 = 10.0;

/// What one kind of tasks showed.
struct Seen {
    /// True end to first notice, in seconds, and the generation's time.
    lags: Vec<(f64, f64)>,
    looks: Vec<f64>,
    calls_per_second: f64,
}

/// Both kinds run side by side: they mostly wait.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let (spread, steady) = tokio::try_join!(watch(bench, "10s..30s"), watch(bench, "9900ms..10100ms"))?;
    let name = "tasks of 10–30 s";
    spread.tell(name, report);
    report.at_most(
        format!("{name}: p95 lag / (7 % or 500 ms)"),
        quantile(&spread.shares(P95_ALLOWED), 0.95),
        1.0,
        "×",
    );
    report.at_most(
        format!("{name}: mean lag / (4 % or 250 ms)"),
        mean(&spread.shares(MEAN_ALLOWED)),
        1.0,
        "×",
    );
    report.at_most(format!("{name}: most looks at a task"), quantile(&spread.looks, 1.0), LOOKS_MAX, "");
    report.at_most(
        format!("{name}: most calls in a second"),
        spread.calls_per_second,
        CALLS_PER_SECOND_MAX,
        "",
    );
    let name = "tasks of 10 s ± 1 %";
    steady.tell(name, report);
    let lags: Vec<f64> = steady.lags.iter().map(|(lag, _)| lag * 1000.0).collect();
    report.at_most(format!("{name}: p95 lag"), quantile(&lags, 0.95), STEADY_P95_MS_MAX, "ms");
    report.at_most(format!("{name}: mean looks"), mean(&steady.looks), STEADY_LOOKS_MAX, "");
    report.at_most(
        format!("{name}: most calls in a second"),
        steady.calls_per_second,
        CALLS_PER_SECOND_MAX,
        "",
    );
    Ok(())
}

async fn watch(bench: &Bench, latency: &str) -> Result<Seen, Error> {
    let upstream = bench.upstream(&format!("--latency {latency} --picture-bytes {PICTURE_BYTES}")).await?;
    let gateway = bench.gateway_on(Core::Any, &upstream, "max_tasks: 32").await?;
    load::run(&gateway, CLIENTS, Until::Answered(LEARNED + COUNTED), PICTURE_BYTES).await?;
    let ledger: LedgerView =
        serde_json::from_slice(&Client::fetch(upstream.address, "/_simulator/ledger").await?)?;
    let counted = || ledger.tasks.iter().skip(LEARNED);
    Ok(Seen {
        lags: counted().filter_map(lag).collect(),
        looks: counted().map(|task| task.looks.into()).collect(),
        calls_per_second: ledger.totals.calls_per_second_max.into(),
    })
}

fn lag(task: &TaskView) -> Option<(f64, f64)> {
    let lag = task.noticed_ms? - task.ends_ms;
    Some((lag / 1000.0, (task.ends_ms - task.created_ms) / 1000.0))
}

impl Seen {
    fn tell(&self, name: &str, report: &mut Report) {
        let milliseconds: Vec<f64> = self.lags.iter().map(|(lag, _)| lag * 1000.0).collect();
        let shares: Vec<f64> = self.lags.iter().map(|(lag, time)| lag / time * 100.0).collect();
        let [p50, p95] = [0.5, 0.95].map(|share| quantile(&milliseconds, share));
        let (mean_ms, lagging) = (mean(&milliseconds), milliseconds.len());
        report.tell(
            format!("{name}: lag p50 / p95 / mean of {lagging}"),
            format!("{p50:.0} / {p95:.0} / {mean_ms:.0} ms"),
        );
        let [p50, p95] = [0.5, 0.95].map(|share| quantile(&shares, share));
        report.tell(
            format!("{name}: the same, of the generation's time"),
            format!("{p50:.1} / {p95:.1} / {:.1} %", mean(&shares)),
        );
        let looks = self.looks.iter().sum::<f64>() / count(self.looks.len());
        report.tell(format!("{name}: looks at a task, mean"), format!("{looks:.1}"));
    }

    /// Each lag as a share of what is allowed for its generation.
    fn shares(&self, (share, seconds): (f64, f64)) -> Vec<f64> {
        self.lags.iter().map(|(lag, time)| lag / (time * share).max(seconds)).collect()
    }
}
