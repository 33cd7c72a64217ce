//! Does one file keep what was acknowledged, for one process at a time?

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
    first.commit(&Commit::new(Revision(0), &entry, &[("a".into(), Some("1".into()))])).unwrap();
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
    writer.connection.pragma_update(None, "user_version", 99).unwrap();
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
    old.commit(&Commit::new(Revision(0), &contract::entry(1, "first"), &[])).unwrap();
    old.release();
    let new = open_in(&folder);
    let entry = contract::entry(2, "second");
    let refused = old.commit(&Commit::new(Revision(1), &entry, &[]));
    assert!(matches!(refused, Err(CommitError::Store(StoreError::InUse { .. }))));
    new.commit(&Commit::new(Revision(1), &entry, &[])).unwrap();
    assert_eq!(old.load().unwrap().unwrap().entry, entry, "reading goes on");
    assert!(matches!(old.retake(), Err(StoreError::InUse { .. })));
    drop(new);
    old.retake().unwrap();
    old.commit(&Commit::new(Revision(2), &contract::entry(3, "third"), &[])).unwrap();
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
    store.commit(&Commit::new(Revision(0), &contract::entry(1, "first"), &[])).unwrap();
    assert_eq!(Sqlite::peek(&path).unwrap().unwrap().entry, contract::entry(1, "first"));
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(Sqlite::peek(&other), Err(StoreError::NotOurs { .. })));
}

#[test]
fn can_be_looked_into_while_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_in(&folder);
    store.commit(&Commit::new(Revision(0), &contract::entry(1, "first"), &[])).unwrap();
    let looker = Connection::open(folder.path().join("turnout.db")).unwrap();
    let count: i64 =
        looker.query_row("SELECT count(*) FROM revisions", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}
