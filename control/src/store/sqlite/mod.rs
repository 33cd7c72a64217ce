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

use rules::Revision;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{
    Change, Commit, CommitError, Entry, Movable, Newest, Store, StoreError, Stored, Whole, notes,
    rows, schema, whole_rows,
};
use crate::audit::{Head, Line, Record};

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
        schema::prepare(&mut connection, path)?;
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
        if !schema::is_there(&connection, &path)? {
            return Ok(None);
        }
        let transaction = connection.transaction().map_err(failed)?;
        rows::load_at(&transaction, rows::newest(&transaction)?)
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

    /// Writes what is no revision. It never takes the store back: while another process may have it, that one writes.
    fn write<T>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut writer = held(&self.writer);
        let released = || StoreError::Failed("another process may have the store".into());
        let Writer { connection, .. } = writer.as_mut().ok_or_else(released)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let changed = change(&transaction)?;
        transaction.commit().map_err(failed)?;
        Ok(changed)
    }
}

impl Store for Sqlite {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.read(|reader| rows::load_at(reader, rows::newest(reader)?))
    }

    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        self.read(|reader| rows::load_at(reader, revision))
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError> {
        let Commit { expected, entry, changes, record, note, .. } = *commit;
        let mut writer = held(&self.writer);
        let Writer { connection, .. } = self.retaken(&mut writer)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let present = rows::newest(&transaction)?;
        if present != expected || entry.revision.0 != expected.0.saturating_add(1) {
            return Err(CommitError::Conflict { present });
        }
        rows::insert(&transaction, entry, changes).map_err(failed)?;
        rows::append(&transaction, record)?;
        if !notes::take_place(&transaction, note)? {
            return Err(CommitError::Repeated);
        }
        Ok(transaction.commit().map_err(failed)?)
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        self.read(|reader| rows::entries(reader, first, last))
    }

    fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        self.write(|writer| rows::append(writer, records))
    }

    fn audited(&self) -> Result<Head, StoreError> {
        self.read(rows::audited)
    }

    fn lines(&self, first: u64, last: u64) -> Result<Vec<Line>, StoreError> {
        self.read(|reader| rows::lines(reader, first, last))
    }

    fn note(&self, key: &str, value: &str, keep: Duration) -> Result<Option<String>, StoreError> {
        self.write(|writer| notes::add(writer, key, value, keep))
    }

    fn renote(&self, key: &str, value: Option<&str>, keep: Duration) -> Result<(), StoreError> {
        self.write(|writer| notes::replace(writer, key, value, keep))
    }

    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|reader| notes::all(reader, prefix))
    }

    fn newest(&self) -> Result<Newest, StoreError> {
        let revision = self.read(rows::newest)?;
        Ok(Newest { revision, epoch: None })
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
        notes::keep(&transaction, notes)?;
        transaction.commit().map_err(failed)
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.read(notes::kept)
    }
}

impl Movable for Sqlite {
    fn whole(&self) -> Result<Whole, StoreError> {
        self.read(whole_rows::read)
    }

    fn fill(&self, whole: &Whole) -> Result<(), StoreError> {
        self.write(|writer| {
            if !whole_rows::are_empty(writer)? {
                return Err(StoreError::NotEmpty(self.path.display().to_string()));
            }
            whole_rows::write(writer, whole)
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

pub(super) fn not_a_database(source: rusqlite::Error, path: &Path) -> StoreError {
    if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        return StoreError::NotOurs { path: path.to_owned() };
    }
    failed(source)
}

pub(super) fn failed(source: rusqlite::Error) -> StoreError {
    StoreError::Failed(Box::new(source))
}

#[cfg(test)]
mod tests;
