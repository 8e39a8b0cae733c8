//! The picture store's housekeeping: what is past `images.keep` or too much for `images.max_size`, and what crashes left
//! behind.

use std::time::Duration;

use crate::clock::Clock;
use crate::media::{PictureStore, Swept};

/// Between two runs within a round through the store.
const NEXT_RUN: Duration = Duration::from_secs(2);
/// The same while the store holds too much.
const NEXT_RUN_PRESSED: Duration = Duration::from_millis(100);
/// Between two rounds.
const NEXT_ROUND: Duration = Duration::from_mins(30);
/// Before the next run after one that failed.
const NEXT_TRY: Duration = Duration::from_mins(5);

/// Clears away what a crash left, then sweeps for ever, one bounded run at a time; owned by the caller.
pub(super) async fn run(store: PictureStore, keep: Duration, clock: Clock) {
    if let Err(error) = store.clear_leftovers().await {
        tracing::warn!(%error, "half-written pictures of an earlier run could not be removed");
    }
    let (mut failing, mut pressed) = (false, false);
    loop {
        match store.sweep(clock.now(), keep).await {
            Ok(swept) => {
                failing = false;
                if swept.pictures + swept.for_room > 0 {
                    tracing::info!(
                        pictures = swept.pictures,
                        for_room = swept.for_room,
                        bytes = swept.bytes,
                        "old pictures were removed"
                    );
                }
                pressed = pause(&store, &swept, pressed).await;
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the picture store cannot be swept; it is tried again");
                }
                failing = true;
                tokio::time::sleep(NEXT_TRY).await;
            }
        }
    }
}

/// Waits for the next run's time. Tells whether the round under way is one for room, which is to be short.
async fn pause(store: &PictureStore, swept: &Swept, pressed: bool) -> bool {
    // One round remembers a bounded number of pictures. That it could remove none would not change at once.
    let go_on = swept.too_much && swept.for_room > 0;
    if !swept.round_ended || go_on {
        let pressed = pressed || go_on;
        tokio::time::sleep(if pressed { NEXT_RUN_PRESSED } else { NEXT_RUN }).await;
        return pressed;
    }
    tokio::time::timeout(NEXT_ROUND, store.pressed()).await.is_ok()
}
