//! What do new targets' names stand for? Looked up before a command serves, so that its first request has somewhere to go.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use config::Compiled;
use rules::upstream::{Address, Target};
use rules::{Snapshot, Upstream};

use crate::command::Command;

/// How long a command waits for names. What is not known by then, the proxy goes on looking for.
const LONGEST: Duration = Duration::from_secs(1);
/// How many look-ups there may be at the same time: each takes a thread until the system gives up. (INV-7)
const AT_ONCE: usize = 64;

/// What names stand for.
pub(super) type Found = BTreeMap<Address, Vec<SocketAddr>>;

type LookUp = dyn Fn(&Address) -> Vec<SocketAddr> + Send + Sync;

/// Looks up names, all at once.
pub(super) struct Lookups {
    look_up: Arc<LookUp>,
    running: Arc<AtomicUsize>,
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Default for Lookups {
    /// By the system's resolver.
    fn default() -> Self {
        Self::by(|address| {
            let found = (address.host(), address.port()).to_socket_addrs();
            let mut found: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
            // In the order in which the proxy notes them.
            found.sort_unstable();
            found.dedup();
            found
        })
    }
}

impl Lookups {
    pub(super) fn by(
        look_up: impl Fn(&Address) -> Vec<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        Self { look_up: Arc::new(look_up), running: Arc::default() }
    }

    /// What these names stand for, as far as that is known within a second.
    pub(super) fn all(&self, names: BTreeSet<Address>) -> Found {
        let (tell, told) = mpsc::channel();
        for name in names {
            if self.running.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
                self.running.fetch_sub(1, Ordering::Relaxed);
                break;
            }
            let (look_up, tell) = (Arc::clone(&self.look_up), tell.clone());
            let running = Arc::clone(&self.running);
            let thread = std::thread::Builder::new().name("turnout-lookup".to_owned());
            let started = thread.spawn(move || {
                let found = look_up(&name);
                running.fetch_sub(1, Ordering::Relaxed);
                tell.send((name, found)).ok();
            });
            if started.is_err() {
                self.running.fetch_sub(1, Ordering::Relaxed);
            }
        }
        drop(tell);
        let deadline = Instant::now() + LONGEST;
        let left = || deadline.saturating_duration_since(Instant::now());
        std::iter::from_fn(|| told.recv_timeout(left()).ok())
            .filter(|(_, found)| !found.is_empty())
            .collect()
    }
}

/// The names of a command's targets of which no target that serves knows what they stand for.
pub(super) fn unknown_names(command: &Command, serves: &Snapshot) -> BTreeSet<Address> {
    let (document, overrides) = match command {
        Command::Targets { targets, .. } => (None, vec![targets]),
        Command::Apply(configuration) => (Some(&configuration.document), Vec::new()),
        Command::Restore { desired, .. } => {
            (Some(&desired.configuration.document), desired.live.targets.values().collect())
        }
        Command::Together(commands) => {
            return commands.iter().flat_map(|each| unknown_names(each, serves)).collect();
        }
        Command::Shift { .. }
        | Command::Shadow { .. }
        | Command::Rollback { .. }
        | Command::Rollout { .. }
        | Command::Flag { .. }
        | Command::Lock { .. }
        | Command::Attributes(_)
        | Command::Token { .. } => return BTreeSet::new(),
    };
    let written = document.iter().flat_map(|document| document.upstreams.values());
    let written = written.flat_map(|upstream| &upstream.targets).map(|target| &*target.address);
    let overrides = overrides.into_iter().flatten().map(|target| &*target.address);
    let known: HashSet<&Address> = targets(serves)
        .filter(|target| !target.state.addresses().is_empty())
        .map(|target| &target.address)
        .collect();
    written
        .chain(overrides)
        .filter_map(|address| address.parse::<Address>().ok())
        .filter(|address| address.literal().is_none() && !known.contains(address))
        .collect()
}

/// Notes on new targets what their names stand for: what was found, or what a target that serves knows.
pub(super) fn note(next: &Compiled, found: &Found, serves: &Snapshot) {
    let mut new = targets(&next.snapshot).filter(|t| t.state.addresses().is_empty()).peekable();
    if new.peek().is_none() {
        return;
    }
    let known: HashMap<&Address, Arc<Vec<SocketAddr>>> =
        targets(serves).map(|target| (&target.address, target.state.addresses())).collect();
    for target in new {
        let addresses = found.get(&target.address);
        let addresses = addresses.or_else(|| known.get(&target.address).map(|known| &**known));
        target.state.resolved(addresses.cloned().unwrap_or_default());
    }
}

/// Upstreams that are other than those which serve, and of which no target's name is known.
pub(super) fn unresolved<'n>(
    next: &'n Compiled,
    serves: &'n Snapshot,
) -> impl Iterator<Item = &'n Upstream> {
    let serves: HashSet<*const Upstream> = serves.upstreams.iter().map(Arc::as_ptr).collect();
    let upstreams = next.snapshot.upstreams.iter();
    upstreams.filter(move |upstream| !serves.contains(&Arc::as_ptr(upstream))).map(|u| &**u).filter(
        |upstream| {
            let mut used = upstream.targets.iter().filter(|target| target.weight > 0).peekable();
            used.peek().is_some() && used.all(|target| target.state.addresses().is_empty())
        },
    )
}

/// What to say of an upstream that nothing is known of.
pub(super) fn told(upstream: &Upstream) -> String {
    let names: Vec<_> = upstream.targets.iter().map(|target| target.address.to_string()).collect();
    format!("upstream {}: no address is known for {}", upstream.name, names.join(", "))
}

fn targets(snapshot: &Snapshot) -> impl Iterator<Item = &Target> {
    snapshot.upstreams.iter().flat_map(|upstream| &upstream.targets)
}
