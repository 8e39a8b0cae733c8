//! What must hold after any run: the ledger, the answers, the journal and the metrics tell the same story.

use std::collections::BTreeMap;

use super::super::super::*;
use super::MINUTE_IMAGES;
use super::client::Client;
use super::world::{World, picture};
use crate::evolink::TaskId;
use crate::store::{Engine, EngineJournal, StoreError};

/// Generations that hold something though they ended.
const STRAY: &str = "SELECT count(*) FROM (SELECT DISTINCT generation FROM holds EXCEPT \
        SELECT id FROM generations WHERE ended IS NULL)";
/// Unfinished ones that do not hold something of each of the five budgets.
const WITHOUT: &str = "SELECT count(*) FROM generations WHERE ended IS NULL AND 5 > \
        (SELECT count(*) FROM holds WHERE generation = id)";
/// What the daily figures come to.
const FIGURES: &str = "SELECT coalesce(sum(images), 0), coalesce(sum(credits), 0) FROM usage";
/// Each budget's window, with the sum of its holds.
const LINES: &str = "SELECT unit, period, used, held, (SELECT coalesce(sum(amount), 0) FROM holds \
        WHERE holds.budget = windows.budget AND holds.start = windows.start) \
        FROM windows JOIN budgets ON number = windows.budget";
/// More than one run leaves behind.
const LEFT_MAX: usize = 10_000;

/// All that is wrong; `counted`: the metrics of a run without a crash, which has seen everything.
pub(super) fn violations(
    clients: &[Arc<Client>],
    world: &World,
    engine: &Engine,
    counted: Option<&Metrics>,
) -> Vec<String> {
    let mut found = answered(clients, world);
    found.extend(delivered_once(clients, world));
    found.extend(bought_once(clients, world));
    found.extend(written_to_the_end(engine));
    found.extend(in_between(world, engine));
    found.extend(settled(world, engine));
    found.extend(counted.into_iter().flat_map(|metrics| counted_truly(clients, world, &metrics.render())));
    found
}

/// Every request ends with an answer, and with a failure only when upstream has made none of its pictures.
fn answered(clients: &[Arc<Client>], world: &World) -> Vec<String> {
    let wrong = |client: &Arc<Client>| {
        let prompt = &client.plan.task.prompt;
        match &*client.answer.lock().unwrap() {
            None => Some(format!("{prompt} has no answer")),
            Some(Err(fault)) if !world.may_fail(prompt) => {
                Some(format!("{prompt} failed though paid: {fault}"))
            }
            Some(_) => None,
        }
    };
    clients.iter().filter_map(wrong).collect()
}

/// What is charged is delivered, to its own wish, once.
fn delivered_once(clients: &[Arc<Client>], world: &World) -> Vec<String> {
    let wrong = |client: &Arc<Client>| {
        let prompt = &client.plan.task.prompt;
        let mut paid: Vec<_> = world.completed(prompt).iter().map(|id| picture(id.as_str())).collect();
        let mut had = match &*client.answer.lock().unwrap() {
            Some(Ok(pictures)) => pictures.clone(),
            _ => Vec::new(),
        };
        paid.sort();
        had.sort();
        (paid != had)
            .then(|| format!("{prompt} paid for {:?} and was given {:?}", tasks_of(&paid), tasks_of(&had)))
    };
    clients.iter().filter_map(wrong).collect()
}

fn tasks_of(pictures: &[bytes::Bytes]) -> Vec<String> {
    let text = |picture| String::from_utf8_lossy(picture).into_owned();
    let task = |text: String| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .find(|word| word.contains("task-"))
            .map(str::to_owned)
    };
    pictures.iter().filter_map(|picture| task(text(picture))).collect()
}

/// No more tasks than pictures, but for those that failed; keys bind to their bytes, and only for a time.
fn bought_once(clients: &[Arc<Client>], world: &World) -> Vec<String> {
    let ledger = world.ledger();
    let mut found: Vec<_> = clients
        .iter()
        .filter_map(|client| {
            let (made, failed) = ledger.tasks_of(&client.plan.task.prompt);
            let (prompt, count) = (&client.plan.task.prompt, usize::from(client.plan.count));
            (made - failed > count).then(|| format!("{prompt} of {count}: {made} tasks, {failed} failed"))
        })
        .collect();
    if ledger.conflicts > 0 {
        found.push(format!("{} creates used a key for other bytes", ledger.conflicts));
    }
    if ledger.late > 0 {
        found.push(format!("{} creates were repeated after the window", ledger.late));
    }
    found
}

/// One line of the ledger: a budget's unit and period, what is used and held in a window, and the sum of its holds.
type Line = (String, String, u64, u64, u64);

fn ledger(engine: &Engine) -> Vec<Line> {
    now(engine.write(|db| {
        let mut statement = db.prepare(LINES)?;
        let lines = statement.query_map([], |row| {
            let amount = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok((row.get(0)?, row.get(1)?, amount(2)?, amount(3)?, amount(4)?))
        })?;
        Ok(lines.collect::<Result<_, _>>()?)
    }))
}

fn now<T>(written: impl Future<Output = Result<T, StoreError>>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(written).unwrap()
}

/// At any moment, and after any crash: what is held is what unfinished generations hold, all of them; no more is used
/// than upstream has charged; and no budget of images is passed.
pub(super) fn in_between(world: &World, engine: &Engine) -> Vec<String> {
    let (pictures, credits) = world.charged();
    let mut found = Vec::new();
    for (unit, period, used, held, of_holds) in ledger(engine) {
        if held != of_holds {
            found.push(format!("{unit} per {period}: {held} held, the holds are {of_holds}"));
        }
        let charged = if unit == "images" { pictures * 1_000_000 } else { credits.micro() };
        if used > charged {
            found.push(format!("{unit} per {period}: {used} used of {charged} charged"));
        }
        if unit == "images" && period == "minute" && used + held > MINUTE_IMAGES * 1_000_000 {
            found.push(format!("{used} used and {held} held in one minute"));
        }
    }
    for (what, sql) in [("hold though they ended", STRAY), ("do not hold all", WITHOUT)] {
        let count: i64 = now(engine.write(move |db| Ok(db.query_row(sql, [], |row| row.get(0))?)));
        if count > 0 {
            found.push(format!("{count} generations {what}"));
        }
    }
    found
}

/// At rest nothing is held, and used is what upstream made and charged: in each budget, and in the daily figures.
fn settled(world: &World, engine: &Engine) -> Vec<String> {
    let (pictures, credits) = world.charged();
    let mut sums: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for (unit, period, used, held, _) in ledger(engine) {
        let sum = sums.entry((unit, period)).or_default();
        *sum = (sum.0 + used, sum.1 + held);
    }
    let mut found = Vec::new();
    for ((unit, period), sum) in sums {
        let right = match unit.as_str() {
            "images" => pictures * 1_000_000,
            "credits" => credits.micro(),
            // Each generation's dollars are rounded up.
            _ => sum.0.clamp(credits.micro() / 68, credits.micro() / 68 + 1_000),
        };
        if sum != (right, 0) {
            found.push(format!("{unit} per {period}: used and held are {sum:?}, used should be {right}"));
        }
    }
    let figures: (i64, i64) =
        now(engine.write(|db| Ok(db.query_row(FIGURES, [], |row| Ok((row.get(0)?, row.get(1)?)))?)));
    if figures != (pictures.cast_signed(), credits.micro().cast_signed()) {
        found.push(format!("the daily figures are {figures:?} of {pictures} pictures, {credits} credits"));
    }
    found
}

/// Nothing unfinished is left in the journal.
fn written_to_the_end(engine: &Engine) -> Vec<String> {
    let journal = EngineJournal::new(engine.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let left = runtime.block_on(journal.unfinished(0, LEFT_MAX)).unwrap().records;
    left.iter().map(|left| format!("unfinished: {left:?}")).collect()
}

/// The metrics' sums are the ledger's, and nothing is under way.
fn counted_truly(clients: &[Arc<Client>], world: &World, metrics: &str) -> Vec<String> {
    let sum = |name: &str| -> f64 {
        let of = |line: &&str| {
            line.strip_prefix("evolink_gateway_")
                .and_then(|line| line.strip_prefix(name))
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        };
        metrics.lines().filter(of).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let made: Vec<TaskId> =
        clients.iter().flat_map(|client| world.completed(&client.plan.task.prompt)).collect();
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    let joined: usize =
        clients.iter().map(|client| client.joined.load(std::sync::atomic::Ordering::Relaxed)).sum();
    let expected = [
        ("images_total", count(made.len())),
        ("credits_total", world.charged().1.decimal()),
        ("running_generations", 0.0),
        ("queued_generations", 0.0),
    ];
    let wrong = |(name, expected): &(&str, f64)| {
        let told = sum(name);
        ((told - expected).abs() > 1e-6).then(|| format!("{name} is {told}, not {expected}"))
    };
    let mut found: Vec<_> = expected.iter().filter_map(wrong).collect();
    for (mode, limit) in [("enforce", "budget_images"), ("shadow", "budget_usd")] {
        let counted = format!(r#"quota_rejections_total{{limit="{limit}",mode="{mode}""#);
        if !metrics.contains(&counted) {
            found.push(format!("no request was counted as passing {limit} ({mode})"));
        }
    }
    // Answers that were there already are shared too, and are no joins.
    if sum("joined_requests_total") > count(joined) {
        found.push(format!("{joined} requests shared an answer, and more are said to have joined"));
    }
    found
}
