//! GET /admin/v1/usage: what was used and what it cost, by day, team, key and model; as JSON or CSV.

mod asked;
mod csv;

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Uri};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::Desk;
use crate::fault::{Fault, FaultKind};
use crate::quota::{Dimension, Spent, USAGE_LINES_MAX, Unit, UsageLine};
use crate::server::readings::{amount, in_time};
use asked::{Asked, Form};

/// Longest wait for the ledger: a year of many keys takes its time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The figures of one line that are counted.
const FIGURES: [&str; 5] = ["requests", "hits", "images", "credits", "usd"];

pub(super) async fn report(
    State(desk): State<Desk>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Fault> {
    let gateway = &desk.gateway;
    let today = gateway.clock.now().to_zoned(TimeZone::UTC).date();
    let Asked { query, form } = Asked::read(uri.query(), &headers, today)?;
    gateway.generations.write_figures().await;
    let lines = in_time(PATIENCE, gateway.ledger.usage(query.clone())).await?;
    if lines.len() >= USAGE_LINES_MAX {
        let message = format!(
            "The report has {USAGE_LINES_MAX} lines or more. Ask for fewer days, one team, or fewer of 'by'."
        );
        return Err(Fault::new(FaultKind::InvalidValue, message).with_param("by"));
    }
    let by: Vec<&str> = Dimension::ALL
        .into_iter()
        .filter(|dimension| query.by.contains(dimension))
        .map(Dimension::name)
        .collect();
    let per_usd = gateway.quota.micro_credits_per_usd();
    let mut response = match form {
        Form::Csv => {
            let mut response = Response::new(csv::written(&by, &lines, per_usd).into());
            let media_type = HeaderValue::from_static("text/csv; charset=utf-8; header=present");
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            response
        }
        Form::Json => {
            let data: Vec<Value> = lines.iter().map(|line| told(line, per_usd)).collect();
            let (from, to) = (query.from.to_string(), query.to.to_string());
            super::json(&json!({"from": from, "to": to, "by": by, "data": data}))
        }
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

fn told(line: &UsageLine, micro_credits_per_usd: u64) -> Value {
    let values = line.values.iter().map(|(dimension, value)| (dimension.name(), Value::from(value.as_str())));
    let used = line.used;
    let figures = [
        used.requests.into(),
        used.hits.into(),
        used.images.into(),
        amount(used.credits.micro()),
        amount(micro_usd(line, micro_credits_per_usd)),
    ];
    let all = values.chain(FIGURES.into_iter().zip(figures));
    Value::Object(all.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

/// What it cost, in millionths of a dollar.
fn micro_usd(line: &UsageLine, micro_credits_per_usd: u64) -> u64 {
    let spent = Spent { images: line.used.images, micro_credits: line.used.credits.micro() };
    spent.in_unit(Unit::Usd, micro_credits_per_usd)
}
