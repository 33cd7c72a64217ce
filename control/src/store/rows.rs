//! How are entries, states and the audit's lines read from the embedded store's tables, and written to them?

use std::collections::BTreeMap;

use jiff::Timestamp;
use rules::Revision;
use rusqlite::{Connection, OptionalExtension, Row};

use super::sqlite::failed;
use super::{Change, Entry, StoreError, Stored};
use crate::audit::{Head, Line, Record};

pub(super) fn newest(connection: &Connection) -> Result<Revision, StoreError> {
    let newest: Option<i64> = connection
        .query_row("SELECT max(revision) FROM revisions", (), |row| row.get(0))
        .map_err(failed)?;
    Ok(Revision(newest.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)))
}

pub(super) fn load_at(
    connection: &Connection,
    revision: Revision,
) -> Result<Option<Stored>, StoreError> {
    let found = connection
        .query_row(
            "SELECT revision, at, actor, why, command, arguments, summary FROM revisions
             WHERE revision = ?1",
            [number(revision)],
            columns,
        )
        .optional()
        .map_err(failed)?;
    let Some(found) = found else { return Ok(None) };
    // A bare column beside max() is of the row that has the maximum (sqlite.org/lang_select.html, "bare columns").
    let mut query = connection
        .prepare_cached(
            "SELECT key, value FROM (
                 SELECT key, value, max(revision) FROM state WHERE revision <= ?1 GROUP BY key
             ) WHERE value IS NOT NULL",
        )
        .map_err(failed)?;
    let values = query
        .query_map([number(revision)], |row| Ok((row.get(0)?, row.get(1)?)))
        .and_then(Iterator::collect::<Result<BTreeMap<_, _>, _>>)
        .map_err(failed)?;
    Ok(Some(Stored { entry: entry(found)?, values }))
}

pub(super) fn insert(
    connection: &Connection,
    entry: &Entry,
    changes: &[Change],
) -> rusqlite::Result<()> {
    let revision = number(entry.revision);
    connection
        .prepare_cached(
            "INSERT INTO revisions (revision, at, actor, why, command, arguments, summary)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            revision,
            entry.at.to_string(),
            &entry.actor,
            &entry.why,
            &entry.command,
            entry.arguments.to_string(),
            &entry.summary,
        ))?;
    let mut insert = connection
        .prepare_cached("INSERT INTO state (key, revision, value) VALUES (?1, ?2, ?3)")?;
    for (key, value) in changes {
        insert.execute((key, revision, value))?;
    }
    Ok(())
}

type Columns = (i64, String, String, String, String, String, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    row.try_into()
}

fn entry(columns: Columns) -> Result<Entry, StoreError> {
    let (revision, at, actor, why, command, arguments, summary) = columns;
    let corrupt = |reason: &dyn std::fmt::Display| StoreError::Corrupt {
        what: format!("revision {revision}"),
        reason: reason.to_string(),
    };
    let at: Timestamp = at.parse().map_err(|error| corrupt(&error))?;
    let arguments = serde_json::from_str(&arguments).map_err(|error| corrupt(&error))?;
    let revision = Revision(u64::try_from(revision).map_err(|error| corrupt(&error))?);
    Ok(Entry { revision, at, actor, why, command, arguments, summary })
}

/// The entries of a span, oldest first.
pub(super) fn entries(
    connection: &Connection,
    first: Revision,
    last: Revision,
) -> Result<Vec<Entry>, StoreError> {
    let mut query = connection
        .prepare_cached(
            "SELECT revision, at, actor, why, command, arguments, summary FROM revisions
             WHERE revision BETWEEN ?1 AND ?2 ORDER BY revision",
        )
        .map_err(failed)?;
    let rows = query.query_map((number(first), number(last)), columns).map_err(failed)?;
    rows.map(|row| entry(row.map_err(failed)?)).collect()
}

/// The newest link of the audit's chain.
pub(super) fn audited(connection: &Connection) -> Result<Head, StoreError> {
    let newest = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    let found =
        connection.query_row(newest, (), |row| Ok(Head { seq: seq(row)?, hash: row.get(1)? }));
    Ok(found.optional().map_err(failed)?.unwrap_or_default())
}

/// Appends records to the audit's chain.
pub(super) fn append<'r>(
    connection: &Connection,
    records: impl IntoIterator<Item = &'r Record>,
) -> Result<(), StoreError> {
    let lines = Line::all_after(&audited(connection)?, records);
    lines.iter().try_for_each(|line| insert_line(connection, line))
}

/// Writes a line of the audit as it is.
pub(super) fn insert_line(connection: &Connection, line: &Line) -> Result<(), StoreError> {
    let Line { head: Head { seq, hash }, text } = line;
    let insert = "INSERT INTO audit (seq, hash, line) VALUES (?1, ?2, ?3)";
    let inserted = connection
        .prepare_cached(insert)
        .and_then(|mut insert| insert.execute((bounded(*seq), hash, text)));
    inserted.map(drop).map_err(failed)
}

/// The audit's lines of a span, oldest first.
pub(super) fn lines(
    connection: &Connection,
    first: u64,
    last: u64,
) -> Result<Vec<Line>, StoreError> {
    let mut query = connection
        .prepare_cached(
            "SELECT seq, hash, line FROM audit WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        )
        .map_err(failed)?;
    let line = |row: &Row<'_>| {
        Ok(Line { head: Head { seq: seq(row)?, hash: row.get(1)? }, text: row.get(2)? })
    };
    let rows = query.query_map((bounded(first), bounded(last)), line).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn seq(row: &Row<'_>) -> rusqlite::Result<u64> {
    let seq: i64 = row.get(0)?;
    Ok(u64::try_from(seq).unwrap_or_default())
}

fn number(revision: Revision) -> i64 {
    bounded(revision.0)
}

/// SQLite's integers are signed; no revision ever comes near the bound.
fn bounded(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
