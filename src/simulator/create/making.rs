//! Makes a task: how long it takes, how it ends, what it costs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Wanted;
use crate::simulator::faults::{Armed, Done, Effect, Fault, words_in};
use crate::simulator::ledger::Ledger;
use crate::simulator::order::Order;
use crate::simulator::task::{Fate, Task, message_of};
use crate::simulator::{Options, World, billing, latency};

/// What the faults of a prompt and the scripts make of a task.
struct Twist {
    failure: Option<String>,
    time: Option<Duration>,
    cancelled: bool,
    overcharged: bool,
    all_n: bool,
    /// Faults that stay with the task, for its looks and fetches.
    later: Vec<Armed>,
}

/// A new task with its future.
pub(super) fn made(world: &World, ledger: &mut Ledger, wanted: Wanted<'_>, now: Instant) -> Task {
    ledger.serial += 1;
    let options = &world.options;
    let random = latency::random(options.seed, ledger.serial);
    let Wanted { order, key, owner, host, body } = wanted;
    let twist = twist(ledger, &order.prompt);
    let pictures = if twist.all_n { order.n } else { 1 };
    let price = billing::charge(&order, pictures);
    let reserved = billing::reserve(price);
    let created_unix = world.epoch.wall(now).as_second();
    Task {
        id: identity(created_unix, options.seed, ledger.serial),
        owner,
        key: key.map(ToOwned::to_owned),
        body: body.into(),
        host: host.into(),
        created: now,
        created_unix,
        ends: now + twist.time.unwrap_or_else(|| time(options, &order, random)),
        fate: match twist.failure {
            Some(code) => Fate::Failed { message: message_of(&code, random), code },
            None if twist.cancelled => Fate::Cancelled,
            None => Fate::Completed,
        },
        pictures,
        reserved,
        charge: if twist.overcharged { 2 * reserved } else { price },
        estimated_time: options.estimated_time,
        noticed: None,
        looks: 0,
        looks_after_end: 0,
        media_fetches: 0,
        callback_tries: 0,
        callback_delivered: false,
        faults: twist.later,
        order,
    }
}

fn time(options: &Options, order: &Order, random: u64) -> Duration {
    let range =
        options.latency.unwrap_or_else(|| latency::range(order.pixels.tier(), order.quality, order.n));
    latency::drawn(range, random, options.speed)
}

fn twist(ledger: &mut Ledger, prompt: &str) -> Twist {
    let words = words_in(prompt);
    let (later, words): (Vec<Fault>, Vec<Fault>) = words
        .into_iter()
        .filter(|fault| !matches!(fault.effect, Effect::Create(_)))
        .partition(|fault| stays_with_task(&fault.effect));
    // these count over all tasks of the prompt, so that a second attempt can fare better
    let scope = if words.is_empty() { String::new() } else { format!("task {prompt}") };
    let mut has = |done: Done| {
        let pick = |effect: &Effect| (*effect == Effect::Done(done)).then_some(());
        ledger.strike(&scope, &words, prompt, pick).is_some()
    };
    let (cancelled, overcharged, all_n) = (has(Done::Cancelled), has(Done::Overcharged), has(Done::AllN));
    let failure = ledger.strike(&scope, &words, prompt, |effect| match effect {
        Effect::Fail(code) => Some(code.clone()),
        _ => None,
    });
    let time = ledger.strike(&scope, &words, prompt, |effect| match effect {
        Effect::Latency(time) => Some(*time),
        _ => None,
    });
    Twist {
        failure: failure.map(|(code, _)| code),
        time: time.map(|(time, _)| time),
        cancelled,
        overcharged,
        all_n,
        later: later.into_iter().map(Armed::new).collect(),
    }
}

/// Faults of a prompt that count per task.
fn stays_with_task(effect: &Effect) -> bool {
    match effect {
        Effect::Poll(_) | Effect::Media(_) => true,
        Effect::Done(done) => matches!(done, Done::NoLinks | Done::ResultData | Done::ResultObject),
        _ => false,
    }
}

/// `task-unified-<unix>-<8 characters>`; the characters are one to one with the serial number.
fn identity(unix: i64, seed: u64, serial: u64) -> Arc<str> {
    const LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const IDS: u64 = 36_u64.pow(8);
    // an odd multiplier that is no multiple of 3 runs through all 36^8 numbers once
    let mut number = (seed % IDS + serial.wrapping_mul(1_779_033_703_952_099 % IDS) % IDS) % IDS;
    let mut id = format!("task-unified-{unix}-");
    for _ in 0..8 {
        let letter = usize::try_from(number % 36).ok().and_then(|at| LETTERS.get(at)).unwrap_or(&b'0');
        id.push(char::from(*letter));
        number /= 36;
    }
    id.into()
}
