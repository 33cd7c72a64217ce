//! Does the rollback win in every order of steps? Every sequence up to a length is tried, and after each one everything is
//! mended.

use std::path::Path;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use rules::Revision;
use tempfile::TempDir;

use super::memory::{Memory, Way, Wire};
use crate::command::Configuration;
use crate::desk::Desk;
use crate::file::ConfigFile;
use crate::ledger::fragile::{YAML, order, rollback, seal, shift};
use crate::ledger::{Declined, Order, Present, Reach};
use crate::node::Beginning;
use crate::store::Entry;

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
    /// What is sent is carried out, and nobody hears of it.
    Deafen(usize),
    /// What is sent hangs.
    Hang(usize),
    /// What hangs is carried out, where that is not too late.
    GoOn,
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
        let wire = Arc::new(Mutex::new(Wire::Whole));
        let way = Way { memory: Arc::clone(memory), wire };
        let shared_memory = Path::new("/dev/shm");
        let folder = match shared_memory.is_dir() {
            true => tempfile::tempdir_in(shared_memory).unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        Self { desk: begin(&way, folder.path()), way, folder, seen: Revision(0) }
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
    let memory: Arc<Mutex<Memory>> = Arc::default();
    let mut nodes: Vec<Node> = (0..count).map(|_| Node::start(&memory)).collect();
    let mut rolled_back: Vec<(usize, RolledBack)> = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        memory.lock().unwrap().now += 1;
        if let Some(rollback) = take(*step, at, &mut nodes, &memory) {
            let of_node = |(_, known): &&mut (usize, RolledBack)| {
                known.node == rollback.node && known.id.is_some()
            };
            if let Some((_, earlier)) =
                rolled_back.iter_mut().rev().find(of_node).filter(|_| rollback.is_renewed)
            {
                earlier.id = None;
            }
            rolled_back.push((at, rollback));
        }
        nodes.iter_mut().for_each(Node::look);
    }
    for node in &nodes {
        node.way.is(Wire::Whole);
    }
    for _ in 0..=count {
        nodes.iter().for_each(Node::follow);
        nodes.iter_mut().for_each(Node::look);
    }
    memory.lock().unwrap().now += 1;
    memory.lock().unwrap().go_on();
    nodes.iter().for_each(Node::follow);
    let one = nodes[0].desk.ledger().present();
    for other in nodes.iter().map(|node| node.desk.ledger().present()) {
        assert_eq!(one.revision(), other.revision(), "one history");
        assert_eq!(one.desired.live, other.desired.live, "one state");
    }
    assert!(nodes.iter().all(|node| !node.desk.ledger().has_unstored()), "nothing is left behind");
    let memory = memory.lock().unwrap();
    assert_eq!(memory.entries.last().unwrap().revision, one.revision());
    let is_up = |at: usize| memory.shifts[at].as_deref().is_some_and(|shift| shift.contains("50%"));
    // Who moved traffic last: their reason is the number of their step.
    let moved = (0..memory.entries.len()).rev().find(|at| memory.entries[*at].command == "shift");
    for (at, RolledBack { id, .. }) in rolled_back {
        if let Some(id) = id {
            let told = |entry: &Entry| entry.arguments.get("id").is_some_and(|known| *known == *id);
            let first = memory.entries.iter().position(told).expect("no rollback is lost");
            assert!(!is_up(first), "what is rolled back is off");
            let knew = moved.is_some_and(|moved| moved > first);
            assert!(one.is_off() || knew, "it wins over whoever did not know of it");
        }
        let later =
            moved.is_some_and(|moved| memory.entries[moved].why.parse::<usize>().unwrap() > at);
        assert!(one.is_off() || later, "nothing of before a rollback takes effect after it");
    }
}

impl Present {
    fn is_off(&self) -> bool {
        self.desired.live.routes["sms"].default.share.is_none()
    }
}

/// A rollback that was acknowledged.
struct RolledBack {
    node: usize,
    /// By what the others are to know it, where there is anything to be made known.
    id: Option<String>,
    /// Whether it stands for an earlier one that still waited to be stored.
    is_renewed: bool,
}

/// Takes a step, and says what became of a rollback.
fn take(step: Step, at: usize, nodes: &mut [Node], memory: &Mutex<Memory>) -> Option<RolledBack> {
    let by = |command| Order { why: at.to_string(), ..order(command, None) };
    match step {
        Step::Shift(n) => {
            let ledger = nodes[n].desk.ledger();
            let shifted = ledger.execute(&by(shift("50%")), Timestamp::UNIX_EPOCH);
            let whole = nodes[n].way.is_whole();
            // What is so already, as far as the node knows, needs no store.
            let fits = match &shifted {
                Ok(done) => whole || !done.changed,
                Err(declined) => !whole && matches!(declined, Declined::Store(_)),
            };
            assert!(fits, "{shifted:?}");
        }
        Step::Rollback(n) => {
            let ledger = nodes[n].desk.ledger();
            let id = format!("by {at}");
            let order = Order { id: Some(id.clone()), ..by(rollback()) };
            let done = ledger.execute(&order, Timestamp::UNIX_EPOCH).unwrap();
            assert!(ledger.present().is_off(), "it serves");
            let is_renewed = !done.changed && done.reach == Reach::Node;
            // Where nothing had to be done, everybody knew.
            let id = (done.changed || is_renewed).then_some(id);
            return Some(RolledBack { node: n, id, is_renewed });
        }
        Step::Cut(n) => nodes[n].way.is(Wire::Cut),
        Step::Mend(n) => nodes[n].way.is(Wire::Whole),
        Step::Deafen(n) => nodes[n].way.is(Wire::Deaf),
        Step::Hang(n) => nodes[n].way.is(Wire::Hung),
        Step::GoOn => memory.lock().unwrap().go_on(),
        Step::Restart(n) => {
            nodes[n].desk = begin(&nodes[n].way, nodes[n].folder.path());
            nodes[n].seen = Revision(0);
        }
        Step::Follow(n) => nodes[n].follow(),
    }
    None
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
fn in_every_order_with_answers_that_are_lost_it_wins_too() {
    use Step::{Deafen, Mend, Rollback, Shift};
    let steps = [Shift(0), Rollback(0), Deafen(1), Shift(1), Rollback(1), Mend(1)];
    all(2, &steps, length(4));
}

#[test]
fn in_every_order_with_commands_that_come_late_it_wins_too() {
    use Step::{GoOn, Hang, Mend, Rollback, Shift};
    let steps = [Shift(0), Rollback(0), Hang(1), Shift(1), Mend(1), GoOn];
    all(2, &steps, length(4));
}

#[test]
fn in_every_order_among_three_nodes_it_wins_too() {
    use Step::{Cut, Mend, Rollback, Shift};
    let steps =
        [Shift(0), Rollback(0), Cut(1), Rollback(1), Mend(1), Cut(2), Shift(2), Rollback(2)];
    all(3, &steps, length(3));
}
