//! What do the targets' names stand for? Looked up in the background, never on a request's path.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rules::upstream::{Address, Target, TargetState};
use rules::{Snapshot, SnapshotCell};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often it is looked whether all names are known, where somebody waits for that.
const GLANCE: Duration = Duration::from_millis(20);
/// The pause between two look-ups of a name.
const INTERVAL: Duration = Duration::from_secs(5);
/// The pause after the first look-up that failed for a name never resolved; it doubles up to [`INTERVAL`].
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// After so many look-ups in vain the pause is [`INTERVAL`] anyway.
const MOST_DOUBLED: u32 = 8;
/// How long one look-up may take.
const LOOKUP: Duration = Duration::from_secs(5);
/// How many look-ups run at the same time: each takes a thread. (INV-7)
const AT_ONCE: usize = 32;

/// Looks up every target's name, again and again. The last good answer is kept when a look-up fails.
pub(crate) async fn keep_resolving(cell: Arc<SnapshotCell>) {
    let mut names = Names::default();
    let mut lookups: JoinSet<(Address, Vec<SocketAddr>)> = JoinSet::new();
    let published = Arc::new(Notify::new());
    let telling = Arc::clone(&published);
    cell.on_publish(move || telling.notify_one());
    loop {
        names.follow(&cell.load());
        let room = AT_ONCE.saturating_sub(lookups.len());
        for address in names.due(Instant::now(), room) {
            lookups.spawn(look_up(address));
        }
        let room = lookups.len() < AT_ONCE;
        let next = names.next().filter(|_| room);
        tokio::select! {
            Some(Ok((address, found))) = lookups.join_next() => {
                names.note(&address, found, Instant::now());
            }
            () = published.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
        }
    }
}

/// Waits until every target's name stands for an address.
pub(crate) async fn all_known(cell: &SnapshotCell) {
    let unknown =
        |target: &Target| target.address.literal().is_none() && target.state.addresses().is_empty();
    while cell.load().upstreams.iter().flat_map(|upstream| &upstream.targets).any(unknown) {
        sleep(GLANCE).await;
    }
}

/// The names that the targets of the present snapshot have.
#[derive(Default)]
struct Names {
    of: Option<Arc<Snapshot>>,
    known: BTreeMap<Address, Name>,
}

/// One name, and the targets that have it.
#[derive(Default)]
struct Name {
    targets: Vec<Arc<TargetState>>,
    /// What it stood for when it was last resolved.
    addresses: Vec<SocketAddr>,
    /// When it is looked up next; none while that is under way.
    next: Option<Instant>,
    /// How often it was looked up in vain before it was first resolved, up to [`MOST_DOUBLED`].
    failures: u32,
}

impl Names {
    /// Takes over the names of a snapshot, if it is another one. What is new is due at once.
    fn follow(&mut self, snapshot: &Arc<Snapshot>) {
        if self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, snapshot)) {
            return;
        }
        self.of = Some(Arc::clone(snapshot));
        for name in self.known.values_mut() {
            name.targets.clear();
        }
        let now = Instant::now();
        for Target { address, state, .. } in snapshot.upstreams.iter().flat_map(|u| &u.targets) {
            if address.literal().is_some() {
                continue;
            }
            let name = self
                .known
                .entry(address.clone())
                .or_insert_with(|| Name { next: Some(now), ..Name::default() });
            if state.addresses().is_empty() {
                state.resolved(name.addresses.clone());
            }
            name.targets.push(Arc::clone(state));
        }
        self.known.retain(|_, name| !name.targets.is_empty());
    }

    /// Names whose turn it is, `most` of them, the longest due first; they are under way from now on.
    fn due(&mut self, now: Instant, most: usize) -> Vec<Address> {
        let names = self.known.iter_mut();
        let mut due: Vec<_> = names
            .filter_map(|(address, name)| {
                Some((name.next.filter(|next| *next <= now)?, address, name))
            })
            .collect();
        due.sort_by_key(|(next, ..)| *next);
        let begin = |(_, address, name): (Instant, &Address, &mut Name)| {
            name.next = None;
            address.clone()
        };
        due.into_iter().take(most).map(begin).collect()
    }

    /// When the turn of the next name comes.
    fn next(&self) -> Option<Instant> {
        self.known.values().filter_map(|name| name.next).min()
    }

    /// Tells all targets of a name what it stands for.
    fn note(&mut self, address: &Address, found: Vec<SocketAddr>, now: Instant) {
        let Some(name) = self.known.get_mut(address) else { return };
        name.next = Some(now + INTERVAL);
        if !found.is_empty() {
            for target in &name.targets {
                target.resolved(found.clone());
            }
            name.addresses = found;
        } else if name.addresses.is_empty() {
            name.next = Some(now + FIRST_RETRY.saturating_mul(1 << name.failures).min(INTERVAL));
            name.failures = (name.failures + 1).min(MOST_DOUBLED);
        }
    }
}

/// Looks a name up; nothing where that fails.
async fn look_up(address: Address) -> (Address, Vec<SocketAddr>) {
    let lookup = tokio::net::lookup_host((address.host().to_owned(), address.port()));
    let found = timeout(LOOKUP, lookup).await;
    let mut found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(error)) => {
            tracing::warn!(target = %address, %error, "a target's name cannot be resolved");
            Vec::new()
        }
        Err(_) => {
            tracing::warn!(target = %address, "a target's name took too long");
            Vec::new()
        }
    };
    found.sort_unstable();
    found.dedup();
    (address, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::upstream::{Protection, UpstreamDefinition, UpstreamTimeouts};
    use rules::{Revision, Upstream};

    const TARGET: &str = "old.internal:80";

    /// A snapshot with one target that nobody has resolved.
    fn snapshot() -> Arc<Snapshot> {
        with(TARGET)
    }

    fn with(target: &str) -> Arc<Snapshot> {
        let address: Address = target.parse().unwrap();
        let state = Arc::new(TargetState::new(&address));
        let second = Duration::from_secs(1);
        let upstream = Upstream::new(UpstreamDefinition {
            name: "old".parse().unwrap(),
            generation: 1,
            targets: vec![Target { address, weight: 1, state }],
            tls: None,
            http2: false,
            health: None,
            timeouts: UpstreamTimeouts {
                connect: second,
                read: second,
                write: second,
                idle: second,
            },
            protection: Protection::default(),
        });
        let (revision, upstreams) = (Revision(1), Box::new([Arc::new(upstream)]));
        Arc::new(Snapshot { revision, upstreams, ..Snapshot::default() })
    }

    #[tokio::test]
    async fn a_name_of_a_new_snapshot_is_looked_up_when_that_is_published() {
        let cell = Arc::new(SnapshotCell::new(Arc::default()));
        let resolving = tokio::spawn(keep_resolving(Arc::clone(&cell)));
        // By now it waits for something to look up.
        tokio::task::yield_now().await;
        assert!(cell.publish(&with("localhost:80")));
        timeout(Duration::from_secs(20), all_known(&cell)).await.unwrap();
        resolving.abort();
    }

    #[test]
    fn a_new_name_is_due_at_once_and_then_ever_later_until_it_is_resolved() {
        let (mut names, snapshot) = (Names::default(), snapshot());
        let address: Address = TARGET.parse().unwrap();
        names.follow(&snapshot);
        let mut now = Instant::now();
        for pause in [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000] {
            assert_eq!(names.due(now, 9), std::slice::from_ref(&address));
            assert!(names.due(now + INTERVAL, 9).is_empty(), "it is under way");
            names.note(&address, Vec::new(), now);
            now += Duration::from_millis(pause);
            assert!(names.due(now - Duration::from_millis(1), 9).is_empty(), "{pause}");
        }
        names.note(&address, vec![([127, 0, 0, 1], 80).into()], now);
        names.note(&address, Vec::new(), now);
        let [upstream] = &*snapshot.upstreams else { panic!("one upstream") };
        assert_eq!(upstream.pick(0, None).unwrap().address.port(), 80, "a failure is no news");
    }

    #[test]
    fn a_name_that_is_known_is_known_to_a_new_target_at_once() {
        let mut names = Names::default();
        names.follow(&snapshot());
        names.note(&TARGET.parse().unwrap(), vec![([127, 0, 0, 1], 80).into()], Instant::now());
        let next = snapshot();
        names.follow(&next);
        assert!(next.upstreams.iter().all(|upstream| upstream.pick(0, None).is_some()));
        names.follow(&Arc::default());
        assert!(names.known.is_empty(), "forgotten with its last target");
    }
}
