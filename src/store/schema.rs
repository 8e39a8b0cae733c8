//! The tables, made step by step at start. A step, once released, is never changed: a new one follows it.

use rusqlite::{Connection, TransactionBehavior};

/// Step `n` brings a database of `user_version` n to n + 1.
const STEPS: &[&str] =
    &[include_str!("schema/1.sql"), include_str!("schema/2.sql"), include_str!("schema/3.sql")];

/// The version that this program writes.
pub(super) fn known() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the steps that are missing, all or none.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = usize::try_from(version(connection)?).unwrap_or(usize::MAX);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()
}
