//! Every order in which two or three nodes can shift, roll back, be cut off, come back and be started again: the rollback wins.
//!
//! The nodes are the real ones, on a store in memory that each of them can be cut off from. Every sequence of steps up to
//! a length is tried, and after each one everything is mended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use rules::{Rank, Revision, Standing};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::fragile::{YAML, order, rollback, seal, shift};
use super::{Declined, Reach};
use crate::audit::{Head, Line, Record};
use crate::command::Configuration;
use crate::desk::Desk;
use crate::file::ConfigFile;
use crate::node::Beginning;
use crate::store::{Change, Commit, CommitError, Entry, Newest, Store, StoreError, Stored};

/// What a fleet shares.
#[derive(Debug, Default)]
struct Memory {
    entries: Vec<Entry>,
    values: BTreeMap<String, String>,
}

/// One node's way to it.
#[derive(Debug, Clone)]
struct Way {
    memory: Arc<Mutex<Memory>>,
    is_whole: Arc<AtomicBool>,
}

impl Way {
    fn ask<T>(&self, ask: impl FnOnce(&mut Memory) -> T) -> Result<T, StoreError> {
        if !self.is_whole.load(Ordering::Relaxed) {
            return Err(StoreError::Failed("the wire is cut".into()));
        }
        Ok(ask(&mut self.memory.lock().unwrap()))
    }
}

impl Store for Way {
    fn load(&self) -> Result<Option<Stored>, StoreError> {
        self.ask(|memory| {
            let entry = memory.entries.last()?.clone();
            Some(Stored { entry, values: memory.values.clone() })
        })
    }

    fn load_at(&self, _: Revision) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    fn commit(&self, commit: &Commit<'_>) -> Result<(), CommitError> {
        self.ask(|memory| {
            let present = memory.entries.last().map_or(Revision(0), |entry| entry.revision);
            if present != commit.expected {
                return Err(CommitError::Conflict { present });
            }
            memory.entries.push(commit.entry.clone());
            for (key, value) in commit.changes {
                match value {
                    Some(value) => memory.values.insert(key.clone(), value.clone()),
                    None => memory.values.remove(key),
                };
            }
            Ok(())
        })?
    }

    fn revisions(&self, first: Revision, last: Revision) -> Result<Vec<Entry>, StoreError> {
        let within = |entry: &&Entry| (first..=last).contains(&entry.revision);
        self.ask(|memory| memory.entries.iter().filter(within).cloned().collect())
    }

    fn record(&self, _: &[Record]) -> Result<(), StoreError> {
        self.ask(|_| ())
    }

    fn audited(&self) -> Result<Head, StoreError> {
        Ok(Head::default())
    }

    fn lines(&self, _: u64, _: u64) -> Result<Vec<Line>, StoreError> {
        Ok(Vec::new())
    }

    fn note(&self, _: &str, _: &str, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    fn renote(&self, _: &str, _: Option<&str>, _: Duration) -> Result<(), StoreError> {
        Ok(())
    }

    fn keep(&self, _: &[Change]) -> Result<(), StoreError> {
        Ok(())
    }

    fn kept(&self) -> Result<BTreeMap<String, String>, StoreError> {
        Ok(BTreeMap::new())
    }

    fn notes(&self, _: &str) -> Result<Vec<(String, String)>, StoreError> {
        Ok(Vec::new())
    }

    fn newest(&self) -> Result<Newest, StoreError> {
        self.ask(|memory| {
            let revision = memory.entries.last().map_or(Revision(0), |entry| entry.revision);
            let epoch = (revision > Revision(0)).then(|| "one".to_owned());
            Newest { revision, epoch }
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn hints(&self) -> Option<Arc<Notify>> {
        None
    }
}

/// One step of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Traffic is moved, as somebody or the engine asks.
    Shift(usize),
    /// Traffic is put back.
    Rollback(usize),
    /// The way to the store breaks, or is mended.
    Cut(usize),
    Mend(usize),
    /// The process is killed and started again.
    Restart(usize),
    /// The node looks for what is new.
    Follow(usize),
}

struct Node {
    desk: Arc<Desk>,
    way: Way,
    folder: TempDir,
    seen: Revision,
}

impl Node {
    fn start(memory: &Arc<Mutex<Memory>>) -> Self {
        let way = Way { memory: Arc::clone(memory), is_whole: Arc::new(AtomicBool::new(true)) };
        let shared_memory = Path::new("/dev/shm");
        let folder = match shared_memory.is_dir() {
            true => tempfile::tempdir_in(shared_memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        Self { desk: begin(&way, folder.path()), way, folder, seen: Revision(0) }
    }

    fn standing(&self) -> Standing {
        let present = self.desk.ledger().present();
        present.desired.live.routes["sms"].standing
    }

    fn follow(&self) {
        self.desk.ledger().follow().ok();
        self.desk.ledger().keep_last_good().unwrap();
    }

    /// What serves never goes back while the process lives. (INV-5)
    fn look(&mut self) {
        let now = self.desk.ledger().cell().load().revision;
        assert!(now >= self.seen, "{} after {}", now, self.seen);
        self.seen = now;
    }
}

fn begin(way: &Way, folder: &Path) -> Arc<Desk> {
    let file = ConfigFile::new(&folder.join("turnout.yaml"));
    let document = Arc::new(file.read(YAML).unwrap());
    let written = Configuration { text: YAML.into(), document, accepted_unix: 0, from_file: true };
    let beginning = Beginning {
        store: Box::new(way.clone()),
        file,
        content: Ok(YAML.into()),
        path: folder.join("turnout.db"),
        now: Timestamp::UNIX_EPOCH,
    };
    Arc::clone(beginning.node(Ok(written), seal()).unwrap().desk())
}

/// Takes all steps, mends everything, and looks whether what must be so is so.
fn run(count: usize, steps: &[Step]) {
    let memory = Arc::default();
    let mut nodes: Vec<Node> = (0..count).map(|_| Node::start(&memory)).collect();
    let mut rolled_back = Vec::new();
    for step in steps {
        take(*step, &mut nodes, &mut rolled_back);
        nodes.iter_mut().for_each(Node::look);
    }
    for node in &nodes {
        node.way.is_whole.store(true, Ordering::Relaxed);
    }
    for _ in 0..=count {
        nodes.iter().for_each(Node::follow);
        nodes.iter_mut().for_each(Node::look);
    }
    let one = nodes[0].desk.ledger().present();
    for other in nodes.iter().map(|node| node.desk.ledger().present()) {
        assert_eq!(one.revision(), other.revision(), "one history");
        assert_eq!(one.desired.live, other.desired.live, "one state");
    }
    assert!(nodes.iter().all(|node| !node.desk.ledger().has_unstored()), "nothing is left behind");
    let standing = nodes[0].standing();
    let latest = rolled_back.iter().copied().max().unwrap_or(0);
    assert!(standing.generation >= latest, "no rollback is lost");
    if rolled_back.contains(&standing.generation) {
        let share = one.desired.live.routes["sms"].default.share;
        assert!(share.is_none(), "the rollback wins");
        assert_eq!(standing.rank, Rank::Aborted);
    }
}

fn take(step: Step, nodes: &mut [Node], rolled_back: &mut Vec<u64>) {
    match step {
        Step::Shift(n) => {
            let shifted =
                nodes[n].desk.ledger().execute(&order(shift("50%"), None), Timestamp::UNIX_EPOCH);
            let cut = !nodes[n].way.is_whole.load(Ordering::Relaxed);
            // What is so already, as far as the node knows, needs no store.
            let fits = match &shifted {
                Ok(done) => !cut || !done.changed,
                Err(declined) => cut && matches!(declined, Declined::Store(_)),
            };
            assert!(fits, "{shifted:?}");
        }
        Step::Rollback(n) => {
            let generation = nodes[n].standing().generation;
            let ledger = nodes[n].desk.ledger();
            let done = ledger.execute(&order(rollback(), None), Timestamp::UNIX_EPOCH).unwrap();
            // Where nothing had to be done, everything was on stable already, and everybody knew.
            if done.changed {
                let on_top = nodes[n].standing().generation;
                rolled_back.push(if done.reach == Reach::Stored { on_top } else { generation });
            }
        }
        Step::Cut(n) => nodes[n].way.is_whole.store(false, Ordering::Relaxed),
        Step::Mend(n) => nodes[n].way.is_whole.store(true, Ordering::Relaxed),
        Step::Restart(n) => {
            nodes[n].desk = begin(&nodes[n].way, nodes[n].folder.path());
            nodes[n].seen = Revision(0);
        }
        Step::Follow(n) => nodes[n].follow(),
    }
}

/// Has so many nodes run every sequence of these steps of this length.
fn all(nodes: usize, steps: &[Step], length: u32) {
    let sequences = steps.len().pow(length);
    for number in 0..sequences {
        let mut rest = number;
        let sequence: Vec<Step> = (0..length)
            .map(|_| {
                let step = steps[rest % steps.len()];
                rest /= steps.len();
                step
            })
            .collect();
        let tried = std::panic::catch_unwind(|| run(nodes, &sequence));
        assert!(tried.is_ok(), "{sequence:?}");
    }
}

fn length(short: u32) -> u32 {
    short + u32::from(std::env::var_os("TURNOUT_LONG").is_some()) * 2
}

#[test]
fn in_every_order_of_shifts_rollbacks_and_cuts_the_rollback_wins() {
    use Step::{Cut, Follow, Mend, Rollback, Shift};
    all(2, &[Shift(0), Rollback(0), Shift(1), Rollback(1), Cut(1), Mend(1), Follow(1)], length(4));
}

#[test]
fn in_every_order_with_restarts_it_wins_too() {
    use Step::{Cut, Mend, Restart, Rollback, Shift};
    all(2, &[Shift(0), Rollback(1), Cut(1), Mend(1), Restart(1), Rollback(0)], length(4));
}

#[test]
fn in_every_order_among_three_nodes_it_wins_too() {
    use Step::{Cut, Mend, Rollback, Shift};
    let steps =
        [Shift(0), Rollback(0), Cut(1), Rollback(1), Mend(1), Cut(2), Shift(2), Rollback(2)];
    all(3, &steps, length(3));
}
