//! How many requests may wait at once, all together and of one team.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use crate::fault::{Fault, FaultKind};
use crate::telemetry::{GaugeGuard, Metrics};

/// Counts waiting requests; cheap to clone.
#[derive(Clone)]
pub struct WaitingRoom {
    max: usize,
    max_per_team: usize,
    taken: Arc<Mutex<Taken>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Teams with someone waiting.
    of_team: HashMap<Arc<str>, usize>,
}

/// One request waiting, from its admission until its answer is written out; dropping it frees the place.
pub struct Place {
    team: Arc<str>,
    taken: Arc<Mutex<Taken>>,
    _gauge: GaugeGuard,
}

impl WaitingRoom {
    pub fn new(max: usize, max_per_team: usize, metrics: Arc<Metrics>) -> Self {
        Self { max, max_per_team, taken: Arc::default(), metrics }
    }

    /// A place for one request of `team`.
    ///
    /// # Errors
    /// `Overloaded` when the gateway is full, `NoSlot` when the team has its share.
    pub fn enter(&self, team: &Arc<str>) -> Result<Place, Fault> {
        let mut taken = lock(&self.taken);
        if taken.all >= self.max {
            return Err(Fault::new(
                FaultKind::Overloaded,
                "Too many requests are waiting here. Send the request again.",
            ));
        }
        let of_team = taken.of_team.entry(Arc::clone(team)).or_default();
        if *of_team >= self.max_per_team {
            let message = "Too many requests of this team are waiting. Send the request again.";
            return Err(Fault::new(FaultKind::NoSlot, message));
        }
        *of_team += 1;
        taken.all += 1;
        drop(taken);
        Ok(Place {
            team: Arc::clone(team),
            taken: Arc::clone(&self.taken),
            _gauge: self.metrics.waiting(team),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(of_team) = taken.of_team.get_mut(&self.team) {
            *of_team = of_team.saturating_sub(1);
            if *of_team == 0 {
                taken.of_team.remove(&self.team);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_gateway_is_a_503_and_a_full_team_a_429() {
        let room = WaitingRoom::new(3, 2, Arc::new(Metrics::new()));
        let (blue, red): (Arc<str>, Arc<str>) = ("blue".into(), "red".into());
        let status = |team| room.enter(team).map(drop).map_err(|fault| fault.status());
        let _first = room.enter(&blue).unwrap();
        let second = room.enter(&blue).unwrap();
        assert_eq!(status(&blue), Err(429));
        let _third = room.enter(&red).unwrap();
        assert_eq!(status(&red), Err(503));
        drop(second);
        assert_eq!(status(&blue), Ok(()));
    }
}
