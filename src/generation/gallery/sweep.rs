//! The picture store's housekeeping: what is past `images.keep`, and what crashes left behind.

use std::time::Duration;

use crate::clock::Clock;
use crate::media::PictureStore;

/// Between two runs within a round through the store.
const NEXT_RUN: Duration = Duration::from_secs(2);
/// Between two rounds.
const NEXT_ROUND: Duration = Duration::from_mins(30);

/// Clears away what a crash left, then sweeps for ever, one bounded run at a time; owned by the caller.
pub(super) async fn run(store: PictureStore, keep: Duration, clock: Clock) {
    if let Err(error) = store.clear_leftovers().await {
        tracing::warn!(%error, "half-written pictures of an earlier run could not be removed");
    }
    let mut failing = false;
    loop {
        match store.sweep(clock.now(), keep).await {
            Ok(swept) => {
                failing = false;
                if swept.pictures > 0 {
                    tracing::info!(
                        pictures = swept.pictures,
                        bytes = swept.bytes,
                        "old pictures were removed"
                    );
                }
                let pause = if swept.round_ended { NEXT_ROUND } else { NEXT_RUN };
                tokio::time::sleep(pause).await;
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "the picture store cannot be swept; it is tried again");
                }
                failing = true;
                tokio::time::sleep(NEXT_ROUND).await;
            }
        }
    }
}
