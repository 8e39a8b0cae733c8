//! What limits cost: a request that its rate refuses, and what budgets add to an admission on the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evolink_gateway::catalog::Catalog;
use evolink_gateway::evolink::TaskId;
use evolink_gateway::generation::MadeImage;
use evolink_gateway::generation::journal::{Journal as _, Note};
use evolink_gateway::image::{ImageRequest, Plan};
use evolink_gateway::quota::{Account, Book, Budget, CallerLimits, Demand, Limits, Period, Quota, Unit};
use evolink_gateway::store::{Engine, EngineJournal};
use http::StatusCode;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;

use super::journal::{admission, settlement};
use crate::Error;
use crate::load::Client;
use crate::report::{Report, count, median};
use crate::setup::Bench;

const REFUSAL_US_MAX: f64 = 50.0;
const ADDED_MS_MAX: f64 = 1.0;
const CLIENTS: usize = 16;
const ROUNDS: usize = 5;
/// Teams in the book, each with its own key and buckets.
const TEAMS: usize = 1_000;
const BUDGETS: usize = 4;
const MICRO_CREDITS_PER_USD: u64 = 68_000_000;
/// Decisions timed together: one takes about as long as looking at the clock.
const TOGETHER: u32 = 100;

pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let plan = Arc::new(Catalog::default().plan(ImageRequest::new("a lighthouse at dusk"), false)?);
    report.tell("deciding a rate-limit refusal, 1,000 teams: p50", format!("{:.2} µs", decision_us(&plan)?));
    refused(bench, report).await?;
    budgets(bench, report, &plan).await
}

/// The limits looked up, the plan checked, the buckets asked and told.
fn decision_us(plan: &Plan) -> Result<f64, Error> {
    let now = tokio::time::Instant::now();
    let of = |account| Limits {
        requests_per_minute: Some(60),
        images_per_minute: Some(60),
        ..Limits::none(account)
    };
    let names: Vec<Arc<str>> = (0..TEAMS).map(|number| format!("team {number}").into()).collect();
    let teams = names.iter().map(|team| (of(Account::Team(Arc::clone(team))), 1));
    let quota = Quota::new(Book::new(teams), MICRO_CREDITS_PER_USD);
    for team in &names {
        let limits = quota.limits(team, "main");
        while quota.gate.enter(&limits, 1, now).is_ok() {}
    }
    let mut times = Vec::new();
    for team in names.iter().cycle().take(10 * TEAMS) {
        let asked = Instant::now();
        for _ in 0..TOGETHER {
            let limits = quota.limits(team, "main");
            quota.check(&limits, plan)?;
            if quota.gate.enter(&limits, 1, now).is_ok() {
                return Err("a request got in where there was no room".into());
            }
            std::hint::black_box(quota.gate.standing(&limits, now));
        }
        times.push(asked.elapsed().as_secs_f64() * 1e6 / f64::from(TOGETHER));
    }
    Ok(median(&times))
}

/// The whole of it: what the gateway's process spends on a request that is answered 429, its head and body read, its key
/// found, its plan made and its answer logged and written.
async fn refused(bench: &Bench, report: &mut Report) -> Result<(), Error> {
    let upstream = bench.upstream("--latency 0s..0s --estimated-time 0 --picture-bytes 4096").await?;
    let server = bench.gateway_with_limits(&upstream, "{requests_per_minute: 1}").await?;
    Client::connect(&server).await?.status().await?;
    let length = Duration::from_millis(if bench.quick { 300 } else { 1000 });
    let (mut used, mut times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (before, ends, mut clients) = (server.process.cpu()?, Instant::now() + length, JoinSet::new());
        for _ in 0..CLIENTS {
            clients.spawn(ask_on(Client::connect(&server).await?, ends));
        }
        let mut round = Vec::new();
        while let Some(asked) = clients.join_next().await {
            round.extend(asked??);
        }
        used.push(server.process.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / count(round.len()));
        times.extend(round);
    }
    let name = format!("a request refused by its rate, {CLIENTS} clients: p50");
    report.tell(name, format!("{:.2} ms", median(&times)));
    report.at_most("CPU of the gateway for it, everything included", median(&used), REFUSAL_US_MAX, "µs");
    Ok(())
}

/// How long each answer took, in milliseconds.
async fn ask_on(mut client: Client, ends: Instant) -> Result<Vec<f64>, Error> {
    let mut times = Vec::new();
    while Instant::now() < ends {
        let asked = Instant::now();
        let status = client.status().await?;
        // A minute brings one back.
        if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::OK {
            return Err(format!("answered {status}").into());
        }
        times.push(asked.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(times)
}

/// Admissions one after the other, in turn without anything held and with four budgets of key and team, each followed
/// by the end that settles it: on one disk, in one run.
async fn budgets(bench: &Bench, report: &mut Report, plan: &Arc<Plan>) -> Result<(), Error> {
    let folder = bench.folder("admission")?;
    let rounds = if bench.quick { 200 } else { 2_000 };
    let memory = EngineJournal::new(Engine::in_memory()?);
    let disk = EngineJournal::new(Engine::open(Path::new(&folder))?);
    for (name, journal) in [("in memory", &memory), ("on the disk", &disk)] {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            without.push(admit(journal, plan, Vec::new()).await?);
            with.push(admit(journal, plan, demands(plan)).await?);
        }
        let (without, with) = (median(&without), median(&with));
        report.tell(format!("admission {name}, nothing held: p50"), format!("{without:.3} ms"));
        report.tell(format!("admission {name}, {BUDGETS} budgets: p50"), format!("{with:.3} ms"));
        report.at_most(format!("what {BUDGETS} budgets add {name}"), with - without, ADDED_MS_MAX, "ms");
    }
    Ok(())
}

/// How long the admission took, in milliseconds. The generation is ended, too.
async fn admit(journal: &EngineJournal, plan: &Arc<Plan>, demands: Vec<Demand>) -> Result<f64, Error> {
    let (mut admission, intent) = admission(plan);
    admission.demands = demands;
    let (generation, purchase) = (admission.id.clone(), intent.purchase.clone());
    let asked = Instant::now();
    journal.admit(admission, vec![intent]).await?;
    let took = asked.elapsed().as_secs_f64() * 1000.0;
    let link = "https://media.example/results/2026/11/22/a-picture.png".to_owned();
    let made =
        Ok(MadeImage { task: TaskId::new("task-unified-1774857405-abc123de"), link, credits: plan.price });
    let (created, ended_ms, settlement) = (1_800_000_000, 1_800_000_000_000, Box::new(settlement(plan)));
    let ended = Note::Ended { purchase, result: made.clone() };
    let finished =
        Note::Finished { generation, created, ended_ms, images: vec![made], settlement, shared: None };
    journal.note([ended, finished].into()).await?;
    Ok(took)
}

/// What a generation holds of two budgets of its key and two of its team.
fn demands(plan: &Plan) -> Vec<Demand> {
    let budget = |unit, period| Budget {
        unit,
        period,
        zone: TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC),
        enforced: true,
        amount: u64::MAX,
    };
    let of = |account| Limits {
        budgets: vec![budget(Unit::Images, Period::Day), budget(Unit::Credits, Period::Month)],
        ..Limits::none(account)
    };
    let team: Arc<str> = "bench".into();
    let key = of(Account::Key { team: Arc::clone(&team), name: "main".into() });
    let limits = CallerLimits { key: key.into(), team: of(Account::Team(team)).into(), weight: 1 };
    let now = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    limits.demands(plan, plan.price, MICRO_CREDITS_PER_USD, now)
}
