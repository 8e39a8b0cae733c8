//! What must hold after any run: the ledger, the answers, the journal and the metrics tell the same story.

use super::super::super::*;
use super::Client;
use super::world::{World, picture};
use crate::evolink::TaskId;
use crate::store::{Engine, EngineJournal};

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
    let price = clients[0].plan.price.to_string().parse::<f64>().unwrap();
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    let joined: usize =
        clients.iter().map(|client| client.joined.load(std::sync::atomic::Ordering::Relaxed)).sum();
    let expected = [
        ("images_total", count(made.len())),
        ("credits_total", count(made.len()) * price),
        ("running_generations", 0.0),
        ("queued_generations", 0.0),
    ];
    let wrong = |(name, expected): &(&str, f64)| {
        let told = sum(name);
        ((told - expected).abs() > 1e-6).then(|| format!("{name} is {told}, not {expected}"))
    };
    let mut found: Vec<_> = expected.iter().filter_map(wrong).collect();
    // Answers that were there already are shared too, and are no joins.
    if sum("joined_requests_total") > count(joined) {
        found.push(format!("{joined} requests shared an answer, and more are said to have joined"));
    }
    found
}
