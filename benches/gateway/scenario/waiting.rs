//! A thousand requests that wait at once for tasks of five seconds.

use std::time::Duration;

use crate::Error;
use crate::load::{self, Until};
use crate::report::{Report, quantile, spread};
use crate::setup::{Bench, Server};

const REQUESTS: usize = 1000;
/// Tasks that teach the gateway how long such tasks take.
const LEARNED: usize = 50;
const PICTURE_BYTES: usize = 100 * 1024;
const ANSWER_BYTES_MIN: usize = PICTURE_BYTES / 3 * 4;
/// 5.5 s, and the shortest time between two looks (`poll.min`, its default).
const ANSWERED_SECONDS_MAX: f64 = 5.5 + 0.5;
const PEAK_MIB_MAX: f64 = 50.0;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let upstream = bench.upstream(&format!("--latency 5s..5s --picture-bytes {PICTURE_BYTES}")).await?;
    let floor = bench.floor(&upstream, 5000).await?;
    let times = burst(&floor).await?;
    report.tell("1,000 × 5 s, floor: p50 / p95 / longest", spread(&times));
    report.tell("1,000 × 5 s, floor: peak memory", format!("{:.1} MiB", floor.process.memory()?.peak_mib));
    drop(floor);

    let gateway = bench.gateway(&upstream, "max_tasks: 2000, poll: {per_second: 500}").await?;
    load::run(&gateway, LEARNED, Until::Answered(LEARNED), ANSWER_BYTES_MIN).await?;
    let times = burst(&gateway).await?;
    let memory = gateway.process.memory()?;
    let seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
    report.tell("1,000 × 5 s, gateway: p50 / p95 / longest", spread(&times));
    report.at_most("1,000 × 5 s, gateway: longest", quantile(&seconds, 1.0), ANSWERED_SECONDS_MAX, "s");
    report.at_most("1,000 × 5 s, gateway: peak memory", memory.peak_mib, PEAK_MIB_MAX, "MiB");
    Ok(())
}

async fn burst(server: &Server) -> Result<Vec<Duration>, Error> {
    Ok(load::run(server, REQUESTS, Until::Answered(REQUESTS), ANSWER_BYTES_MIN).await?.times)
}
