//! The account's models and credits.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::World;
use super::answer::{Answer, ok};
use super::billing::{credits as in_credits, micro};
use super::order;

/// `GET /v1/models`.
pub(super) fn models() -> Answer {
    let model =
        |id: &str| json!({"id": id, "object": "model", "created": 1_757_156_493, "owned_by": "evolink"});
    let data: Vec<Value> = order::models().map(model).collect();
    ok(&json!({"object": "list", "data": data}))
}

/// `GET /v1/credits`: the account's, and what of it the asking key has used. What is reserved counts as used until the
/// task's end.
pub(super) fn credits(world: &World, owner: u64) -> Answer {
    let now = Instant::now();
    let (used, by_key) = {
        let mut ledger = world.ledger();
        (ledger.weight(now), ledger.weight_of(owner, now))
    };
    let remaining = micro(world.options.credits).saturating_sub(used);
    let (used, by_key, remaining) = (in_credits(used), in_credits(by_key), in_credits(remaining));
    ok(&json!({
        "success": true,
        "message": "",
        "data": {
            "user": {"remaining_credits": remaining, "used_credits": used},
            "token": {"remaining_credits": remaining, "used_credits": by_key, "unlimited_credits": true},
        },
    }))
}
