//! A ledger for tests, on a store that can be made to fail, to lose an answer and to wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use jiff::Timestamp;
use rules::{Revision, Share};

use super::{Declined, Done, Ledger, Order, Present, compiled};
use crate::audit::{Head, Line, Record, Seal, Via};
use crate::command::{Command, Configuration, Scope};
use crate::desired::{Desired, keys};
use crate::file::ConfigFile;
use crate::store::{
    Change, Commit, CommitError, Entry, Newest, Sqlite, Store, StoreError, Stored, contract,
};

pub(crate) const YAML: &str = r#"
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}]}
routes:
  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}
"#;

/// A store whose commits can be made to fail, before or after they are written.
#[derive(Debug)]
pub(crate) struct Fragile {
    inner: Sqlite,
    pub(crate) broken: AtomicBool,
    pub(crate) loses_answers: AtomicBool,
    /// A commit waits until this tells it to go on, or is dropped.
    pub(crate) gate: Mutex<Option<mpsc::Receiver<()>>>,
    /// Whatever else asks for the history, or records something, waits for this one.
    pub(crate) other_gate: Mutex<Option<mpsc::Receiver<()>>>,
    /// Whether it is as one that others share.
    pub(crate) shared: AtomicBool,
}

impl Store for Arc<Fragile> {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.inner.load()
    }

    fn load_at(&self, revision: Revision) -> Result<Option<Stored>, StoreError> {
        self.inner.load_at(revision)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError> {
        pass(&self.gate);
        self.works()?;
        self.inner.commit(commit)?;
        if self.loses_answers.swap(false, Ordering::Relaxed) {
            return Err(StoreError::Failed("the answer is lost".into()).into());
        }
        Ok(())
    }

    fn keep(&self, notes: &[Change]) -> Result<(), StoreError> {
        self.works()?;
        self.inner.keep(notes)
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.inner.kept()
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        pass(&self.other_gate);
        self.inner.revisions(first, last)
    }

    fn record(&self, records: &[Record]) -> Result<(), StoreError> {
        pass(&self.other_gate);
        self.works()?;
        self.inner.record(records)
    }

    fn audited(&self) -> Result<Head, StoreError> {
        self.inner.audited()
    }

    fn lines(&self, first: u64, last: u64) -> Result<Vec<Line>, StoreError> {
        self.inner.lines(first, last)
    }

    fn note(&self, key: &str, value: &str, keep: Duration) -> Result<Option<String>, StoreError> {
        self.works()?;
        self.inner.note(key, value, keep)
    }

    fn renote(&self, key: &str, value: Option<&str>, keep: Duration) -> Result<(), StoreError> {
        self.works()?;
        self.inner.renote(key, value, keep)
    }

    fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.inner.notes(prefix)
    }

    fn newest(&self) -> Result<Newest, StoreError> {
        pass(&self.other_gate);
        self.works()?;
        self.inner.newest()
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    fn release(&self) {
        self.inner.release();
    }

    fn retake(&self) -> Result<(), StoreError> {
        self.inner.retake()
    }
}

impl Fragile {
    pub(crate) const fn inner(&self) -> &Sqlite {
        &self.inner
    }

    fn works(&self) -> Result<(), StoreError> {
        let broken = self.broken.load(Ordering::Relaxed);
        if broken { Err(StoreError::Failed("the disk is full".into())) } else { Ok(()) }
    }
}

/// Waits at a gate, if there is one; whoever comes next finds it open.
fn pass(gate: &Mutex<Option<mpsc::Receiver<()>>>) {
    let gate = gate.lock().unwrap().take();
    if let Some(gate) = gate {
        gate.recv_timeout(Duration::from_secs(20)).ok();
    }
}

pub(crate) struct Setup {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) store: Arc<Fragile>,
    pub(crate) _folder: tempfile::TempDir,
}

pub(crate) fn setup() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    let inner = Sqlite::open(&folder.path().join("turnout.db")).unwrap();
    let store = Arc::new(Fragile {
        inner,
        broken: AtomicBool::new(false),
        loses_answers: AtomicBool::new(false),
        gate: Mutex::default(),
        other_gate: Mutex::default(),
        shared: AtomicBool::new(false),
    });
    let ledger = on(Box::new(Arc::clone(&store)), folder.path());
    let Present { entry, desired, .. } = &*ledger.present();
    store.commit(&Commit::new(Revision(0), entry, &keys::changes(None, desired))).unwrap();
    Setup { ledger, store, _folder: folder }
}

/// A ledger on a store, before its first revision is stored.
pub(crate) fn on(store: Box<dyn Store>, folder: &Path) -> Arc<Ledger> {
    let file = ConfigFile::new(&folder.join("turnout.yaml"));
    let document = Arc::new(file.read(YAML).unwrap());
    let configuration =
        Configuration { text: YAML.into(), document, accepted_unix: 0, from_file: true };
    let desired = Desired::first(configuration);
    let compiled = compiled(&desired, Revision(1), None).unwrap();
    let entry = contract::entry(1, "first");
    Arc::new(Ledger::new(store, file, Present { entry, desired, compiled }))
}

pub(crate) fn shift(percent: &str) -> Command {
    let share: Share = percent.parse().unwrap();
    Command::Shift { route: "sms".parse().unwrap(), scope: Scope::Route, share: Some(share) }
}

pub(crate) fn rollback() -> Command {
    Command::Rollback { route: "sms".parse().unwrap(), scope: Scope::Route, keep_shadow: false }
}

pub(crate) fn order(command: Command, expected: Option<u64>) -> Order {
    let via = Via { auth: "none", address: None, claimed: None };
    Order { expected: expected.map(Revision), via, ..Order::by_process(command, "ann", "a test") }
}

/// A key that all tests of this process share.
pub(crate) fn seal() -> Seal {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        Seal::open(&folder.path().join("seal")).unwrap();
        folder
    });
    Seal::open(&folder.path().join("seal")).unwrap()
}

/// Carries a command out, at the beginning of time.
pub(super) fn execute(
    ledger: &Arc<Ledger>,
    command: Command,
    expected: Option<u64>,
) -> Result<Done, Declined> {
    ledger.execute(&order(command, expected), Timestamp::UNIX_EPOCH)
}
