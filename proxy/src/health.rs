//! Are the targets well? Asked from time to time, over connections of its own.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use rules::upstream::{Address, Health, HealthCheck, Target};
use rules::{SnapshotCell, Upstream, UpstreamName};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::probe::{self, Speech, Speeches};

/// How often the list of targets is looked at anew.
const TICK: Duration = Duration::from_millis(250);
/// How many checks run at the same time: each takes a socket. (INV-7)
const AT_ONCE: usize = 256;

/// What the last checks of a target found.
#[derive(Default)]
struct Streak {
    /// When it is checked next; none while that is under way.
    next: Option<Instant>,
    good: u32,
    bad: u32,
}

/// A target of an upstream, by the names of both.
type Key = (UpstreamName, Address);

/// One check that is to be made.
struct Check {
    key: Key,
    target: Target,
    health: HealthCheck,
    /// None where its upstream's encryption cannot be had.
    speech: Option<Speech>,
}

/// Checks every target of every upstream that asks for it, again and again. A slow target holds up no other's check.
pub(crate) async fn keep_checking(cell: Arc<SnapshotCell>) {
    let mut streaks: HashMap<Key, Streak> = HashMap::new();
    let mut speeches = Speeches::default();
    let mut checks: JoinSet<(Check, bool)> = JoinSet::new();
    loop {
        let room = AT_ONCE.saturating_sub(checks.len());
        for check in due(&cell, &mut streaks, &mut speeches, Instant::now(), room) {
            checks.spawn(async move {
                let well = is_well(&check).await;
                (check, well)
            });
        }
        let tick = sleep(TICK);
        tokio::pin!(tick);
        loop {
            tokio::select! {
                Some(Ok((Check { key, target, health, .. }, well))) = checks.join_next() => {
                    let Some(streak) = streaks.get_mut(&key) else { continue };
                    let pause = jittered(health.interval, &key, streak);
                    streak.next = Some(Instant::now() + pause);
                    judge(streak, &target, &health, well);
                }
                () = &mut tick => break,
            }
        }
    }
}

/// The targets whose next check is due, `most` of them, the longest due first; forgets those that are no longer there.
fn due(
    cell: &SnapshotCell,
    streaks: &mut HashMap<Key, Streak>,
    speeches: &mut Speeches,
    now: Instant,
    most: usize,
) -> Vec<Check> {
    let snapshot = cell.load();
    let mut before = std::mem::take(streaks);
    let mut due = Vec::new();
    let mut definitions = HashSet::new();
    for upstream in &snapshot.upstreams {
        if upstream.settle() {
            tracing::info!(upstream = %upstream.name, "new targets are well and take over");
        }
        // What stands in for targets not checked yet goes on being checked.
        let stand_in = upstream.stand_in();
        for upstream in std::iter::once(upstream).chain(&stand_in) {
            definitions.insert(upstream.pool_key);
            for check in checks(upstream, speeches) {
                if streaks.contains_key(&check.key) {
                    continue;
                }
                let first = || Streak { next: Some(now), ..Streak::default() };
                let streak = before.remove(&check.key).unwrap_or_else(first);
                let (key, next) = (check.key.clone(), streak.next);
                due.extend(next.filter(|next| *next <= now).map(|since| (since, check)));
                streaks.insert(key, streak);
            }
        }
    }
    speeches.keep(|definition| definitions.contains(&definition));
    due.sort_by_key(|(since, _)| *since);
    let begin = |(_, check): (Instant, Check)| {
        streaks.get_mut(&check.key)?.next = None;
        Some(check)
    };
    due.into_iter().take(most).filter_map(begin).collect()
}

/// The checks of an upstream's targets, if it wants any.
fn checks<'u>(
    upstream: &'u Upstream,
    speeches: &mut Speeches,
) -> impl Iterator<Item = Check> + use<'u> {
    if upstream.health.is_none() {
        for target in &upstream.targets {
            // Found sick by a check that nobody makes any more, it would never be well again.
            target.state.set_health(Health::Unknown);
        }
    }
    let speech = upstream.health.as_ref().and_then(|_| speeches.of(upstream));
    let check = move |(health, target): (&HealthCheck, &Target)| Check {
        key: (upstream.name.clone(), target.address.clone()),
        target: target.clone(),
        health: health.clone(),
        speech: speech.clone(),
    };
    let health = upstream.health.iter();
    health.flat_map(|health| upstream.targets.iter().map(move |target| (health, target))).map(check)
}

/// A pause that differs from target to target and from time to time by a tenth either way: checks that begin together
/// do not go on together.
fn jittered(interval: Duration, key: &Key, streak: &Streak) -> Duration {
    let mut hash = DefaultHasher::new();
    (key, streak.good, streak.bad).hash(&mut hash);
    let percent = u32::try_from(hash.finish() % 21).unwrap_or(10);
    interval.saturating_mul(90 + percent) / 100
}

fn judge(streak: &mut Streak, target: &Target, health: &HealthCheck, well: bool) {
    (streak.good, streak.bad) =
        if well { (streak.good.saturating_add(1), 0) } else { (0, streak.bad.saturating_add(1)) };
    let was = target.state.health();
    let is = match was {
        Health::Unwell if streak.good >= health.healthy_after => Health::Well,
        Health::Unknown if well => Health::Well,
        Health::Unknown | Health::Well if streak.bad >= health.unhealthy_after => Health::Unwell,
        same => same,
    };
    if was != is {
        target.state.set_health(is);
        let healthy = is == Health::Well;
        tracing::info!(target = %target.address, healthy, "a target's health changed");
    }
}

/// One check: of a target that is new or was sick, as many good answers as it takes to be warm.
async fn is_well(check: &Check) -> bool {
    let is_cold = check.target.state.health() != Health::Well;
    for _ in 0..if is_cold { check.health.warm.max(1) } else { 1 } {
        if !answers(check).await {
            return false;
        }
    }
    true
}

/// Whether a target answers as it should.
async fn answers(check: &Check) -> bool {
    let Check { target, health, speech: Some(speech), .. } = check else { return false };
    let Some(address) = target.state.addresses().first().copied() else { return false };
    let asked = probe::ask(address, &target.address, &health.probe, speech);
    timeout(health.timeout, asked).await.ok().flatten().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::upstream::{
        HealthProbe, Protection, TargetState, UpstreamDefinition, UpstreamTimeouts,
    };
    use rules::{Snapshot, Upstream};

    fn state() -> Arc<TargetState> {
        Arc::new(TargetState::new(&"127.0.0.1:80".parse().unwrap()))
    }

    fn check_of_a_second() -> HealthCheck {
        HealthCheck {
            probe: HealthProbe::Http("/health".into()),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            healthy_after: 1,
            unhealthy_after: 1,
            warm: 1,
        }
    }

    fn definition(
        address: &str,
        state: &Arc<TargetState>,
        health: Option<HealthCheck>,
    ) -> UpstreamDefinition {
        let (address, state) = (address.parse().unwrap(), Arc::clone(state));
        let second = Duration::from_secs(1);
        let timeouts =
            UpstreamTimeouts { connect: second, read: second, write: second, idle: second };
        UpstreamDefinition {
            name: "old".parse().unwrap(),
            generation: 1,
            targets: vec![Target { address, weight: 1, state }],
            tls: None,
            http2: false,
            health,
            timeouts,
            protection: Protection::default(),
        }
    }

    fn cell(state: &Arc<TargetState>, health: Option<HealthCheck>) -> SnapshotCell {
        let upstream = Upstream::new(definition("127.0.0.1:80", state, health));
        let upstreams = Box::new([Arc::new(upstream)]);
        SnapshotCell::new(Arc::new(Snapshot { upstreams, ..Snapshot::default() }))
    }

    #[test]
    fn a_target_that_is_checked_no_more_is_well_again() {
        let (state, health) = (state(), check_of_a_second());
        let (mut streaks, now) = (HashMap::new(), Instant::now());
        let speeches = &mut Speeches::default();
        let checked = cell(&state, Some(health.clone()));
        let [check] = &*due(&checked, &mut streaks, speeches, now, 9) else {
            panic!("it is due at once")
        };
        assert!(due(&checked, &mut streaks, speeches, now, 9).is_empty(), "it is under way");
        judge(streaks.get_mut(&check.key).unwrap(), &check.target, &health, false);
        assert!(!state.is_healthy());
        assert!(due(&cell(&state, None), &mut streaks, speeches, now, 9).is_empty());
        assert!(state.is_healthy() && streaks.is_empty());
    }

    #[test]
    fn what_checks_say_becomes_what_is_thought_of_a_target() {
        use Health::{Unknown, Unwell, Well};
        let health = HealthCheck { healthy_after: 2, unhealthy_after: 3, ..check_of_a_second() };
        let cell = cell(&state(), Some(health.clone()));
        let mut streaks = HashMap::new();
        let check =
            due(&cell, &mut streaks, &mut Speeches::default(), Instant::now(), 9).pop().unwrap();
        for (start, answers, end) in [
            (Unknown, &[true][..], Well),
            (Unknown, &[false, false], Unknown),
            (Unknown, &[false, false, true], Well),
            (Unknown, &[false, false, false], Unwell),
            (Well, &[false, false, true, false, false], Well),
            (Well, &[false, false, false], Unwell),
            (Unwell, &[true, false, true], Unwell),
            (Unwell, &[true, true], Well),
        ] {
            check.target.state.set_health(start);
            let mut streak = Streak::default();
            for well in answers {
                judge(&mut streak, &check.target, &health, *well);
            }
            assert_eq!(check.target.state.health(), end, "{start:?} {answers:?}");
        }
    }

    #[test]
    fn pauses_differ_by_a_tenth_at_most() {
        let interval = Duration::from_secs(10);
        let key = ("old".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let pause = |good| jittered(interval, &key, &Streak { good, ..Streak::default() });
        let pauses: Vec<Duration> = (0..100).map(pause).collect();
        assert!(pauses.iter().all(|pause| (9_000..=11_000).contains(&pause.as_millis())));
        assert!(pauses.iter().max() > pauses.iter().min());
    }

    #[test]
    fn who_stands_in_is_checked_until_somebody_takes_over() {
        let (old, new) = (state(), state());
        old.set_health(Health::Well);
        let before = cell(&old, Some(check_of_a_second())).load();
        let definition = definition("127.0.0.1:81", &new, Some(check_of_a_second()));
        let upstream = Arc::new(Upstream::following(definition, &before.upstreams[0]));
        let upstreams = Box::new([upstream]);
        let cell = SnapshotCell::new(Arc::new(Snapshot { upstreams, ..Snapshot::default() }));
        let mut streaks = HashMap::new();
        assert_eq!(due(&cell, &mut streaks, &mut Speeches::default(), Instant::now(), 9).len(), 2);
        new.set_health(Health::Well);
        assert!(
            due(&cell, &mut streaks, &mut Speeches::default(), Instant::now(), 9).is_empty(),
            "under way"
        );
        assert_eq!(streaks.len(), 1, "the former one is forgotten");
    }
}
