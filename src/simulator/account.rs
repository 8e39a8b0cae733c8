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

/// `GET /v1/credits`.
pub(super) fn credits(world: &World) -> Answer {
    let used = world.ledger().weight(Instant::now());
    let remaining = micro(world.options.credits).saturating_sub(used);
    let (used, remaining) = (in_credits(used), in_credits(remaining));
    ok(&json!({
        "success": true,
        "message": "",
        "data": {
            "user": {"remaining_credits": remaining, "used_credits": used},
            "token": {"remaining_credits": remaining, "used_credits": used, "unlimited_credits": true},
        },
    }))
}
