//! Tables and properties of upstreams: who is picked, who is left out, what is refused.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Share;

fn target((address, weight): &(&str, u16)) -> Target {
    let address: Address = address.parse().unwrap();
    let state = Arc::new(TargetState::new(&address));
    Target { address, weight: *weight, state }
}

pub(super) fn definition(targets: &[(&str, u16)]) -> UpstreamDefinition {
    let second = Duration::from_secs(1);
    UpstreamDefinition {
        name: "u".parse().unwrap(),
        generation: 1,
        targets: targets.iter().map(target).collect(),
        tls: None,
        http2: false,
        health: None,
        timeouts: UpstreamTimeouts { connect: second, read: second, write: second, idle: second },
        protection: Protection::default(),
    }
}

pub(crate) fn upstream(targets: &[(&str, u16)]) -> Arc<Upstream> {
    Arc::new(Upstream::new(definition(targets)))
}

pub(super) const CHECKED: fn() -> Option<HealthCheck> = || {
    Some(HealthCheck {
        probe: HealthProbe::Tcp,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy_after: 1,
        unhealthy_after: 1,
        warm: 1,
    })
};

/// Targets of equal weight at ports 1, 2, 3, ..., checked where each health is given.
pub(super) fn pool(healths: &[Health]) -> Arc<Upstream> {
    let addresses: Vec<String> = (1..=healths.len()).map(|n| format!("127.0.0.1:{n}")).collect();
    let targets: Vec<(&str, u16)> = addresses.iter().map(|address| (&**address, 1)).collect();
    let upstream = Upstream::new(UpstreamDefinition { health: CHECKED(), ..definition(&targets) });
    for (target, health) in upstream.targets.iter().zip(healths) {
        target.state.set_health(*health);
    }
    Arc::new(upstream)
}

fn ports(upstream: &Upstream, now_ms: u64, count: usize) -> Vec<u16> {
    (0..count).filter_map(|_| Some(upstream.pick(now_ms, None)?.address.port())).collect()
}

/// Which ports are picked at all.
pub(super) fn picked(upstream: &Upstream, now_ms: u64) -> Vec<u16> {
    let mut ports = ports(upstream, now_ms, 200);
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// So many attempts, one after the other; those at port 1 come to `first`, all others are answered.
fn attempts(upstream: &Arc<Upstream>, count: usize, first: Outcome, now_ms: u64) -> Vec<Aftermath> {
    let one = |_| {
        let (mut attempt, address) = upstream.attempt(now_ms, None).unwrap();
        attempt.connected();
        let outcome = if address.port() == 1 { first } else { Outcome::Answered(200) };
        attempt.end(outcome, now_ms)
    };
    (0..count).map(one).filter(|aftermath| *aftermath != Aftermath::default()).collect()
}

#[test]
fn weights_are_kept_exactly_and_interleaved_while_nothing_is_in_flight() {
    let upstream = upstream(&[("127.0.0.1:1", 500), ("127.0.0.1:2", 100), ("127.0.0.1:3", 100)]);
    assert_eq!(ports(&upstream, 0, 7), [1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn who_is_picked_by_what_checks_say() {
    use Health::{Unknown as New, Unwell, Well};
    for (healths, expected) in [
        (&[Well, Well][..], &[1, 2][..]),
        (&[Well, Unwell], &[1]),
        (&[Unwell, Unwell], &[1, 2]),
        (&[Well, Unwell, Unwell], &[1, 2, 3]),
        (&[Well, Well, Unwell], &[1, 2]),
        (&[New, New], &[1, 2]),
        (&[Well, New], &[1]),
        (&[Well, New, New, New], &[1]),
        (&[Unwell, New], &[1, 2]),
        (&[Well, Unwell, New], &[1]),
    ] {
        assert_eq!(picked(&pool(healths), 0), expected, "{healths:?}");
    }
}

#[test]
fn weightless_and_unresolved_targets_get_nothing() {
    let upstream = upstream(&[("127.0.0.1:1", 1), ("127.0.0.1:2", 0), ("new.internal:80", 1)]);
    assert_eq!(picked(&upstream, 0), [1]);
    upstream.targets[2].state.resolved(vec!["127.0.0.1:80".parse().unwrap()]);
    upstream.targets[2].state.resolved(vec![]);
    assert_eq!(picked(&upstream, 0), [1, 80], "an empty answer is not news");
    assert!(Upstream::new(definition(&[("old.internal:80", 1)])).pick(0, None).is_none());
}

#[test]
fn every_address_of_every_target_gets_its_turn() {
    let upstream = upstream(&[("a.internal:80", 1), ("b.internal:80", 1)]);
    for (target, ports) in upstream.targets.iter().zip([[1, 2], [3, 4]]) {
        target.state.resolved(ports.map(|port| ([127, 0, 0, 1], port).into()).into());
    }
    assert_eq!(ports(&upstream, 0, 5), [1, 3, 2, 4, 1]);
}

#[test]
fn who_has_failed_a_request_does_not_get_it_again_where_there_is_another() {
    let upstream = pool(&[Health::Well, Health::Well, Health::Unwell]);
    let first = &upstream.targets[0];
    for _ in 0..20 {
        assert_eq!(upstream.pick(0, Some(first)).unwrap().address.port(), 2);
    }
    assert!(upstream.has_another(first));
    let two = pool(&[Health::Well, Health::Unwell]);
    assert!(two.has_another(&two.targets[0]), "it may be back, and the first is not");
    assert_eq!(two.pick(0, Some(&two.targets[0])).unwrap().address.port(), 2);
    let alone = weighted(&[1, 0]);
    assert!(!alone.has_another(&alone.targets[0]));
    assert_eq!(alone.pick(0, Some(&alone.targets[0])).unwrap().address.port(), 1);
}

#[test]
fn the_load_of_a_target_that_is_out_goes_to_all_others() {
    let upstream = pool(&[Health::Unwell, Health::Well, Health::Well, Health::Well, Health::Well]);
    let ports = ports(&upstream, 0, 4_000);
    for port in 2..=5 {
        let share = ports.iter().filter(|one| **one == port).count();
        assert!((900..1_100).contains(&share), "{port}: {share}");
    }
}

#[test]
fn failures_in_a_row_eject_for_a_while() {
    for (outcome, ejects) in [
        (Outcome::Failed, true),
        (Outcome::Answered(500), true),
        (Outcome::Answered(503), true),
        (Outcome::Answered(499), false),
        (Outcome::Answered(101), false),
        (Outcome::Open, false),
    ] {
        let upstream = upstream(&[("127.0.0.1:1", 1), ("127.0.0.1:2", 1)]);
        assert_eq!(attempts(&upstream, 8, outcome, 0), [], "four failures are not enough");
        let after = attempts(&upstream, 20, outcome, 0);
        let ejected = Aftermath { ejected: Some(Duration::from_secs(30)), broke: false };
        assert_eq!(after, vec![ejected; usize::from(ejects)], "{outcome:?}");
        assert_eq!(upstream.targets[0].state.ejections(), u64::from(ejects));
        assert_eq!(picked(&upstream, 29_999), if ejects { &[2][..] } else { &[1, 2] });
        assert_eq!(picked(&upstream, 30_000), [1, 2], "it is back");
    }
}

#[test]
fn an_answer_in_between_forgives() {
    let upstream = upstream(&[("127.0.0.1:1", 1), ("127.0.0.1:2", 1)]);
    for _ in 0..9 {
        assert_eq!(attempts(&upstream, 8, Outcome::Failed, 0), []);
        assert_eq!(attempts(&upstream, 2, Outcome::Answered(200), 0), []);
    }
}

#[test]
fn at_most_the_share_of_targets_is_ejected() {
    for (targets, most, out) in [
        (1, "50%", 0),
        (1, "100%", 1),
        (2, "50%", 1),
        (3, "50%", 1),
        (4, "50%", 2),
        (4, "75%", 3),
        (4, "0%", 0),
        (4, "100%", 4),
    ] {
        let addresses: Vec<String> = (1..=targets).map(|n| format!("127.0.0.1:{n}")).collect();
        let all: Vec<(&str, u16)> = addresses.iter().map(|address| (&**address, 1)).collect();
        let mut definition = definition(&all);
        definition.protection.ejecting.most = most.parse().unwrap();
        definition.protection.breaking.failures = Share::ALL;
        let upstream = Arc::new(Upstream::new(definition));
        for _ in 0..100 {
            upstream.attempt(0, None).unwrap().0.end(Outcome::Failed, 0);
        }
        let is_out = |target: &&Target| target.state.is_ejected(0);
        assert_eq!(upstream.targets.iter().filter(is_out).count(), out, "{targets} {most}");
        assert_eq!(
            picked(&upstream, 0).len(),
            if out * 2 > targets { targets } else { targets - out }
        );
    }
}

#[test]
fn what_exceeds_a_bound_is_refused_and_leaves_nothing_behind() {
    let mut definition = definition(&[("127.0.0.1:1", 1)]);
    definition.protection.limits = Limits { max_connections: 3, max_pending: 2 };
    let upstream = Arc::new(Upstream::new(definition));
    let enter = || upstream.attempt(0, None).map(|(attempt, _)| attempt);
    let (mut first, second) = (enter().unwrap(), enter().unwrap());
    assert_eq!(enter().unwrap_err(), Refused::Overflow(Overflow::Pending));
    first.connected();
    first.connected();
    let mut third = enter().unwrap();
    third.connected();
    assert_eq!(enter().unwrap_err(), Refused::Overflow(Overflow::Connections));
    assert_eq!((upstream.usage.in_flight(), upstream.usage.pending()), (3, 1));
    assert_eq!(upstream.targets[0].state.in_flight(), 3);
    drop(second);
    third.end(Outcome::Answered(200), 0);
    third.end(Outcome::Answered(500), 0);
    drop((first, third));
    assert_eq!((upstream.usage.in_flight(), upstream.usage.pending()), (0, 0));
    assert_eq!(upstream.targets[0].state.in_flight(), 0);
    let counted: Vec<u64> = upstream.usage.overflows().map(|(_, count)| count).collect();
    assert_eq!(counted, [1, 1, 0]);

    let unresolved = Arc::new(Upstream::new(self::definition(&[("old.internal:80", 1)])));
    assert_eq!(unresolved.attempt(0, None).unwrap_err(), Refused::NoTarget);
    assert_eq!((unresolved.usage.in_flight(), unresolved.usage.pending()), (0, 0));
}

#[test]
fn connections_of_http_2_are_shared() {
    let mut definition = definition(&[("127.0.0.1:1", 1)]);
    definition.http2 = true;
    definition.protection.limits.max_connections = 1;
    let upstream = Arc::new(Upstream::new(definition));
    let attempts: Vec<_> = (0..200).filter_map(|_| upstream.attempt(0, None).ok()).collect();
    assert_eq!(attempts.len(), usize::from(STREAMS_PER_CONNECTION));
}

#[test]
fn the_breaker_opens_tries_and_closes() {
    let upstream = upstream(&[("127.0.0.1:1", 1)]);
    let answered = |status| Outcome::Answered(status);
    assert_eq!(attempts(&upstream, 50, answered(500), 0), [], "that is the service's own answer");
    let broke = Aftermath { ejected: None, broke: true };
    assert_eq!(attempts(&upstream, 20, answered(503), 20_000), [broke]);
    assert!(upstream.is_broken());
    let refused = |now_ms| upstream.attempt(now_ms, None).map(drop).unwrap_err();
    assert_eq!(refused(20_999), Refused::Overflow(Overflow::Breaker));
    drop(upstream.attempt(21_000, None).unwrap());
    let mut trial = upstream.attempt(21_000, None).unwrap().0;
    assert_eq!(refused(21_000), Refused::Overflow(Overflow::Breaker), "one at a time");
    trial.end(Outcome::Open, 21_000);
    let mut trial = upstream.attempt(21_000, None).unwrap().0;
    trial.end(Outcome::Failed, 21_000);
    assert_eq!(refused(21_999), Refused::Overflow(Overflow::Breaker));
    let mut trial = upstream.attempt(22_000, None).unwrap().0;
    trial.answered(200, 22_000);
    assert!(!upstream.is_broken(), "the end of the answer need not be waited for");
    drop(trial);
    assert_eq!(attempts(&upstream, 19, Outcome::Failed, 22_000), []);
}

#[test]
fn a_trial_that_finds_no_room_is_none() {
    let mut definition = definition(&[("127.0.0.1:1", 1)]);
    definition.protection.limits.max_connections = 1;
    definition.protection.breaking.min = 1;
    let upstream = Arc::new(Upstream::new(definition));
    let mut failing = upstream.attempt(0, None).unwrap().0;
    assert!(failing.end(Outcome::Failed, 0).broke);
    let trial = upstream.attempt(1_000, None).unwrap().0;
    drop(trial);
    assert!(upstream.usage.in_flight.enter(1), "somebody else has the only place");
    let refused = || upstream.attempt(1_000, None).map(drop).unwrap_err();
    assert_eq!(refused(), Refused::Overflow(Overflow::Connections));
    assert_eq!(refused(), Refused::Overflow(Overflow::Connections), "not for the breaker's sake");
    upstream.usage.in_flight.leave();
    assert!(upstream.attempt(1_000, None).is_ok());
}

#[test]
fn retries_have_a_budget() {
    for (share, min, in_flight, most) in [
        ("20%", 3, 0, 3),
        ("20%", 3, 20, 7),
        ("20%", 3, 24, 7),
        ("0%", 0, 20, 0),
        ("100%", 1, 5, 6),
    ] {
        let mut definition = definition(&[("127.0.0.1:1", 1)]);
        definition.protection.retry = RetryBudget { share: share.parse().unwrap(), min };
        let upstream = Arc::new(Upstream::new(definition));
        let attempts: Vec<_> = (0..in_flight).map(|_| upstream.attempt(0, None).unwrap()).collect();
        let mut retries: Vec<Retry> = (0..99).map_while(|_| upstream.retry()).collect();
        assert_eq!(retries.len(), most, "{share} of {in_flight} + {min}");
        let Some(mut last) = retries.pop() else { continue };
        last.end(RetryResult::Answered);
        drop(last);
        retries.extend(upstream.retry());
        assert!(upstream.retry().is_none());
        drop((attempts, retries));
        let counted: Vec<u64> = upstream.usage.retries().map(|(_, count)| count).collect();
        assert_eq!(counted, [1, 0, 2]);
    }
}

pub(super) fn weighted(weights: &[u16]) -> Arc<Upstream> {
    let addresses: Vec<String> = (1..=weights.len()).map(|n| format!("127.0.0.1:{n}")).collect();
    let addresses = addresses.iter().map(|address| &**address);
    upstream(&addresses.zip(weights.iter().copied()).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn in_flight_ends_at_nothing_whatever_happens(
        steps in prop::collection::vec((0_u8..6, any::<prop::sample::Index>()), 0..200),
    ) {
        let upstream = weighted(&[1, 2, 3]);
        let mut open = Vec::new();
        for (n, (step, which)) in steps.iter().enumerate() {
            let now_ms = 300 * u64::try_from(n).unwrap();
            if *step <= 1 {
                open.extend(upstream.attempt(now_ms, None).ok().map(|(attempt, _)| attempt));
                continue;
            }
            if open.is_empty() {
                continue;
            }
            let place = which.index(open.len());
            let attempt = &mut open[place];
            match step {
                2 => attempt.connected(),
                3 => { attempt.end(Outcome::Failed, now_ms); }
                4 => attempt.answered(503, now_ms),
                _ => drop(open.swap_remove(place)),
            }
        }
        drop(open);
        prop_assert_eq!((upstream.usage.in_flight(), upstream.usage.pending()), (0, 0));
        for target in &upstream.targets {
            prop_assert_eq!(target.state.in_flight(), 0);
        }
        // Nobody is on trial for ever.
        prop_assert!(upstream.attempt(1_000_000, None).is_ok());
    }
}
