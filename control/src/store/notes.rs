//! How are notes kept in the embedded store's tables? Some until their time is over, and those that stay.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::sqlite::failed;
use super::{Change, CommitNote, MAX_NOTES, StoreError};

/// Keeps a note where there is none under the key, else gives the one that is there.
pub(super) fn add(
    connection: &Connection,
    key: &str,
    value: &str,
    keep: Duration,
) -> Result<Option<String>, StoreError> {
    forget(connection)?;
    let found = connection
        .query_row("SELECT value FROM passing_notes WHERE key = ?1", [key], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    if found.is_none() {
        put(connection, key, value, keep)?;
    }
    Ok(found)
}

/// Keeps a note in the place of the only one that may be there; says whether no other one was.
pub(super) fn take_place(
    connection: &Connection,
    note: Option<&CommitNote>,
) -> Result<bool, StoreError> {
    let Some(CommitNote { key, value, keep, instead_of }) = note else { return Ok(true) };
    let found = add(connection, key, value, *keep)?;
    let is_other = |expected: &String| found.as_ref().is_some_and(|found| found != expected);
    if instead_of.as_ref().is_some_and(is_other) {
        return Ok(false);
    }
    put(connection, key, value, *keep)?;
    Ok(true)
}

/// Keeps a note in the place of the one under the key, or none.
pub(super) fn replace(
    connection: &Connection,
    key: &str,
    value: Option<&str>,
    keep: Duration,
) -> Result<(), StoreError> {
    match value {
        Some(value) => put(connection, key, value, keep),
        None => {
            let removed = connection.execute("DELETE FROM passing_notes WHERE key = ?1", [key]);
            removed.map(drop).map_err(failed)
        }
    }
}

/// The notes whose keys begin so.
pub(super) fn all(
    connection: &Connection,
    prefix: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    let mut query = connection
        .prepare_cached(
            "SELECT key, value FROM passing_notes
             WHERE substr(key, 1, length(?1)) = ?1 AND expires > ?2 ORDER BY key",
        )
        .map_err(failed)?;
    let rows = query.query_map((prefix, now_ms()), |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(failed)
}

/// Keeps notes that stay, each in the place of the one before.
pub(super) fn keep(connection: &Connection, notes: &[Change]) -> Result<(), StoreError> {
    for (key, value) in notes {
        match value {
            Some(value) => connection.execute(
                "INSERT INTO notes (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            ),
            None => connection.execute("DELETE FROM notes WHERE key = ?1", [key]),
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// All notes that stay.
pub(super) fn kept(connection: &Connection) -> Result<BTreeMap<String, String>, StoreError> {
    let mut query = connection.prepare_cached("SELECT key, value FROM notes").map_err(failed)?;
    let rows = query.query_map((), |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(failed)
}

fn put(connection: &Connection, key: &str, value: &str, keep: Duration) -> Result<(), StoreError> {
    let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
    let expires = now_ms().saturating_add(keep);
    let put = "INSERT OR REPLACE INTO passing_notes (key, value, expires) VALUES (?1, ?2, ?3)";
    connection.execute(put, (key, value, expires)).map_err(failed)?;
    Ok(())
}

/// Forgets what is over, and so many of those that end soonest that one more has room.
fn forget(connection: &Connection) -> Result<(), StoreError> {
    connection
        .execute("DELETE FROM passing_notes WHERE expires <= ?1", [now_ms()])
        .map_err(failed)?;
    let kept = i64::try_from(MAX_NOTES).unwrap_or(i64::MAX).saturating_sub(1);
    let surplus = "DELETE FROM passing_notes WHERE key IN (
        SELECT key FROM passing_notes ORDER BY expires LIMIT max(0, (SELECT count(*) FROM passing_notes) - ?1))";
    connection.execute(surplus, [kept]).map(drop).map_err(failed)
}

fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
