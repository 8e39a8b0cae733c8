//! Daily usage rows in the database.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::StoreError;
use crate::money::Credits;
use crate::quota::{Dimension, USAGE_LINES_MAX, UsageLine, UsageQuery, UsageRow, Used};

/// Adds to what is there.
pub(super) fn add(db: &Connection, row: &UsageRow) -> Result<(), StoreError> {
    let UsageRow { day, team, key, model, used } = row;
    db.prepare_cached(
        "INSERT INTO usage (day, team, key, model, requests, hits, images, credits) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (day, team, key, model) DO UPDATE SET \
         requests = requests + excluded.requests, hits = hits + excluded.hits, \
         images = images + excluded.images, credits = credits + excluded.credits",
    )?
    .execute(params![
        day.to_string(),
        team,
        key,
        model,
        stored(used.requests),
        stored(used.hits),
        stored(used.images),
        stored(used.credits.micro()),
    ])?;
    Ok(())
}

/// The report, in the order of its dimensions; at most [`USAGE_LINES_MAX`] lines.
pub(super) fn read(db: &Connection, query: &UsageQuery) -> Result<Vec<UsageLine>, StoreError> {
    let by: Vec<Dimension> =
        Dimension::ALL.into_iter().filter(|dimension| query.by.contains(dimension)).collect();
    let names: Vec<&str> = by.iter().map(|dimension| dimension.name()).collect();
    let columns = names.iter().fold(String::new(), |columns, name| columns + name + ", ");
    let group =
        if names.is_empty() { String::new() } else { format!("GROUP BY {0} ORDER BY {0}", names.join(", ")) };
    // Only names of the table's own columns are put together here; what was asked for is bound.
    let sql = format!(
        "SELECT {columns}sum(requests), sum(hits), sum(images), sum(credits) FROM usage \
         WHERE day BETWEEN ?1 AND ?2 AND (?3 IS NULL OR team = ?3) {group} LIMIT ?4"
    );
    let limit = i64::try_from(USAGE_LINES_MAX).unwrap_or(i64::MAX);
    let team = query.team.clone().map_or(Value::Null, Value::Text);
    let bound =
        [Value::Text(query.from.to_string()), Value::Text(query.to.to_string()), team, Value::Integer(limit)];
    let mut statement = db.prepare_cached(&sql)?;
    let lines = statement.query_map(params_from_iter(bound), |row| {
        let values = by.iter().enumerate().map(|(at, dimension)| Ok((*dimension, row.get(at)?)));
        let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
        let sum = |at: usize| row.get::<_, Option<i64>>(by.len() + at).map(|sum| whole(sum.unwrap_or(0)));
        let used =
            Used { requests: sum(0)?, hits: sum(1)?, images: sum(2)?, credits: Credits::from_micro(sum(3)?) };
        Ok(UsageLine { values, used })
    })?;
    Ok(lines.collect::<rusqlite::Result<_>>()?)
}

/// The credits of all rows.
pub(super) fn settled(db: &Connection) -> Result<Credits, StoreError> {
    let sum = db
        .prepare_cached("SELECT coalesce(sum(credits), 0) FROM usage")?
        .query_row([], |row| row.get(0).map(whole))?;
    Ok(Credits::from_micro(sum))
}

fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn whole(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema/1.sql")).unwrap();
        db.execute_batch(include_str!("schema/2.sql")).unwrap();
        db
    }

    fn row(day: &str, team: &str, model: &str, images: u64) -> UsageRow {
        let credits = Credits::from_micro(images * 10);
        let used = Used { requests: images + 1, hits: 1, images, credits };
        UsageRow { day: day.parse().unwrap(), team: team.into(), key: "ci".into(), model: model.into(), used }
    }

    #[test]
    fn a_report_adds_up_what_it_does_not_tell_apart() {
        let db = database();
        for row in [
            row("2026-11-20", "a", "gpt-image-2", 9),
            row("2026-11-21", "a", "gpt-image-2", 1),
            row("2026-11-21", "a", "gpt-image-2", 2),
            row("2026-11-21", "b", "gpt-image-2", 4),
            row("2026-11-22", "a", "wan-2", 8),
        ] {
            add(&db, &row).unwrap();
        }
        let report = |team: Option<&str>, by: &[Dimension]| {
            let (from, to) = ("2026-11-21".parse().unwrap(), "2026-11-22".parse().unwrap());
            let query = UsageQuery { from, to, team: team.map(str::to_owned), by: by.to_vec() };
            let lines = read(&db, &query).unwrap().into_iter();
            let shown = lines.map(|line| {
                let values: Vec<_> = line.values.into_iter().map(|(_, value)| value).collect();
                format!("{} {}/{}", values.join(" "), line.used.images, line.used.credits.micro())
            });
            shown.collect::<Vec<_>>()
        };
        assert_eq!(report(None, &[]), [" 15/150"]);
        assert_eq!(
            report(None, &[Dimension::Team, Dimension::Day]),
            ["2026-11-21 a 3/30", "2026-11-21 b 4/40", "2026-11-22 a 8/80"]
        );
        assert_eq!(report(Some("a"), &[Dimension::Model]), ["gpt-image-2 3/30", "wan-2 8/80"]);
        assert_eq!(report(Some("nobody"), &[]), [" 0/0"]);
    }
}
