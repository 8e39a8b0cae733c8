//! POST /admin/v1/reload: has the configuration reloaded, and tells what came of it.
//!
//! The loading is done elsewhere; the [`ReloadDesk`] stands between. Who asks while a load is under way waits for the
//! next one: its own change may have come too late for the first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::Desk;
use crate::fault::{Fault, FaultKind};

/// Requests that may wait for a reload.
const ASKING_MAX: usize = 64;
/// Longest wait for its outcome.
const PATIENCE: Duration = Duration::from_secs(30);

/// The settings that hold only after a restart; or all problems, a line each, without secrets.
pub type Outcome = Result<Vec<String>, String>;

/// Where reloads are asked for and answered. Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub struct ReloadDesk {
    /// Asks for a load; none where there is nothing to load from.
    now: Option<Arc<Notify>>,
    askers: Arc<Mutex<Askers>>,
}

#[derive(Debug, Default)]
struct Askers {
    /// For the load that begins next.
    next: Vec<oneshot::Sender<Outcome>>,
    /// For the one under way.
    current: Vec<oneshot::Sender<Outcome>>,
}

impl ReloadDesk {
    /// `now` asks for a load.
    pub fn new(now: Arc<Notify>) -> Self {
        Self { now: Some(now), askers: Arc::default() }
    }

    /// A load that was asked for begins.
    pub fn begin(&self) {
        let mut askers = self.askers();
        askers.current = std::mem::take(&mut askers.next);
    }

    /// A load has ended.
    pub fn end(&self, outcome: &Outcome) {
        for asker in std::mem::take(&mut self.askers().current) {
            // Whoever left does not want to know.
            drop(asker.send(outcome.clone()));
        }
    }

    async fn ask(&self) -> Result<Outcome, Fault> {
        let message = "This gateway runs on built-in settings: there is no configuration to reload.";
        let nothing = || Fault::new(FaultKind::InvalidValue, message).with_code("nothing_to_reload");
        let now = self.now.as_ref().ok_or_else(nothing)?;
        let outcome = {
            let mut askers = self.askers();
            if askers.next.len() >= ASKING_MAX {
                let message = "Too many reloads are asked for at once. Wait for their outcome.";
                return Err(Fault::new(FaultKind::Overloaded, message));
            }
            let (asker, outcome) = oneshot::channel();
            askers.next.push(asker);
            outcome
        };
        now.notify_one();
        match timeout(PATIENCE, outcome).await {
            Ok(Ok(outcome)) => Ok(outcome),
            _late_or_gone => {
                let message = "The outcome of the reload is not known: see the log.";
                Err(Fault::new(FaultKind::Internal, message))
            }
        }
    }

    fn askers(&self) -> MutexGuard<'_, Askers> {
        self.askers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn reload(State(desk): State<Desk>) -> Result<Response, Fault> {
    match desk.admin.reloads.ask().await? {
        Ok(waiting) => Ok(super::json(&json!({"reloaded": true, "needs_restart": waiting}))),
        Err(problems) => {
            let message = format!("The old configuration stays in force:\n{problems}");
            Err(Fault::new(FaultKind::InvalidValue, message).with_code("invalid_configuration"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_during_a_load_gets_the_next_ones_outcome() {
        let now = Arc::new(Notify::new());
        let desk = ReloadDesk::new(Arc::clone(&now));
        let loads = async {
            now.notified().await;
            desk.begin();
            let late = desk.ask();
            tokio::pin!(late);
            assert!(timeout(Duration::from_millis(1), &mut late).await.is_err());
            desk.end(&Ok(vec!["first".to_owned()]));
            now.notified().await;
            desk.begin();
            desk.end(&Err("second".to_owned()));
            late.await.unwrap()
        };
        let (first, late) = tokio::join!(desk.ask(), loads);
        assert_eq!((first.unwrap(), late), (Ok(vec!["first".to_owned()]), Err("second".to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_load_that_never_ends_is_not_waited_for_for_ever() {
        let desk = ReloadDesk::new(Arc::default());
        assert_eq!(desk.ask().await.unwrap_err().status(), 500);
        assert_eq!(ReloadDesk::default().ask().await.unwrap_err().code(), "nothing_to_reload");
        for _ in 1..ASKING_MAX {
            drop(timeout(Duration::ZERO, desk.ask()).await);
        }
        assert_eq!(desk.ask().await.unwrap_err().status(), 503);
    }
}
