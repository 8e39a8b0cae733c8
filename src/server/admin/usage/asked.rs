//! What report is asked for.

use http::HeaderMap;
use http::header::ACCEPT;
use jiff::civil::Date;

use crate::fault::{Fault, wording};
use crate::quota::{Dimension, UsageQuery};
use crate::server::admin::query::Query;

/// How the report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
}

/// The report that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub query: UsageQuery,
    pub form: Form,
}

impl Asked {
    /// Without `to` it ends today, without `from` it begins with the month of its end; without `by` everything is told
    /// apart. `today`: in UTC, as all days here.
    ///
    /// # Errors
    /// 400, saying what works.
    pub(super) fn read(query: Option<&str>, headers: &HeaderMap, today: Date) -> Result<Self, Fault> {
        let query = Query::read(query, &["from", "to", "by", "team", "format"])?;
        let to = day(&query, "to")?.unwrap_or(today);
        let from = day(&query, "from")?.unwrap_or_else(|| to.first_of_month());
        if from > to {
            let message = format!("'from' ({from}) must not be after 'to' ({to}).");
            return Err(Fault::invalid("from", message));
        }
        let form = match query.get("format") {
            None => accepted(headers),
            Some("json") => Form::Json,
            Some("csv") => Form::Csv,
            Some(other) => {
                let message = format!("Unknown format {}. Use json or csv.", wording::quote(other));
                return Err(Fault::invalid("format", message));
            }
        };
        let team = query.get("team").map(str::to_owned);
        Ok(Self { query: UsageQuery { from, to, team, by: by(&query)? }, form })
    }
}

fn day(query: &Query, name: &'static str) -> Result<Option<Date>, Fault> {
    let Some(text) = query.get(name) else { return Ok(None) };
    // Only as it is written in a report: a time or another calendar's form is no day.
    let day = text.parse::<Date>().ok().filter(|day| day.to_string() == text);
    let message =
        || format!("{} is no day. '{name}' takes days as 2026-11-30, in UTC.", wording::quote(text));
    day.map(Some).ok_or_else(|| Fault::invalid(name, message()))
}

fn by(query: &Query) -> Result<Vec<Dimension>, Fault> {
    let Some(names) = query.get("by") else { return Ok(Dimension::ALL.to_vec()) };
    let dimensions = names.split(',').map(|name| {
        Dimension::from_name(name.trim()).ok_or_else(|| {
            let known = Dimension::ALL.map(Dimension::name).join(", ");
            let message =
                format!("{} cannot be told apart. Use one or more of {known}.", wording::quote(name));
            Fault::invalid("by", message)
        })
    });
    dimensions.collect()
}

/// CSV for who names it before JSON.
fn accepted(headers: &HeaderMap) -> Form {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let types = lines.flat_map(|line| line.split(',')).map(|part| part.split(';').next().unwrap_or_default());
    let mut forms = types.filter_map(|media_type| match media_type.trim().to_ascii_lowercase().as_str() {
        "text/csv" => Some(Form::Csv),
        "application/json" => Some(Form::Json),
        _ => None,
    });
    forms.next().unwrap_or(Form::Json)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn today() -> Date {
        jiff::civil::date(2026, 11, 22)
    }

    fn read(query: &str) -> Result<Asked, Fault> {
        Asked::read(Some(query), &HeaderMap::new(), today())
    }

    #[test]
    fn without_a_word_it_is_this_month_with_everything_told_apart() {
        let days = |query: &str| {
            let UsageQuery { from, to, .. } = read(query).unwrap().query;
            format!("{from} {to}")
        };
        assert_eq!(days(""), "2026-11-01 2026-11-22");
        assert_eq!(days("to=2026-10-31"), "2026-10-01 2026-10-31");
        assert_eq!(days("from=2026-02-03"), "2026-02-03 2026-11-22");
        assert_eq!(days("from=2026-11-22&to=2026-11-22"), "2026-11-22 2026-11-22");
        let asked = read("").unwrap();
        assert_eq!(
            (asked.query.by, asked.query.team, asked.form),
            (Dimension::ALL.to_vec(), None, Form::Json)
        );
        let asked = read("by=team,%20day&team=a%20b&format=csv").unwrap();
        assert_eq!(asked.query.by, [Dimension::Team, Dimension::Day]);
        assert_eq!((asked.query.team.as_deref(), asked.form), (Some("a b"), Form::Csv));
    }

    #[test]
    fn what_cannot_be_told_is_refused_with_what_works() {
        for (query, param, works) in [
            ("from=2026-11-31", "from", "2026-11-30"),
            ("from=yesterday", "from", "2026-11-30"),
            ("to=20261122", "to", "2026-11-30"),
            ("to=2026-11-22T10:00:00", "to", "2026-11-30"),
            ("from=2026-11-22&to=2026-11-21", "from", "'to' (2026-11-21)"),
            ("from=2027-01-01", "from", "'to' (2026-11-22)"),
            ("by=week", "by", "day, team, key, model"),
            ("by=day,", "by", "day, team, key, model"),
            ("format=xml", "format", "json or csv"),
            ("since=2026-11-01", "since", "from, to, by, team, format"),
            ("team=a&team=b", "team", "twice"),
        ] {
            let fault = read(query).unwrap_err();
            assert_eq!((fault.status(), fault.param()), (400, Some(param)), "{query}");
            assert!(fault.message().contains(works), "{query}: {}", fault.message());
        }
    }

    #[test]
    fn csv_is_for_who_asks_for_it() {
        for (accept, form) in [
            ("text/csv", Form::Csv),
            ("Text/CSV;q=0.9, application/json;q=0.1", Form::Csv),
            ("application/json, text/csv", Form::Json),
            ("*/*", Form::Json),
            ("text/html", Form::Json),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(Asked::read(None, &headers, today()).unwrap().form, form, "{accept}");
            assert_eq!(Asked::read(Some("format=json"), &headers, today()).unwrap().form, Form::Json);
        }
    }
}
