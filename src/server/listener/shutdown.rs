//! The two steps of an end: draining, then killing.

use tokio_util::sync::CancellationToken;

/// Tells listeners and layers how far the end has come. Clones share one state; nothing goes back.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    kill: CancellationToken,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// New requests are refused from now on, running ones finish.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Ends everything where it stands; implies the drain.
    pub fn kill(&self) {
        self.drain.cancel();
        self.kill.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Waits for the drain's beginning.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Waits for the kill.
    pub async fn killed(&self) {
        self.kill.cancelled().await;
    }
}
