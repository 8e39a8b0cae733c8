//! Pictures of 2 MiB in base64: memory and CPU of sixteen clients that fetch them one after the other.

use crate::Error;
use crate::load::{self, Client, Until};
use crate::report::{Report, count};
use crate::setup::{Bench, Server};

const CLIENTS: usize = 16;
const PICTURE_BYTES: usize = 2 << 20;
const ANSWER_BYTES_MIN: usize = PICTURE_BYTES / 3 * 4;
const PEAK_MIB_MAX: f64 = 100.0;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let flags = format!("--latency 0s..0s --estimated-time 0 --picture-bytes {PICTURE_BYTES}");
    let upstream = bench.upstream(&flags).await?;
    let floor = bench.floor(&upstream, 0).await?;
    let floor_cpu = subject(bench, &floor).await?;
    report.tell("16 × 2 MiB, floor: CPU per answer", format!("{floor_cpu:.2} ms"));
    report.tell("16 × 2 MiB, floor: peak memory", format!("{:.1} MiB", floor.process.memory()?.peak_mib));
    drop(floor);

    let gateway = bench.gateway(&upstream, "max_tasks: 64, poll: {min: 1ms, per_second: 1000}").await?;
    check(&gateway).await?;
    let cpu = subject(bench, &gateway).await?;
    let memory = gateway.process.memory()?;
    report.tell("16 × 2 MiB, gateway: CPU per answer", format!("{cpu:.2} ms"));
    report.tell("16 × 2 MiB, CPU, gateway / floor", format!("{:.2} ×", cpu / floor_cpu));
    report.at_most("16 × 2 MiB, gateway: peak memory", memory.peak_mib, PEAK_MIB_MAX, "MiB");
    Ok(())
}

/// CPU milliseconds for each answer.
async fn subject(bench: &Bench, server: &Server) -> Result<f64, Error> {
    let answers = if bench.quick { 160 } else { 640 };
    load::run(server, CLIENTS, Until::Answered(CLIENTS), ANSWER_BYTES_MIN).await?;
    let before = server.process.cpu()?;
    let round = load::run(server, CLIENTS, Until::Answered(answers), ANSWER_BYTES_MIN).await?;
    let used = server.process.cpu()?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1000.0 / count(round.times.len()))
}

/// One answer read to the bottom: the picture in it is the picture upstream has.
async fn check(server: &Server) -> Result<(), Error> {
    let answer: serde_json::Value = serde_json::from_slice(&Client::connect(server).await?.answer().await?)?;
    let picture =
        answer.pointer("/data/0/b64_json").and_then(|picture| picture.as_str()).ok_or("no picture")?;
    let picture = base64_simd::STANDARD.decode_to_vec(picture)?;
    let whole = picture.len() == PICTURE_BYTES
        && picture.starts_with(b"\x89PNG")
        && picture.ends_with(b"IEND\xaeB`\x82");
    if whole { Ok(()) } else { Err("the answer's picture is not the one upstream made".into()) }
}
