//! What the journal costs: a generation's time with it and without, how many it takes in a second, and itself alone.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evolink_gateway::catalog::Catalog;
use evolink_gateway::evolink::{TaskId, UpstreamKey};
use evolink_gateway::generation::journal::{Admission, Intent, Journal as _, Note, PurchaseId};
use evolink_gateway::generation::{GenerationId, MadeImage, Owner};
use evolink_gateway::image::{ImageRequest, Plan};
use evolink_gateway::quota::{Settlement, Spent, UsageRow, Used};
use evolink_gateway::store::{Engine, EngineJournal};
use tokio::task::JoinSet;

use crate::Error;
use crate::load::{self, Until};
use crate::process::Core;
use crate::report::{Report, count, median};
use crate::setup::{Bench, Server, Upstream};

/// Few enough that nobody waits for a core: a generation by itself is what is compared.
const CLIENTS: usize = 2;
/// Long enough that the notes of one generation are on the disk before the next one's admission.
const TASKS_TAKE: &str = "30ms..30ms";
const CLIENTS_SATURATING: usize = 64;
const ROUNDS: usize = 5;
const PICTURE_BYTES: usize = 4096;
const ANSWER_BYTES_MIN: usize = PICTURE_BYTES / 3 * 4;
const WARM_UP: Duration = Duration::from_secs(1);
const ADDED_MS_MAX: f64 = 2.0;
const PER_SECOND_MIN: f64 = 500.0;
const EVOLINK: &str = "max_tasks: 2000, poll: {min: 1ms, per_second: 10000}";
const FSYNCS: usize = 200;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let folder = bench.folder("journal")?;
    alone(bench, &folder, report).await?;
    added(bench, &folder, report).await?;
    saturated(bench, &folder, report).await
}

/// Round by round in turn: without the journal, with it, and the least that this disk takes for anything durable, which
/// is the disk's part of the difference.
async fn added(bench: &Bench, folder: &Path, report: &mut Report) -> Result<(), Error> {
    let upstream = upstream(bench, TASKS_TAKE).await?;
    let memory = bench.gateway_on(Core::Any, &upstream, EVOLINK).await?;
    let embedded = bench.gateway_with_state(&upstream, EVOLINK, &folder.join("quiet")).await?;
    let length = Duration::from_secs(if bench.quick { 1 } else { 4 });
    for server in [&memory, &embedded] {
        load::run(server, CLIENTS, Until::Passed(WARM_UP), ANSWER_BYTES_MIN).await?;
    }
    let (mut without, mut with, mut disk) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(round(&memory, CLIENTS, length).await?.0);
        with.push(round(&embedded, CLIENTS, length).await?.0);
        disk.push(fsync_ms(folder)?);
    }
    let (without, with, disk) = (median(&without), median(&with), median(&disk));
    report.tell("tasks of 30 ms, state in memory: p50", format!("{without:.2} ms"));
    report.tell("tasks of 30 ms, embedded: p50", format!("{with:.2} ms"));
    report.at_most("what the journal adds at the median", with - without, ADDED_MS_MAX, "ms");
    report.tell("4 KiB written and fsynced by nobody else: p50", format!("{disk:.2} ms"));
    Ok(())
}

async fn saturated(bench: &Bench, folder: &Path, report: &mut Report) -> Result<(), Error> {
    let upstream = upstream(bench, "0s..0s").await?;
    let embedded = bench.gateway_with_state(&upstream, EVOLINK, &folder.join("saturated")).await?;
    let length = Duration::from_secs(if bench.quick { 2 } else { 10 });
    load::run(&embedded, CLIENTS_SATURATING, Until::Passed(WARM_UP), ANSWER_BYTES_MIN).await?;
    let (p50, per_second) = round(&embedded, CLIENTS_SATURATING, length).await?;
    report.tell(format!("{CLIENTS_SATURATING} clients, embedded: p50"), format!("{p50:.1} ms"));
    let name = format!("generations per second, embedded, {CLIENTS_SATURATING} clients");
    report.at_least(name, per_second, PER_SECOND_MIN, "");
    Ok(())
}

async fn upstream(bench: &Bench, latency: &str) -> Result<Upstream, Error> {
    let flags = format!("--latency {latency} --estimated-time 0 --picture-bytes {PICTURE_BYTES}");
    bench.upstream(&flags).await
}

/// The median time of an answer in milliseconds, and answers in a second.
async fn round(server: &Server, clients: usize, length: Duration) -> Result<(f64, f64), Error> {
    let round = load::run(server, clients, Until::Passed(length), ANSWER_BYTES_MIN).await?;
    let times: Vec<f64> = round.times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
    Ok((median(&times), count(times.len()) / round.took.as_secs_f64()))
}

/// The journal by itself: admissions that wait for the disk, and the notes that follow each.
async fn alone(bench: &Bench, folder: &Path, report: &mut Report) -> Result<(), Error> {
    let journal = EngineJournal::new(Engine::open(&folder.join("alone"))?);
    let plan = Arc::new(Catalog::default().plan(ImageRequest::new("a lighthouse at dusk"), false)?);
    let until = Instant::now() + Duration::from_secs(if bench.quick { 1 } else { 5 });
    let (began, mut writers) = (Instant::now(), JoinSet::new());
    for _ in 0..CLIENTS_SATURATING {
        writers.spawn(write(journal.clone(), Arc::clone(&plan), until));
    }
    let mut times = Vec::new();
    while let Some(written) = writers.join_next().await {
        times.extend(written??);
    }
    let per_second = count(times.len()) / began.elapsed().as_secs_f64();
    let name = format!("admission on the disk, {CLIENTS_SATURATING} at once, the journal alone: p50");
    report.tell(name, format!("{:.2} ms", median(&times)));
    report.at_least("generations per second, the journal alone", per_second, PER_SECOND_MIN, "");
    Ok(())
}

/// One generation after the other from its admission to its end; how long the admissions took, in milliseconds.
async fn write(journal: EngineJournal, plan: Arc<Plan>, until: Instant) -> Result<Vec<f64>, Error> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let (admission, intent) = admission(&plan);
        let (generation, purchase) = (admission.id.clone(), intent.purchase.clone());
        let asked = Instant::now();
        journal.admit(admission, vec![intent]).await?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
        let task = TaskId::new("task-unified-1774857405-abc123de");
        let link = "https://media.example/results/2026/11/22/a-picture.png".to_owned();
        let made = Ok(MadeImage { task: task.clone(), link, credits: plan.price });
        journal.note([Note::Task { purchase: purchase.clone(), task, reserved: None }].into()).await?;
        let (created, ended_ms) = (1_800_000_000, 1_800_000_000_000);
        let ended = Note::Ended { purchase, result: made.clone() };
        let settlement = Box::new(settlement(&plan));
        let finished =
            Note::Finished { generation, created, ended_ms, images: vec![made], settlement, shared: None };
        journal.note([ended, finished].into()).await?;
    }
    Ok(times)
}

/// One image at its admission, without anything held.
pub(crate) fn admission(plan: &Arc<Plan>) -> (Admission, Intent) {
    let key = UpstreamKey::random();
    let generation = GenerationId::kept(format!("gen_{}", key.as_str()));
    let purchase = PurchaseId { generation: generation.clone(), image: 0, attempt: 0 };
    let body =
        br#"{"model":"gpt-image-2","prompt":"a lighthouse at dusk","size":"1024x1024","quality":"low"}"#;
    let begun_ms = 1_800_000_000_000;
    let intent = Intent { purchase, key, body: body.as_slice().into(), begun_ms };
    let fingerprint = plan.fingerprint();
    let owner = Owner { team: "bench".into(), key: "main".into(), fingerprint };
    let (plan, created_ms) = (Arc::clone(plan), begun_ms);
    let admission = Admission {
        id: generation,
        owner,
        plan,
        created_ms,
        idempotency_key: None,
        private: false,
        key_name: "main".into(),
        demands: Vec::new(),
    };
    (admission, intent)
}

/// The end of one image that cost what its plan says.
pub(crate) fn settlement(plan: &Plan) -> Settlement {
    let used = Used { images: 1, credits: plan.price, ..Used::default() };
    Settlement {
        spent: Spent { images: 1, micro_credits: plan.price.micro() },
        micro_credits_per_usd: 68_000_000,
        usage: UsageRow {
            day: jiff::civil::date(2026, 11, 22),
            team: "bench".into(),
            key: "main".into(),
            model: plan.class.model.clone(),
            used,
        },
    }
}

/// What this disk takes for the least that can be durable.
fn fsync_ms(folder: &Path) -> Result<f64, Error> {
    let mut file = File::create(folder.join("fsync"))?;
    let mut times = Vec::with_capacity(FSYNCS);
    for _ in 0..FSYNCS {
        let asked = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(&times))
}
