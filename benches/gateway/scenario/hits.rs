//! Answers that are there already, as base64 in JSON, beside nginx with the very same bytes in a file: requests and CPU
//! time at saturation, the slowest answers at half of it, and the memory that a thousand readers take.

use std::time::Duration;

use crate::Error;
use crate::nginx::{self, Nginx};
use crate::process::Process;
use crate::raw::{self, Connection, Target};
use crate::report::{Report, count, median, quantile};
use crate::setup::{Bench, Server};

/// Below them all, one core is busy with either server.
const CLIENTS: usize = 32;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(500);
/// In base64 an answer of 100 KiB.
const SMALL: Size = Size { name: "100 KiB", bytes: 75 << 10 };
const LARGE: Size = Size { name: "2 MiB", bytes: 2 << 20 };
/// Of nginx's requests per second, on as many cores.
const SHARE_MIN: f64 = 0.6;
/// nginx's CPU time for an answer, so many times.
const CPU_MAX: f64 = 1.4;
const P99_MS_MAX: f64 = 2.0;
const READERS: usize = 1_000;
/// Answers that each of them reads.
const READ_EACH: usize = 2;
const READERS_MIB_MAX: f64 = 400.0;
/// What it takes to make one picture soon.
const EVOLINK: &str = "poll: {min: 1ms, per_second: 1000}";

/// How large the picture in the answer is.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// As the bars have it: small ones by their answer, large ones by their picture.
    name: &'static str,
    bytes: usize,
}

/// One server under load, and what its rounds have shown.
struct Subject {
    target: Target,
    per_second: Vec<f64>,
    cpu_us: Vec<f64>,
}

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let small = beside_nginx(bench, SMALL, report).await?;
    let half = small.saturation / 2.0;
    // The same rate of both, in turns: what the machine and the load add to the slowest is in nginx's as well.
    let (mut its, mut ours) = (Paced::default(), Paced::default());
    for _ in 0..ROUNDS {
        its.round(bench, &small.its, half).await?;
        ours.round(bench, &small.target, half).await?;
    }
    for (name, paced) in [("nginx", &its), ("gateway", &ours)] {
        let figure = format!("hits of 100 KiB at {half:.0} a second, {name}: p50 / p99");
        report.tell(figure, format!("{:.2} / {:.2} ms", median(&paced.p50), median(&paced.p99)));
    }
    let p99 = median(&ours.p99);
    report.at_most("hits of 100 KiB at half load, gateway: p99", p99, P99_MS_MAX, "ms");
    drop(small);

    let large = beside_nginx(bench, LARGE, report).await?;
    raw::crowd(&large.target, READERS, READ_EACH).await?;
    let peak = large.gateway.process.memory()?.peak_mib;
    report.at_most("1,000 clients read hits of 2 MiB: peak memory", peak, READERS_MIB_MAX, "MiB");
    Ok(())
}

/// How long answers took at an even rate, in milliseconds, round by round.
#[derive(Default)]
struct Paced {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Paced {
    async fn round(&mut self, bench: &Bench, target: &Target, per_second: f64) -> Result<(), Error> {
        let time = Duration::from_secs(if bench.quick { 1 } else { 4 });
        let round = raw::pace(target, CLIENTS, per_second, time).await?;
        let times: Vec<f64> = round.times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
        self.p50.push(median(&times));
        self.p99.push(quantile(&times, 0.99));
        Ok(())
    }
}

/// Both servers, after they have shown what they can.
struct Measured {
    gateway: Server,
    target: Target,
    /// Runs as long as it may be asked.
    _nginx: Nginx,
    its: Target,
    /// Requests per second.
    saturation: f64,
}

async fn beside_nginx(bench: &Bench, size: Size, report: &mut Report) -> Result<Measured, Error> {
    let flags = format!("--latency 0s..0s --estimated-time 0 --picture-bytes {}", size.bytes);
    let upstream = bench.upstream(&flags).await?;
    let folder = bench.folder(&format!("pictures-{}", size.bytes))?;
    let gateway = bench.gateway_with_pictures(&upstream, EVOLINK, &folder).await?;
    let target = first_answer(&gateway, size).await?;
    // What follows needs no upstream.
    drop(upstream);
    let body = target.body.clone().unwrap_or_default();
    let nginx = Nginx::start(bench, &body).await?;
    let asked = format!("GET {} HTTP/1.1\r\nhost: bench\r\n\r\n", nginx::PATH);
    let mut ours = Subject::new(target.clone());
    let mut its = Subject::new(Target { address: nginx.address, request: asked.into(), body: Some(body) });
    let length = Duration::from_secs(if bench.quick { 1 } else { 3 });
    for subject in [&ours, &its] {
        raw::saturate(&subject.target, CLIENTS, WARM_UP).await?;
    }
    for _ in 0..ROUNDS {
        ours.round(&gateway.process, length).await?;
        its.round(&nginx.process, length).await?;
    }
    let name = size.name;
    its.tell(report, &format!("hits of {name}, nginx with the answer as a file"));
    ours.tell(report, &format!("hits of {name}, gateway"));
    let share = ours.per_second() / its.per_second();
    report.at_least(format!("hits of {name} per second, gateway / nginx"), share, SHARE_MIN, "×");
    let cpu = ours.cpu_us() / its.cpu_us();
    let figure = format!("CPU per hit of {name}, gateway / nginx");
    if size.bytes == LARGE.bytes {
        report.at_most(figure, cpu, CPU_MAX, "×");
    } else {
        report.tell(figure, format!("{cpu:.2} ×"));
    }
    Ok(Measured { gateway, target, _nginx: nginx, saturation: ours.per_second(), its: its.target })
}

/// Has the picture made, and sees that the second answer is a hit with the bytes of the first.
async fn first_answer(gateway: &Server, size: Size) -> Result<Target, Error> {
    let asked =
        r#"{"model":"gpt-image-2","prompt":"a lighthouse at dusk","size":"1024x1024","quality":"low"}"#;
    let request = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{asked}",
        gateway.key,
        asked.len()
    );
    let mut target = Target { address: gateway.address, request: request.into(), body: None };
    let mut client = Connection::open(gateway.address).await?;
    let first = client.ask(&target).await?;
    if first.body.len() < size.bytes / 3 * 4 {
        return Err(format!("the first answer has {} bytes", first.body.len()).into());
    }
    let second = client.ask(&target).await?;
    if !second.head.contains("cache-status: evolink-gateway; hit;") || second.body != first.body {
        return Err(format!("the second answer is no hit: {}", second.head).into());
    }
    target.body = Some(first.body);
    Ok(target)
}

impl Subject {
    fn new(target: Target) -> Self {
        Self { target, per_second: Vec::new(), cpu_us: Vec::new() }
    }

    async fn round(&mut self, process: &Process, length: Duration) -> Result<(), Error> {
        let before = process.cpu()?;
        let round = raw::saturate(&self.target, CLIENTS, length).await?;
        let used = process.cpu()?.saturating_sub(before);
        let answers = count(round.times.len());
        self.per_second.push(answers / round.took.as_secs_f64());
        self.cpu_us.push(used.as_secs_f64() * 1e6 / answers);
        Ok(())
    }

    fn tell(&self, report: &mut Report, name: &str) {
        report.tell(format!("{name}: per second"), format!("{:.0}", self.per_second()));
        report.tell(format!("{name}: CPU each"), format!("{:.0} µs", self.cpu_us()));
    }

    fn per_second(&self) -> f64 {
        median(&self.per_second)
    }

    fn cpu_us(&self) -> f64 {
        median(&self.cpu_us)
    }
}
