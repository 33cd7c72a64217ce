//! Which tables does the embedded store have, and how does an older file get them?

use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::StoreError;
use super::sqlite::{failed, not_a_database};

/// `Trnt`, by which SQLite files say whose they are.
const APPLICATION_ID: i64 = 0x5472_6e74;
/// What each version of the schema adds to the one before. A released step never changes; a new one comes after it.
/// Files of the first version have the table of notes where a program kept some that had it beside the schema.
const STEPS: [&str; 2] = [
    "CREATE TABLE revisions (
        revision  INTEGER PRIMARY KEY,
        at        TEXT NOT NULL,
        actor     TEXT NOT NULL,
        why       TEXT NOT NULL,
        command   TEXT NOT NULL,
        arguments TEXT NOT NULL,
        summary   TEXT NOT NULL
    ) STRICT;
    CREATE TABLE state (
        key      TEXT NOT NULL,
        revision INTEGER NOT NULL REFERENCES revisions,
        value    TEXT,
        PRIMARY KEY (key, revision)
    ) STRICT, WITHOUT ROWID;",
    "CREATE TABLE audit (
        seq  INTEGER PRIMARY KEY,
        hash TEXT NOT NULL,
        line TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS notes (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE passing_notes (
        key     TEXT PRIMARY KEY,
        value   TEXT NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX passing_notes_expires ON passing_notes (expires);",
];

/// The newest version that is known here.
fn newest() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// Makes the tables of a new file, adds to an older one what it lacks, and refuses what is newer or not Turnout's.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = version(connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    if version < newest() {
        let transaction = connection.transaction().map_err(failed)?;
        step_up(&transaction, version).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// Whether there are tables of Turnout's, of this version or an older one.
pub(super) fn is_there(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    Ok(version(connection, path)? > 0)
}

/// Which version of the schema a file has; 0 where it is a new one.
fn version(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let pragma = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|source| not_a_database(source, path))
    };
    let (owner, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .map_err(failed)?;
    match (owner, version) {
        (APPLICATION_ID, found) if found > newest() => {
            let path = path.to_owned();
            Err(StoreError::TooNew { path, found, known: newest() })
        }
        (APPLICATION_ID, 1..) => Ok(version),
        (0, 0) if tables == 0 => Ok(0),
        _ => Err(StoreError::NotOurs { path: path.to_owned() }),
    }
}

/// Takes the file from a version to the newest. All in one transaction, so that a crash leaves it as it was.
fn step_up(transaction: &Transaction<'_>, version: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(version).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest())
}

#[cfg(test)]
mod tests {
    use rules::Revision;

    use super::*;
    use crate::store::{Sqlite, Store, contract};

    /// A file as the first version left it, with one revision in it.
    fn first_version(path: &Path) {
        let old = Connection::open(path).unwrap();
        old.execute_batch(STEPS[0]).unwrap();
        old.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute_batch(
            "INSERT INTO revisions VALUES
                 (1, '2026-11-21T10:00:00Z', 'ann', 'a test', 'shift', '{\"route\":\"sms\"}', 'first');
             INSERT INTO state VALUES ('a', 1, '1');",
        )
        .unwrap();
    }

    #[test]
    fn an_older_file_is_taken_on_with_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turnout.db");
        first_version(&path);
        for _ in 0..2 {
            let store = Sqlite::open(&path).unwrap();
            let stored = store.load().unwrap().unwrap();
            assert_eq!(stored.entry, contract::entry(1, "first"));
            assert_eq!(stored.values.get("a").map(String::as_str), Some("1"));
            assert!(store.lines(1, 9).unwrap().is_empty());
        }
        let store = Sqlite::open(&path).unwrap();
        contract::commit(&store, 2, &[]).unwrap();
        assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(2));
        assert_eq!(store.audited().unwrap().seq, 1);
    }

    #[test]
    fn notes_that_are_there_already_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turnout.db");
        first_version(&path);
        let old = Connection::open(&path).unwrap();
        old.execute_batch(
            "CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
             INSERT INTO notes VALUES ('rollout/sms', '{}');",
        )
        .unwrap();
        let store = Sqlite::open(&path).unwrap();
        let kept = store.kept().unwrap();
        assert_eq!(kept.get("rollout/sms").map(String::as_str), Some("{}"));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turnout.db");
        first_version(&path);
        // A table of that name is in the way, so that the second step fails after its first statement.
        let old = Connection::open(&path).unwrap();
        old.execute_batch("CREATE TABLE passing_notes (a)").unwrap();
        assert!(Sqlite::open(&path).is_err());
        let version: i64 = old.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        let audits: i64 = old
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'audit'", (), |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!((version, audits), (1, 0));
        old.execute_batch("DROP TABLE passing_notes").unwrap();
        assert!(Sqlite::open(&path).is_ok());
    }
}
