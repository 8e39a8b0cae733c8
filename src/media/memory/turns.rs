//! One reads or converts a content at a time; the others wait for their turn, and mostly find it done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

use super::{HotKey, PictureMemory};

/// As many as are waited for at the moment.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<HotKey, Weak<tokio::sync::Mutex<()>>>>);

/// The turn; the next one comes when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    // Dropped in this order.
    _guard: OwnedMutexGuard<()>,
    _ticket: Ticket,
}

/// One that waits or has its turn. The last one leaves nothing behind.
#[derive(Debug)]
struct Ticket {
    memory: PictureMemory,
    key: HotKey,
    line: Option<Arc<tokio::sync::Mutex<()>>>,
}

impl Turns {
    pub(super) async fn of(&self, memory: &PictureMemory, key: HotKey) -> Turn {
        let line = {
            let mut lines = self.lines();
            let known = lines.get(&key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let line = Arc::default();
                lines.insert(key, Arc::downgrade(&line));
                line
            })
        };
        let ticket = Ticket { memory: memory.clone(), key, line: Some(Arc::clone(&line)) };
        Turn { _guard: line.lock_owned().await, _ticket: ticket }
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<HotKey, Weak<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lines().len()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lines = self.memory.0.turns.lines();
        drop(self.line.take());
        if lines.get(&self.key).is_some_and(|line| line.strong_count() == 0) {
            lines.remove(&self.key);
        }
    }
}
