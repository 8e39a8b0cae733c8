//! The simulator's own paths, for tests of other processes: the ledger and the scripted faults.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::World;
use super::answer::{Answer, ok, refusal};
use super::faults::{Armed, Fault, FaultError};

/// `{"fault": "create:500*2"}`, `{"faults": […]}`, or both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    fault: Option<String>,
    #[serde(default)]
    faults: Vec<String>,
}

/// Answers `/_simulator/{path}`.
pub(super) fn answer(world: &World, method: &Method, path: &str, body: &[u8]) -> Answer {
    match (method, path) {
        (&Method::GET, "ledger") => {
            let view = world.ledger().view(&world.epoch, Instant::now());
            ok(&view)
        }
        (&Method::DELETE, "ledger") => {
            world.reset();
            ok(&json!({"reset": true}))
        }
        (&Method::GET, "faults") => armed(world),
        (&Method::POST, "faults") => match script(body) {
            Ok(faults) => {
                world.ledger().scripts.extend(faults.into_iter().map(Armed::new));
                armed(world)
            }
            Err(reason) => refusal(StatusCode::BAD_REQUEST, "invalid_request", &reason),
        },
        (&Method::DELETE, "faults") => {
            world.ledger().scripts.clear();
            armed(world)
        }
        _ => refusal(
            StatusCode::NOT_FOUND,
            "invalid_url",
            &format!("Invalid URL ({method} /_simulator/{path})"),
        ),
    }
}

fn script(body: &[u8]) -> Result<Vec<Fault>, String> {
    let script: Script = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let faults = script.fault.into_iter().chain(script.faults).map(|text| text.parse());
    faults.collect::<Result<_, FaultError>>().map_err(|error| error.to_string())
}

fn armed(world: &World) -> Answer {
    let show = |armed: &Armed| json!({"effect": format!("{:?}", armed.fault.effect), "left": armed.left()});
    let faults: Vec<Value> = world.ledger().scripts.iter().map(show).collect();
    ok(&json!({"faults": faults}))
}
