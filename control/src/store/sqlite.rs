//! How does one process alone keep its state? One SQLite file, safe from a crash before any command is answered.
//!
//! Write-ahead log with `synchronous=FULL`: each commit waits for fsync. A second connection reads, so that showing an
//! old revision never holds up a command. The lock against a second process is a file of its own beside the database,
//! so that an operator can still look into the database with `sqlite3` while it serves.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rules::Revision;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, TransactionBehavior};

use super::{Change, CommitError, Entry, Store, StoreError, Stored};

/// `Trnt`, by which SQLite files say whose they are.
const APPLICATION_ID: i64 = 0x5472_6e74;
/// The newest schema that is known here.
const SCHEMA_VERSION: i64 = 1;
const SCHEMA: &str = "
    CREATE TABLE revisions (
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
    ) STRICT, WITHOUT ROWID;
";
/// Beside the schema, so that a file without it is still one of this version, as one with it is for older programs.
const NOTES: &str = "
    CREATE TABLE IF NOT EXISTS notes (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";
/// How long a command waits for somebody who writes with `sqlite3`.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// The embedded store.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    /// None while another process may have it.
    writer: Mutex<Option<Writer>>,
    reader: Mutex<Connection>,
}

/// What only one process has. The connection is closed before the lock is given up.
#[derive(Debug)]
struct Writer {
    connection: Connection,
    _lock: File,
}

impl Writer {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let mut connection = connect(path)?;
        prepare(&mut connection, path)?;
        Ok(Self { connection, _lock: lock })
    }
}

impl Sqlite {
    /// Opens the store's file, creates it where there is none, and locks it for this process.
    ///
    /// # Errors
    /// When another process has it, a newer version or another program wrote it, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = absolute(path)?;
        let writer = Writer::open(&path)?;
        let reader = connect(&path)?;
        reader.pragma_update(None, "query_only", true).map_err(failed)?;
        Ok(Self { path, writer: Mutex::new(Some(writer)), reader: Mutex::new(reader) })
    }

    /// The newest state in a store that another process may have; none where there is no state. Nothing is written.
    ///
    /// # Errors
    /// When there is no such file, a newer version or another program wrote it, or it cannot be read.
    pub fn peek(path: &Path) -> Result<Option<Stored>, StoreError> {
        let path = absolute(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        if !has_schema(&connection, &path)? {
            return Ok(None);
        }
        let transaction = connection.transaction().map_err(failed)?;
        load_at(&transaction, newest(&transaction)?)
    }

    fn retaken<'w>(&self, writer: &'w mut Option<Writer>) -> Result<&'w mut Writer, StoreError> {
        match writer {
            Some(writer) => Ok(writer),
            released => Ok(released.insert(Writer::open(&self.path)?)),
        }
    }

    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reader = held(&self.reader);
        // One transaction, so that all of it sees the same revision.
        let transaction = reader.transaction().map_err(failed)?;
        query(&transaction)
    }
}

impl Store for Sqlite {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.read(|reader| load_at(reader, newest(reader)?))
    }

    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        self.read(|reader| load_at(reader, revision))
    }

    fn commit(
        &self,
        expected: Revision,
        entry: &Entry,
        changes: &[Change],
    ) -> Result<(), CommitError> {
        let mut writer = held(&self.writer);
        let Writer { connection, .. } = self.retaken(&mut writer)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let present = newest(&transaction)?;
        if present != expected || entry.revision.0 != expected.0.saturating_add(1) {
            return Err(CommitError::Conflict { present });
        }
        insert(&transaction, entry, changes).map_err(failed)?;
        Ok(transaction.commit().map_err(failed)?)
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        self.read(|reader| {
            let mut query = reader
                .prepare_cached(
                    "SELECT revision, at, actor, why, command, arguments, summary FROM revisions
                     WHERE revision BETWEEN ?1 AND ?2 ORDER BY revision",
                )
                .map_err(failed)?;
            let rows = query.query_map((number(first), number(last)), columns).map_err(failed)?;
            rows.map(|row| entry(row.map_err(failed)?)).collect()
        })
    }

    fn release(&self) {
        *held(&self.writer) = None;
    }

    fn retake(&self) -> Result<(), StoreError> {
        self.retaken(&mut held(&self.writer)).map(drop)
    }

    fn keep(&self, notes: &[Change]) -> Result<(), StoreError> {
        let mut writer = held(&self.writer);
        // While it is released they are another process's: taking it back for them would stop that one.
        let Some(Writer { connection, .. }) = writer.as_mut() else { return Ok(()) };
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        for (key, value) in notes {
            match value {
                Some(value) => transaction.execute(
                    "INSERT INTO notes (key, value) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (key, value),
                ),
                None => transaction.execute("DELETE FROM notes WHERE key = ?1", [key]),
            }
            .map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(|reader| {
            let mut query =
                reader.prepare_cached("SELECT key, value FROM notes").map_err(failed)?;
            query
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
                .and_then(Iterator::collect)
                .map_err(failed)
        })
    }
}

fn held<T>(connection: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in between has rolled its transaction back; the connection itself is sound.
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file's real place, so that two paths to one file meet at one lock.
fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let name = path.file_name().ok_or_else(|| open(std::io::ErrorKind::InvalidFilename.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Ok(folder.unwrap_or(Path::new(".")).canonicalize().map_err(open)?.join(name))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(beside)
        .map_err(open)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = file.read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
            let holder = if known { format!(" (pid {})", pid.trim()) } else { String::new() };
            return Err(StoreError::InUse { path: path.to_owned(), holder });
        }
        Err(TryLockError::Error(source)) => return Err(open(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(open)?;
    writeln!(file, "{}", std::process::id()).map_err(open)?;
    Ok(file)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let set = connection.pragma_update(None, "synchronous", "FULL");
    set.map_err(|source| not_a_database(source, path))?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let is_new = !has_schema(connection, path)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    if !is_new {
        return connection.execute_batch(NOTES).map_err(failed);
    }
    let transaction = connection.transaction().map_err(failed)?;
    transaction.execute_batch(SCHEMA).map_err(failed)?;
    transaction.execute_batch(NOTES).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// Whether the database is one of Turnout's, and not an empty one.
fn has_schema(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let pragma = |name: &str| {
        let value = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        value.map_err(|source| not_a_database(source, path))
    };
    let (owner, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .map_err(failed)?;
    match (owner, version) {
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(tables > 0),
        (APPLICATION_ID, found) => {
            let path = path.to_owned();
            Err(StoreError::TooNew { path, found, known: SCHEMA_VERSION })
        }
        (0, 0) if tables == 0 => Ok(false),
        _ => Err(StoreError::NotOurs { path: path.to_owned() }),
    }
}

fn not_a_database(source: rusqlite::Error, path: &Path) -> StoreError {
    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        return StoreError::NotOurs { path: path.to_owned() };
    }
    failed(source)
}

fn newest(connection: &Connection) -> Result<Revision, StoreError> {
    let newest: Option<i64> = connection
        .query_row("SELECT max(revision) FROM revisions", (), |row| row.get(0))
        .map_err(failed)?;
    Ok(Revision(newest.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)))
}

fn load_at(connection: &Connection, revision: Revision) -> Result<Option<Stored>, StoreError> {
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

fn insert(connection: &Connection, entry: &Entry, changes: &[Change]) -> rusqlite::Result<()> {
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

/// SQLite's integers are signed; no revision ever comes near the bound.
fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

fn failed(source: rusqlite::Error) -> StoreError {
    StoreError::Failed(Box::new(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    fn open_in(folder: &tempfile::TempDir) -> Sqlite {
        Sqlite::open(&folder.path().join("turnout.db")).unwrap()
    }

    #[test]
    fn keeps_the_contract_of_stores() {
        contract::run(&mut || {
            let folder = tempfile::tempdir().unwrap();
            let store = Box::new(open_in(&folder));
            (folder, store)
        });
    }

    #[test]
    fn is_found_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = open_in(&folder);
        let entry = contract::entry(1, "first");
        first.commit(Revision(0), &entry, &[("a".into(), Some("1".into()))]).unwrap();
        drop(first);
        let stored = open_in(&folder).load().unwrap().unwrap();
        assert_eq!(stored.entry, entry);
        assert_eq!(stored.values.get("a").map(String::as_str), Some("1"));
    }

    #[test]
    fn waits_for_fsync_at_each_commit() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_in(&folder);
        let pragma = |name: &str| {
            let mut writer = held(&store.writer);
            let Writer { connection, .. } = writer.as_mut().unwrap();
            connection
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
                .unwrap()
        };
        assert_eq!(pragma("synchronous"), rusqlite::types::Value::Integer(2), "FULL");
        assert_eq!(pragma("journal_mode"), rusqlite::types::Value::Text("wal".into()));
    }

    #[test]
    fn refuses_a_second_holder() {
        let folder = tempfile::tempdir().unwrap();
        let _first = open_in(&folder);
        let error = Sqlite::open(&folder.path().join("turnout.db")).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("in use by another process"), "{message}");
        assert!(message.contains(&format!("(pid {})", std::process::id())), "{message}");
    }

    #[test]
    fn meets_at_one_lock_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let _first = open_in(&folder);
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(folder.path().join("turnout.db"), &link).unwrap();
        assert!(matches!(Sqlite::open(&link), Err(StoreError::InUse { .. })));
    }

    #[test]
    fn refuses_the_file_of_a_newer_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_in(&folder);
        let writer = held(&store.writer).take().unwrap();
        writer.connection.pragma_update(None, "user_version", 2).unwrap();
        drop((writer, store));
        let error = Sqlite::open(&folder.path().join("turnout.db")).unwrap_err();
        assert!(error.to_string().contains("newer version of Turnout"), "{error}");
    }

    #[test]
    fn refuses_what_is_not_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(Sqlite::open(&other), Err(StoreError::NotOurs { .. })));
        let text = folder.path().join("notes.txt");
        std::fs::write(&text, "not a database at all, but long enough to look at ".repeat(100))
            .unwrap();
        assert!(matches!(Sqlite::open(&text), Err(StoreError::NotOurs { .. })));
        let missing = folder.path().join("no/such/folder/turnout.db");
        assert!(matches!(Sqlite::open(&missing), Err(StoreError::Open { .. })));
    }

    #[test]
    fn what_was_released_another_one_takes_and_gives_back() {
        let folder = tempfile::tempdir().unwrap();
        let old = open_in(&folder);
        old.commit(Revision(0), &contract::entry(1, "first"), &[]).unwrap();
        old.release();
        let new = open_in(&folder);
        let entry = contract::entry(2, "second");
        let refused = old.commit(Revision(1), &entry, &[]);
        assert!(matches!(refused, Err(CommitError::Store(StoreError::InUse { .. }))));
        new.commit(Revision(1), &entry, &[]).unwrap();
        assert_eq!(old.load().unwrap().unwrap().entry, entry, "reading goes on");
        assert!(matches!(old.retake(), Err(StoreError::InUse { .. })));
        drop(new);
        old.retake().unwrap();
        old.commit(Revision(2), &contract::entry(3, "third"), &[]).unwrap();
        assert!(matches!(
            Sqlite::open(&folder.path().join("turnout.db")),
            Err(StoreError::InUse { .. })
        ));
    }

    #[test]
    fn a_look_needs_no_lock_and_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turnout.db");
        assert!(Sqlite::peek(&path).is_err());
        assert!(!path.exists());
        let store = open_in(&folder);
        assert!(Sqlite::peek(&path).unwrap().is_none());
        store.commit(Revision(0), &contract::entry(1, "first"), &[]).unwrap();
        assert_eq!(Sqlite::peek(&path).unwrap().unwrap().entry, contract::entry(1, "first"));
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        assert!(matches!(Sqlite::peek(&other), Err(StoreError::NotOurs { .. })));
    }

    #[test]
    fn can_be_looked_into_while_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_in(&folder);
        store.commit(Revision(0), &contract::entry(1, "first"), &[]).unwrap();
        let looker = Connection::open(folder.path().join("turnout.db")).unwrap();
        let count: i64 =
            looker.query_row("SELECT count(*) FROM revisions", (), |row| row.get(0)).unwrap();
        assert_eq!(count, 1);
    }
}
