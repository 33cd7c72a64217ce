//! How is all that the embedded store holds read, and written to an empty one?

use jiff::Timestamp;
use rules::Revision;
use rusqlite::Connection;

use super::sqlite::failed;
use super::whole::{MOVED_NOTES, Note, Step, Whole};
use super::{Change, Entry, StoreError, notes, rows};

/// All that is in the tables.
pub(super) fn read(connection: &Connection) -> Result<Whole, StoreError> {
    let entries = rows::entries(connection, Revision(0), Revision(u64::MAX))?;
    Ok(Whole {
        epoch: None,
        steps: steps(connection, entries)?,
        lines: rows::lines(connection, 0, u64::MAX)?,
        kept: notes::kept(connection)?,
        notes: ending(connection)?,
    })
}

fn steps(connection: &Connection, entries: Vec<Entry>) -> Result<Vec<Step>, StoreError> {
    let mut query = connection
        .prepare("SELECT revision, key, value FROM state ORDER BY revision, key")
        .map_err(failed)?;
    let changed = query
        .query_map((), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))
        .and_then(Iterator::collect::<Result<Vec<(i64, Change)>, _>>)
        .map_err(failed)?;
    let mut changed = changed.into_iter().peekable();
    let step = |entry: Entry| {
        let of_it = |row: &(i64, Change)| u64::try_from(row.0) == Ok(entry.revision.0);
        let mut changes = Vec::new();
        while let Some((_, change)) = changed.next_if(of_it) {
            changes.push(change);
        }
        Step { entry, changes }
    };
    Ok(entries.into_iter().map(step).collect())
}

fn ending(connection: &Connection) -> Result<Vec<Note>, StoreError> {
    let mut query = connection
        .prepare("SELECT key, value, expires FROM passing_notes WHERE expires > ?1 ORDER BY key")
        .map_err(failed)?;
    let now = Timestamp::now().as_millisecond();
    let found = query
        .query_map([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .and_then(Iterator::collect::<Result<Vec<(String, String, i64)>, _>>)
        .map_err(failed)?;
    let note = |(key, value, ends)| {
        let ends = Timestamp::from_millisecond(ends).unwrap_or(Timestamp::MAX);
        Note { key, value, ends }
    };
    let is_moved =
        |note: &Note| MOVED_NOTES.iter().any(|kind| note.key.split('/').next() == Some(kind));
    Ok(found.into_iter().map(note).filter(is_moved).collect())
}

/// Whether nothing is in the tables.
pub(super) fn are_empty(connection: &Connection) -> Result<bool, StoreError> {
    let any = "SELECT EXISTS (SELECT 1 FROM revisions) OR EXISTS (SELECT 1 FROM audit) OR EXISTS (SELECT 1 FROM notes)";
    connection.query_row(any, (), |row| row.get(0)).map(|any: bool| !any).map_err(failed)
}

/// Writes all of it.
pub(super) fn write(connection: &Connection, whole: &Whole) -> Result<(), StoreError> {
    for Step { entry, changes } in &whole.steps {
        rows::insert(connection, entry, changes).map_err(failed)?;
    }
    for line in &whole.lines {
        rows::insert_line(connection, line)?;
    }
    let kept: Vec<Change> =
        whole.kept.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    notes::keep(connection, &kept)?;
    for Note { key, value, ends } in &whole.notes {
        let put = "INSERT OR REPLACE INTO passing_notes (key, value, expires) VALUES (?1, ?2, ?3)";
        connection.execute(put, (key, value, ends.as_millisecond())).map_err(failed)?;
    }
    Ok(())
}
