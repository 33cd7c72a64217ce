//! A command is carried out whole, or nothing of it: with stores that fail, lie and are faster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use rules::{Revision, Share};

use super::{Declined, Done, Ledger, Order, Present, compiled};
use crate::command::{Command, Scope};
use crate::desired::{Desired, keys};
use crate::file::ConfigFile;
use crate::store::{Change, CommitError, Entry, Sqlite, Store, StoreError, Stored, contract};

const YAML: &str = r#"
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}]}
routes:
  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}
"#;

/// A store whose commits can be made to fail, before or after they are written.
#[derive(Debug)]
struct Fragile {
    inner: Sqlite,
    broken: AtomicBool,
    loses_answers: AtomicBool,
}

impl Store for Arc<Fragile> {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.inner.load()
    }

    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        self.inner.load_at(revision)
    }

    fn commit(
        &self,
        expected: Revision,
        entry: &Entry,
        changes: &[Change],
    ) -> Result<(), CommitError> {
        let failed = || StoreError::Failed("the disk is full".into());
        if self.broken.load(Ordering::Relaxed) {
            return Err(failed().into());
        }
        self.inner.commit(expected, entry, changes)?;
        if self.loses_answers.swap(false, Ordering::Relaxed) {
            return Err(failed().into());
        }
        Ok(())
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        self.inner.revisions(first, last)
    }
}

struct Setup {
    ledger: Ledger,
    store: Arc<Fragile>,
    _folder: tempfile::TempDir,
}

fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let inner = Sqlite::open(&folder.path().join("turnout.db")).unwrap();
    let store = Arc::new(Fragile {
        inner,
        broken: AtomicBool::new(false),
        loses_answers: AtomicBool::new(false),
    });
    let file = ConfigFile::new(&folder.path().join("turnout.yaml"));
    let document = Arc::new(file.read(YAML).unwrap());
    let configuration =
        crate::command::Configuration { text: YAML.into(), document, accepted_unix: 0 };
    let desired = Desired::first(configuration);
    let compiled = compiled(&desired, Revision(1), None).unwrap();
    let entry = contract::entry(1, "first");
    store.commit(Revision(0), &entry, &keys::changes(None, &desired)).unwrap();
    let present = Present { entry, desired, compiled };
    let ledger = Ledger::new(Box::new(Arc::clone(&store)), file, present);
    Setup { ledger, store, _folder: folder }
}

fn shift(percent: &str) -> Command {
    let share: Share = percent.parse().unwrap();
    Command::Shift { route: "sms".parse().unwrap(), scope: Scope::Route, share: Some(share) }
}

fn rollback() -> Command {
    Command::Rollback { route: "sms".parse().unwrap(), scope: Scope::Route, keep_shadow: false }
}

fn order(command: Command, expected: Option<u64>) -> Order {
    Order { command, actor: "ann".into(), why: "a test".into(), expected: expected.map(Revision) }
}

fn execute(ledger: &Ledger, command: Command, expected: Option<u64>) -> Result<Done, Declined> {
    ledger.execute(&order(command, expected), Timestamp::UNIX_EPOCH)
}

#[test]
fn what_cannot_be_stored_changes_nothing() {
    let Setup { ledger, store, _folder } = setup();
    let (before, snapshot) = (ledger.present(), ledger.cell().load());
    store.broken.store(true, Ordering::Relaxed);
    assert!(matches!(execute(&ledger, shift("5%"), None), Err(Declined::Store(_))));
    assert!(Arc::ptr_eq(&before, &ledger.present()));
    assert!(Arc::ptr_eq(&snapshot, &ledger.cell().load()));
    assert!(!ledger.meters().is_store_up());
    store.broken.store(false, Ordering::Relaxed);
    assert_eq!(execute(&ledger, shift("5%"), None).unwrap().revision, Revision(2));
    assert!(ledger.meters().is_store_up());
}

#[test]
fn what_does_not_compile_is_not_stored() {
    let Setup { ledger, store, _folder } = setup();
    let targets = vec![config::TargetSpec { address: "no address".into(), weight: 1 }];
    let command = Command::Targets { upstream: "old".parse().unwrap(), targets };
    assert!(matches!(execute(&ledger, command, None), Err(Declined::Invalid(_))));
    assert_eq!(ledger.present().revision(), Revision(1));
    assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(1));
}

#[test]
fn a_command_on_an_older_revision_is_late() {
    let Setup { ledger, .. } = setup();
    execute(&ledger, shift("5%"), Some(1)).unwrap();
    match execute(&ledger, shift("10%"), Some(1)) {
        Err(Declined::Stale { present, actor }) => {
            assert_eq!((present, actor.as_str()), (Revision(2), "ann"));
        }
        other => panic!("{other:?}"),
    }
    execute(&ledger, shift("10%"), Some(2)).unwrap();
}

#[test]
fn what_another_process_stored_is_taken_over_first() {
    let Setup { ledger, store, _folder } = setup();
    let changes = [("lock/acme".to_owned(), Some("\"blocked\"".to_owned()))];
    store.commit(Revision(1), &contract::entry(2, "elsewhere"), &changes).unwrap();
    let done = execute(&ledger, shift("5%"), None).unwrap();
    assert_eq!(done.revision, Revision(3));
    let present = ledger.present();
    assert_eq!(present.desired.live.locks.len(), 1, "the other's change is kept");
    assert_eq!(ledger.cell().load().revision, Revision(3));
}

#[test]
fn whoever_expects_a_revision_hears_of_another_process() {
    let Setup { ledger, store, _folder } = setup();
    store.commit(Revision(1), &contract::entry(2, "elsewhere"), &[]).unwrap();
    let late = execute(&ledger, shift("5%"), Some(1));
    assert!(matches!(late, Err(Declined::Stale { present: Revision(2), .. })), "{late:?}");
    assert_eq!(ledger.cell().load().revision, Revision(2));
}

#[test]
fn a_commit_that_only_seemed_to_fail_serves() {
    let Setup { ledger, store, _folder } = setup();
    store.loses_answers.store(true, Ordering::Relaxed);
    let done = execute(&ledger, shift("5%"), None).unwrap();
    assert_eq!((done.revision, done.changed), (Revision(2), true));
    assert_eq!(ledger.cell().load().revision, Revision(2));
}

#[test]
fn a_preview_leaves_everything_as_it_is() {
    let Setup { ledger, store, _folder } = setup();
    let preview = ledger.preview(&shift("5%")).unwrap();
    assert_eq!((preview.changed, preview.summary.as_str()), (true, "sms: off -> canary 5%"));
    assert_eq!(ledger.present().revision(), Revision(1));
    assert_eq!(store.load().unwrap().unwrap().entry.revision, Revision(1));
}

#[test]
fn what_needs_a_restart_is_said() {
    let Setup { ledger, .. } = setup();
    let text = format!("status: {{address: 127.0.0.1:9999}}\ndrain: 5s\n{YAML}");
    let now = Timestamp::UNIX_EPOCH;
    let apply = |text: &str| Command::Apply(ledger.configuration(text.into(), now).unwrap());
    let restart = "status, drain changed: that takes effect when Turnout is started again";
    assert_eq!(execute(&ledger, apply(&text), None).unwrap().warnings, [restart]);
    let again = execute(&ledger, apply(&format!("# still\n{text}")), None).unwrap();
    assert_eq!(again.warnings, [restart], "until it is started again");
    assert!(execute(&ledger, apply(YAML), None).unwrap().warnings.is_empty());
}

#[test]
fn an_older_state_is_found_whole() {
    let Setup { ledger, .. } = setup();
    execute(&ledger, shift("5%"), None).unwrap();
    let then = ledger.present();
    execute(&ledger, rollback(), None).unwrap();
    let found = ledger.state_of(Revision(2)).unwrap().unwrap();
    assert_eq!(found, then.desired);
    assert!(Arc::ptr_eq(&found.configuration.document, &then.desired.configuration.document));
    assert!(ledger.state_of(Revision(9)).unwrap().is_none());
}

#[test]
fn a_sunset_that_passes_stops_neither_shift_nor_rollback() {
    let Setup { ledger, .. } = setup();
    let text = YAML.replace(
        "canonical: /v1/sms,",
        "canonical: /v1/sms, aliases: [{path: /old, deprecated: 2026-01-01, sunset: 2026-06-30}],",
    );
    let before: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let after: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    let apply = |now| Command::Apply(ledger.configuration(text.as_str().into(), now).unwrap());
    assert!(matches!(execute(&ledger, apply(after), None), Err(Declined::Invalid(_))));
    execute(&ledger, apply(before), None).unwrap();
    let order = order(rollback(), None);
    execute(&ledger, shift("5%"), None).unwrap();
    ledger.execute(&order, after).unwrap();
    // What a restart compiles.
    let stored = ledger.state_of(ledger.present().revision()).unwrap().unwrap();
    compiled(&stored, ledger.present().revision(), None).unwrap();
}
