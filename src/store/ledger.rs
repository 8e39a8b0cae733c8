//! The ledger of budgets in the database: what was used and what is held, by window.
//!
//! All functions run inside a transaction of the journal's: a generation and its holds are admitted together, and its
//! end settles them together. Amounts are millionths of the budget's unit. `windows.held` is always the sum of the
//! window's holds.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::StoreError;
use crate::quota::{BudgetId, BudgetStanding, Demand, Exceeded, Spent, Unit};

/// The longest window is a month; a clock may be set back.
const KEPT_MS: i64 = 64 * 24 * 3_600 * 1_000;

type Result<T> = std::result::Result<T, StoreError>;

/// Holds all demands, or none. Each of the demands is of another budget. Returns those of budgets that are not enforced
/// and have no room.
///
/// # Errors
/// `Exceeded`, with the first enforced budget that has no room: the caller's transaction is not to be kept.
pub(super) fn hold(
    db: &Connection,
    generation: &str,
    demands: &[Demand],
    now_ms: i64,
) -> Result<Vec<Exceeded>> {
    let (mut places, mut over) = (Vec::with_capacity(demands.len()), Vec::new());
    for (at, demand) in demands.iter().enumerate() {
        let budget = number(db, &demand.budget, now_ms)?;
        let (used, held) = standing(db, budget, demand.start_ms)?;
        let taken = used.saturating_add(held).saturating_add(demand.amount);
        if taken > demand.limit {
            let exceeded = Exceeded { demand: at, used, held };
            if demand.budget.enforced {
                return Err(StoreError::Exceeded(exceeded));
            }
            over.push(exceeded);
        }
        places.push(budget);
    }
    for (budget, demand) in places.into_iter().zip(demands) {
        db.prepare_cached(
            "INSERT INTO windows (budget, start, held) VALUES (?1, ?2, ?3) \
             ON CONFLICT (budget, start) DO UPDATE SET held = held + excluded.held",
        )?
        .execute(params![budget, demand.start_ms, stored(demand.amount)])?;
        db.prepare_cached("INSERT INTO holds (generation, budget, start, amount) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![generation, budget, demand.start_ms, stored(demand.amount)])?;
    }
    Ok(over)
}

/// The generation is known to cost at least so much: holds below that are raised, in their own windows, whether or not
/// there is room. A second time changes nothing.
pub(super) fn raise(
    db: &Connection,
    generation: &str,
    spent: Spent,
    micro_credits_per_usd: u64,
) -> Result<()> {
    for (budget, unit, start, amount) in holds(db, generation)? {
        let more = spent.in_unit(unit, micro_credits_per_usd).saturating_sub(amount);
        if more == 0 {
            continue;
        }
        db.prepare_cached("UPDATE holds SET amount = amount + ?3 WHERE generation = ?1 AND budget = ?2")?
            .execute(params![generation, budget, stored(more)])?;
        db.prepare_cached("UPDATE windows SET held = held + ?3 WHERE budget = ?1 AND start = ?2")?
            .execute(params![budget, start, stored(more)])?;
    }
    Ok(())
}

/// The generation has ended and cost so much (nothing: its holds are released). Once; a second time finds no holds.
pub(super) fn settle(
    db: &Connection,
    generation: &str,
    spent: Spent,
    micro_credits_per_usd: u64,
) -> Result<()> {
    for (budget, unit, start, amount) in holds(db, generation)? {
        db.prepare_cached(
            "UPDATE windows SET held = held - ?3, used = used + ?4 WHERE budget = ?1 AND start = ?2",
        )?
        .execute(params![
            budget,
            start,
            stored(amount),
            stored(spent.in_unit(unit, micro_credits_per_usd))
        ])?;
    }
    db.prepare_cached("DELETE FROM holds WHERE generation = ?1")?.execute([generation])?;
    Ok(())
}

/// Removes at most `limit` windows that nobody asks for any more.
pub(super) fn sweep(db: &Connection, now_ms: i64, limit: i64) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM windows WHERE (budget, start) IN (SELECT budget, start FROM windows \
         WHERE held = 0 AND start > ?1 AND start < ?2 LIMIT ?3)",
    )?
    .execute(params![i64::MIN, now_ms.saturating_sub(KEPT_MS), limit])?;
    Ok(())
}

/// Where a budget stands in the window that begins at `start_ms`.
pub(super) fn read(db: &Connection, budget: &BudgetId, start_ms: i64) -> Result<BudgetStanding> {
    let Some(number) = find(db, budget)? else { return Ok(BudgetStanding::default()) };
    let (used, held) = standing(db, number, start_ms)?;
    let since = db
        .prepare_cached("SELECT since FROM budgets WHERE number = ?1")?
        .query_row([number], |row| row.get(0))?;
    Ok(BudgetStanding { used, held, since_ms: Some(since) })
}

/// What a generation holds of each budget, in millionths of the budget's unit.
pub(super) fn held(db: &Connection, generation: &str) -> Result<Vec<(Unit, u64)>> {
    Ok(holds(db, generation)?.into_iter().map(|(_, unit, _, amount)| (unit, amount)).collect())
}

fn holds(db: &Connection, generation: &str) -> Result<Vec<(i64, Unit, i64, u64)>> {
    let mut statement = db.prepare_cached(
        "SELECT budget, unit, start, amount FROM holds JOIN budgets ON number = budget WHERE generation = ?1",
    )?;
    let rows = statement.query_map([generation], |row| {
        let unit: String = row.get(1)?;
        let unit = Unit::ALL.into_iter().find(|known| known.name() == unit);
        let unit = unit.ok_or(rusqlite::Error::InvalidQuery)?;
        Ok((row.get(0)?, unit, row.get(2)?, whole(row.get(3)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn find(db: &Connection, budget: &BudgetId) -> Result<Option<i64>> {
    let number = db
        .prepare_cached(
        "SELECT number FROM budgets WHERE account = ?1 AND unit = ?2 AND period = ?3 AND timezone = ?4 AND enforced = ?5",
    )?
    .query_row(
        params![budget.account, budget.unit.name(), budget.period.name(), budget.timezone, budget.enforced],
        |row| row.get(0),
    )
    .optional()?;
    Ok(number)
}

fn number(db: &Connection, budget: &BudgetId, now_ms: i64) -> Result<i64> {
    if let Some(number) = find(db, budget)? {
        return Ok(number);
    }
    db.prepare_cached(
        "INSERT INTO budgets (account, unit, period, timezone, enforced, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        budget.account,
        budget.unit.name(),
        budget.period.name(),
        budget.timezone,
        budget.enforced,
        now_ms
    ])?;
    Ok(db.last_insert_rowid())
}

fn standing(db: &Connection, budget: i64, start_ms: i64) -> Result<(u64, u64)> {
    let row = db
        .prepare_cached("SELECT used, held FROM windows WHERE budget = ?1 AND start = ?2")?
        .query_row(params![budget, start_ms], |row| Ok((whole(row.get(0)?), whole(row.get(1)?))))
        .optional()?;
    Ok(row.unwrap_or_default())
}

fn stored(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn whole(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

#[cfg(test)]
mod tests;
