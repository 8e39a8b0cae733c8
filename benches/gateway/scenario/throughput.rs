//! What a generation costs at saturation, beside the floor: tasks that end at once, small pictures in base64.

use std::time::Duration;

use crate::Error;
use crate::load::{self, Until};
use crate::report::{Report, count, median};
use crate::setup::{Bench, Server};

const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
const PICTURE_BYTES: usize = 4096;
/// Base64 is four characters for three bytes.
const ANSWER_BYTES_MIN: usize = PICTURE_BYTES / 3 * 4;
const WARM_UP: Duration = Duration::from_secs(1);
const RATIO_MAX: f64 = 3.0;
/// Looks as often as it takes: the budget and the number of tasks must not be what is measured.
const EVOLINK: &str = "max_tasks: 2000, poll: {min: 1ms, per_second: 10000";

/// One subject's rounds.
struct Subject {
    name: &'static str,
    server: Server,
    microseconds: Vec<f64>,
    per_second: Vec<f64>,
    milliseconds: Vec<f64>,
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let flags = format!("--latency 0s..0s --estimated-time 0 --picture-bytes {PICTURE_BYTES}");
    let upstream = bench.upstream(&flags).await?;
    let single = bench.gateway(&upstream, &format!("{EVOLINK}, batch: never}}")).await?;
    let batched = bench.gateway(&upstream, &format!("{EVOLINK}}}")).await?;
    let mut subjects = [
        Subject::new("floor", bench.floor(&upstream, 0).await?),
        Subject::new("gateway, one look each", single),
        Subject::new("gateway, looks in batches", batched),
    ];
    let length = Duration::from_secs(if bench.quick { 2 } else { 6 });
    for subject in &subjects {
        load::run(&subject.server, CLIENTS, Until::Passed(WARM_UP), ANSWER_BYTES_MIN).await?;
    }
    for _ in 0..ROUNDS {
        for subject in &mut subjects {
            subject.round(length).await?;
        }
    }
    let [floor, single, batched] = &subjects;
    for subject in [floor, single, batched] {
        subject.tell(report);
    }
    report.at_most("CPU per generation, gateway / floor", single.cpu() / floor.cpu(), RATIO_MAX, "×");
    report.tell(
        "CPU per generation, gateway in batches / floor",
        format!("{:.2} ×", batched.cpu() / floor.cpu()),
    );
    Ok(())
}

impl Subject {
    fn new(name: &'static str, server: Server) -> Self {
        Self { name, server, microseconds: Vec::new(), per_second: Vec::new(), milliseconds: Vec::new() }
    }

    async fn round(&mut self, length: Duration) -> Result<(), Error> {
        let before = self.server.process.cpu()?;
        let round = load::run(&self.server, CLIENTS, Until::Passed(length), ANSWER_BYTES_MIN).await?;
        let used = self.server.process.cpu()?.saturating_sub(before);
        let answers = count(round.times.len());
        let times: Vec<f64> = round.times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        self.microseconds.push(used.as_secs_f64() * 1e6 / answers);
        self.per_second.push(answers / round.took.as_secs_f64());
        self.milliseconds.push(median(&times));
        Ok(())
    }

    fn tell(&self, report: &mut Report) {
        let Self { name, .. } = self;
        report.tell(format!("CPU per generation, {name}"), format!("{:.0} µs", self.cpu()));
        report.tell(format!("generations per second, {name}"), format!("{:.0}", median(&self.per_second)));
        report.tell(format!("p50 at saturation, {name}"), format!("{:.1} ms", median(&self.milliseconds)));
    }

    fn cpu(&self) -> f64 {
        median(&self.microseconds)
    }
}
