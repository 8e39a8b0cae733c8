//! What routes read of the ledger, in time, and how its amounts are written.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::fault::{Fault, FaultKind};
use crate::money::Credits;
use crate::quota::LedgerFuture;

/// Waits for the ledger, but not longer than this.
///
/// # Errors
/// 503: it cannot be read now.
pub(super) async fn in_time<T>(patience: Duration, reading: LedgerFuture<'_, T>) -> Result<T, Fault> {
    let message = "What was used cannot be read at the moment. Send the request again.";
    let unreadable = || Fault::new(FaultKind::Overloaded, message);
    let read = timeout(patience, reading).await.map_err(|elapsed| unreadable().with_cause(elapsed))?;
    read.map_err(|error| unreadable().with_cause(error))
}

/// Millionths as a number with the decimals it needs: `200`, `12.5`.
pub(super) fn amount(millionths: u64) -> Value {
    if millionths.is_multiple_of(1_000_000) {
        return (millionths / 1_000_000).into();
    }
    // The nearest number to the decimal; it is written with the shortest text that names it.
    Credits::from_micro(millionths).decimal().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::LedgerError;

    #[test]
    fn amounts_have_the_decimals_they_need() {
        let written = [0, 1, 100_000, 300_000, 12_500_000, 200_000_000, 3_224_322, 2_147_483_647_123_456]
            .map(|millionths| amount(millionths).to_string());
        assert_eq!(written, ["0", "1e-6", "0.1", "0.3", "12.5", "200", "3.224322", "2147483647.123456"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_fails_or_hangs_is_a_failure_that_may_be_repeated() {
        let patience = Duration::from_secs(5);
        let failing = in_time::<()>(patience, Box::pin(async { Err(LedgerError("disk full".into())) })).await;
        let hanging = in_time::<()>(patience, Box::pin(std::future::pending())).await;
        for fault in [failing.unwrap_err(), hanging.unwrap_err()] {
            assert_eq!((fault.status(), fault.should_retry()), (503, true));
            assert!(fault.retry_after_seconds().is_some() && !fault.message().contains("disk"));
            assert!(fault.cause().is_some());
        }
    }
}
