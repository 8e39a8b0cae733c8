//! Callbacks: the task's JSON is sent to `callback_url` at its end, with three more tries after 1, 2 and 4 s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::{Instant, sleep, sleep_until};

use super::World;
use super::client;
use super::task::Stage;

/// Pauses before the second, third and fourth try.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Sends the callback of a task when it ends, if it has one. Called again when the end was moved by a cancel.
pub(super) fn watch(world: &Arc<World>, id: &str) {
    let Some((id, url, ends)) = ({
        let ledger = world.ledger();
        let task = ledger.tasks.get(id);
        task.and_then(|task| Some((task.id.clone(), task.order.callback_url.clone()?, task.ends)))
    }) else {
        return;
    };
    let world = world.clone();
    let stop = world.stop.clone();
    world.work.clone().spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = deliver(&world, &id, &url, ends) => {}
        }
    });
}

async fn deliver(world: &World, id: &str, url: &str, ends: Instant) {
    sleep_until(ends).await;
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        let body = {
            let mut ledger = world.ledger();
            let Some(task) = ledger.tasks.get_mut(id).filter(|task| task.ends == ends) else { return };
            task.callback_tries += 1;
            let body = serde_json::to_vec(&task.report(Stage::Ended, None)).unwrap_or_default();
            ledger.totals.callbacks_sent += 1;
            Bytes::from(body)
        };
        match post(url, body).await {
            Ok(()) => {
                if let Some(task) = world.ledger().tasks.get_mut(id) {
                    task.callback_delivered = true;
                }
                return;
            }
            Err(reason) => tracing::debug!(task = id, reason, "a callback of the simulator was not taken"),
        }
        if let Some(pause) = pause {
            sleep(pause).await;
        }
    }
}

async fn post(url: &str, body: Bytes) -> Result<(), String> {
    let request = client::request(Method::POST, url, body).map_err(|error| error.to_string())?;
    let answer = client::send(request).await.map_err(|error| error.to_string())?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("status {}", answer.status())) }
}
