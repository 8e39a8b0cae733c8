//! GET /admin/v1/generations: what is made, for whom, and where it stands. No prompts, no pictures, no secrets.

use axum::extract::State as Shared;
use axum::response::Response;
use http::Uri;
use serde_json::{Map, Value, json};

use super::Desk;
use super::query::Query;
use crate::fault::{Fault, wording};
use crate::generation::{Filter, Generation, InDoubt, Place, State};
use crate::server::gateway::Gateway;

/// Generations of a page, unless told otherwise, and at most.
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;

const STATES: [State; 5] = [State::Queued, State::Running, State::InDoubt, State::Done, State::Failed];

pub(super) async fn list(Shared(desk): Shared<Desk>, uri: Uri) -> Result<Response, Fault> {
    let filter = filter(uri.query())?;
    let gateway = &desk.gateway;
    let page = gateway.generations.overview(&filter);
    let data: Vec<Value> = page.generations.iter().map(|generation| shown(generation, gateway)).collect();
    let next = page.next.map(|place| place.to_string());
    Ok(super::json(&json!({"data": data, "has_more": next.is_some(), "next": next})))
}

fn filter(query: Option<&str>) -> Result<Filter, Fault> {
    let query = Query::read(query, &["state", "team", "limit", "after"])?;
    let state = query.get("state").map(|name| {
        STATES.into_iter().find(|state| state.name() == name).ok_or_else(|| {
            let known = STATES.map(State::name).join(", ");
            Fault::invalid("state", format!("Unknown state {}. Use {known}.", wording::quote(name)))
        })
    });
    let limit = query.get("limit").map_or(Ok(PAGE), |text| {
        let limit = text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
        limit.ok_or_else(|| Fault::invalid("limit", format!("'limit' must be from 1 to {PAGE_MAX}.")))
    })?;
    let after = query.get("after").map(|text| {
        let message = "'after' must be the `next` of the page before.";
        Place::parse(text).ok_or_else(|| Fault::invalid("after", message))
    });
    Ok(Filter {
        state: state.transpose()?,
        team: query.get("team").map(str::to_owned),
        limit,
        after: after.transpose()?,
    })
}

fn shown(generation: &Generation, gateway: &Gateway) -> Value {
    let (plan, created) = (generation.plan(), generation.created_unix());
    let tasks: Vec<String> = generation.task_ids().iter().map(ToString::to_string).collect();
    let in_doubt: Vec<Value> =
        generation.creates_in_doubt().iter().map(|doubt| in_doubt(doubt, gateway)).collect();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("id", generation.id().as_str().into());
    put("team", generation.team().into());
    put("key", key(generation.key_id(), gateway));
    put("model", plan.class.model.as_str().into());
    put("quality", plan.class.quality.name().into());
    put("n", plan.count.into());
    put("state", generation.state().name().into());
    put("progress", generation.progress().into());
    if let Some(position) = generation.ahead() {
        put("position", position.into());
    }
    put("created", created.into());
    put("age_seconds", gateway.clock.unix().saturating_sub(created).max(0).into());
    put("task_ids", tasks.into());
    put("in_doubt", in_doubt.into());
    // Without its message: Evolink's texts may quote the prompt.
    if let Some(fault) = generation.failure() {
        put("error", json!({"code": fault.code(), "type": fault.error_type()}));
    }
    Value::Object(fields)
}

/// The key by its id, and by its name while it is there.
fn key(id: &str, gateway: &Gateway) -> Value {
    let policy = gateway.policy.load();
    let configured = policy.keys.entries().find(|(entry, _)| entry.id == id);
    let name = configured.map(|(entry, _)| entry.name.clone());
    let name = name.or_else(|| gateway.mint.table().by_id(id).map(|key| key.name.clone()));
    json!({"id": id, "name": name})
}

fn in_doubt(doubt: &InDoubt, gateway: &Gateway) -> Value {
    let age = i64::try_from(doubt.age().as_secs()).unwrap_or(i64::MAX);
    json!({
        "image": doubt.image,
        "upstream_key": doubt.key.as_str(),
        "since": gateway.clock.unix().saturating_sub(age),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_and_what_cannot_be_is_refused_with_what_works() {
        let read = filter(Some("state=in_doubt&team=a%20b&limit=1000&after=12.gen_1")).unwrap();
        assert_eq!((read.state, read.team.as_deref(), read.limit), (Some(State::InDoubt), Some("a b"), 1000));
        assert_eq!(read.after.unwrap().to_string(), "12.gen_1");
        let read = filter(None).unwrap();
        assert_eq!((read.state, read.team, read.limit, read.after), (None, None, PAGE, None));
        for (query, param, works) in [
            ("state=lost", "state", "queued, running, in_doubt, done, failed"),
            ("limit=0", "limit", "from 1 to 1000"),
            ("limit=1001", "limit", "from 1 to 1000"),
            ("limit=many", "limit", "from 1 to 1000"),
            ("after=gen_1", "after", "`next`"),
            ("stat=done", "stat", "state, team, limit, after"),
            ("limit=1&limit=2", "limit", "twice"),
        ] {
            let fault = filter(Some(query)).unwrap_err();
            assert_eq!((fault.status(), fault.param()), (400, Some(param)), "{query}");
            assert!(fault.message().contains(works), "{query}: {}", fault.message());
        }
    }
}
