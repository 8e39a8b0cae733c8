//! Why somebody has no place, and when to come back.

use std::time::Duration;

use crate::fault::{Fault, FaultKind};
use crate::quota::Account;

/// What clients believe of a pause.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// What the line means for one more image.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    /// The least to be expected, from what places have been held lately; nothing while that is not known.
    pub wait: Duration,
    /// Who is at a limit of its own, if that is what takes so long, and the limit.
    pub own: Option<(Account, u32)>,
}

impl Forecast {
    /// The fault of an image whose turn does not come in time.
    pub(super) fn refusal(&self, queue_timeout: Duration) -> Fault {
        let fault = match &self.own {
            None => no_slot(queue_timeout),
            Some((account, most)) => {
                let (noun, waited) = (account.noun(), queue_timeout.as_secs());
                let message = format!(
                    "This {noun} may have {most} images made at once (concurrent_images), and none of them makes room \
                     within {waited} s. Nothing was bought; send the request again."
                );
                Fault::new(FaultKind::NoSlot, message)
            }
        };
        // By then the line is as short as one is let wait in.
        fault.with_retry_after(self.wait.saturating_sub(queue_timeout).clamp(RETRY_AFTER.0, RETRY_AFTER.1))
    }
}

/// The fault of a generation whose turn did not come within `queue_timeout`.
pub(in crate::generation) fn no_slot(queue_timeout: Duration) -> Fault {
    let waited = queue_timeout.as_secs();
    let message = format!(
        "All places for running tasks are taken for longer than {waited} s. Nothing was bought; send the request again."
    );
    Fault::new(FaultKind::NoSlot, message)
}

pub(super) fn too_many() -> Fault {
    Fault::new(FaultKind::Overloaded, "Too many images wait for a place here. Send the request again.")
}

pub(super) fn too_many_of_team() -> Fault {
    Fault::new(FaultKind::NoSlot, "Too many images of this team wait for a place. Send the request again.")
}
