//! Does the index find what a search through all routes would, and do shares and rewrites keep their promises?

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rules::matching::{Precedence, RouteTable};
use rules::route::{Arm, RouteId};
use rules::{Facts, Snapshot, Verdict, decide};

use crate::request::Request;
use crate::world::{RouteCase, ShiftCase, World, WorldCase};

const HOSTS: [&str; 7] =
    ["a.org", "b.a.org", "c.b.a.org", "*.a.org", "*.b.a.org", "*.org", "other.net"];
const PATHS: [&str; 16] = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/a/b/c",
    "/b",
    "/a/a",
    "=/",
    "=/a",
    "=/a/",
    "=/a/b",
    "=/b",
    "~/a/.",
    "~/a.*",
    "~/[ab]/b",
    "~/(a/)+b$",
];

fn pairs(names: &'static [&'static str]) -> impl Strategy<Value = BTreeMap<String, String>> {
    let values = select(vec!["1", "2", "*", "~[12]", "~1|3"]);
    let pair = (select(names), values).prop_map(|(n, v)| (n.to_owned(), v.to_owned()));
    proptest::collection::vec(pair, 0..=2).prop_map(|pairs| pairs.into_iter().collect())
}

fn texts(of: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    subsequence(of, 0..=most).prop_map(|texts| texts.into_iter().map(str::to_owned).collect())
}

prop_compose! {
    fn route()(
        hosts in texts(&HOSTS, 2),
        path in select(&PATHS[..]),
        alias in proptest::option::of(select(&PATHS[..])),
        methods in texts(&["GET", "POST"], 2),
        headers in pairs(&["x-a", "x-b"]),
        query in pairs(&["p", "q"]),
        priority in select(vec![0, 0, 0, 0, 1, -1]),
    ) -> RouteCase {
        let (path, aliases) = (path.to_owned(), alias.iter().map(|alias| (*alias).into()).collect());
        RouteCase { name: "r".to_owned(), path, aliases, hosts, methods, headers, query, priority, ..RouteCase::default() }
    }
}

prop_compose! {
    fn request()(
        method in select(vec!["GET", "POST", "PUT"]),
        host in select(vec!["a.org", "b.a.org", "c.b.a.org", "d.c.b.a.org", "x.org", "other.net", "A.Org:80", "B.a.org.", "localhost"]),
        path in "(/[ab]?){1,4}",
        query in select(vec!["", "?p=1", "?q=2&p=3", "?p=2&p=1&q=1", "?q=%31"]),
        headers in proptest::collection::vec((select(vec!["x-a", "x-b"]), select(vec!["1", "2", "3"])), 0..3),
    ) -> Request {
        let request = Request::new(method, &format!("{host}{path}{query}"));
        headers.iter().fold(request, |request, (name, value)| request.with_header(name, value))
    }
}

fn table(cases: &[RouteCase]) -> RouteTable {
    let mut upstreams = Vec::new();
    let routes = cases.iter().map(|case| case.build(&mut upstreams).into());
    RouteTable::new(routes.collect())
}

/// Every way in which a request matches, found by trying all routes, hosts and paths.
fn all_matches(table: &RouteTable, facts: &Facts<'_>) -> Vec<Precedence> {
    let host = facts.host_name().to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    let mut found = Vec::new();
    for (id, route) in (0..).map(RouteId).zip(table.routes()) {
        let conditions = &route.conditions;
        let mut hosts: Vec<_> = conditions.hosts.iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        for family in route.families.iter().filter(|family| family.path.matches(facts.path)) {
            for wanted in hosts.iter().filter(|wanted| wanted.is_none_or(|w| w.matches(host))) {
                if conditions.hold(facts) {
                    found.push(Precedence::of(*wanted, &family.path, conditions, id));
                }
            }
        }
    }
    found
}

fn with_share(share: u16, sticky: &str) -> Snapshot {
    let share = rules::Share::from_basis_points(share).unwrap().to_string();
    let case = WorldCase::of(RouteCase {
        name: "sms".to_owned(),
        path: "/".to_owned(),
        candidate: Some("new".to_owned()),
        sticky: sticky.to_owned(),
        tenant: vec!["header x-tenant".to_owned()],
        missing: "house".to_owned(),
        shift: ShiftCase::of(&share),
        ..RouteCase::default()
    });
    World::from(&case).snapshot
}

fn beside(share: u16, baseline: &str) -> Snapshot {
    let share = rules::Share::from_basis_points(share).unwrap().to_string();
    World::from(&WorldCase::of(RouteCase {
        name: "sms".to_owned(),
        path: "/".to_owned(),
        candidate: Some("new".to_owned()),
        baseline: Some(baseline.to_owned()),
        tenant: vec!["header x-tenant".to_owned()],
        shift: ShiftCase::of(&share),
        ..RouteCase::default()
    }))
    .snapshot
}

/// The arm of a tenant.
fn arm_of(snapshot: &Snapshot, tenant: &str) -> Arm {
    let request = Request::new("GET", "h/x").with_header("x-tenant", tenant);
    match decide(snapshot, &request.facts()) {
        Verdict::Forward(decision) => decision.arm,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Raising the candidate's share only adds users, whatever the baseline asks for: its keys are never the candidate's, and
    /// its own go to the candidate at last. (INV-6)
    #[test]
    fn a_baseline_takes_nobody_from_the_candidate(
        tenant in "[a-z0-9]{1,12}",
        less in 1_u16..10_000,
        more in 1_u16..10_000,
        baseline in prop_oneof![Just("fresh"), Just("fresh 5%"), Just("fresh 60%")],
    ) {
        let (less, more) = (less.min(more), less.max(more));
        let (before, after) = (arm_of(&beside(less, baseline), &tenant), arm_of(&beside(more, baseline), &tenant));
        let without = arm_of(&with_share(less, "tenant"), &tenant);
        prop_assert_eq!(before == Arm::Candidate, without == Arm::Candidate);
        if before == Arm::Candidate {
            prop_assert_eq!(after, Arm::Candidate);
        }
        if before == Arm::Stable && baseline != "fresh" {
            prop_assert!(after != Arm::Baseline, "a fixed share takes nobody later");
        }
    }

    #[test]
    fn the_table_finds_the_route_of_the_greatest_precedence(
        cases in proptest::collection::vec(route(), 0..12),
        requests in proptest::collection::vec(request(), 1..8),
    ) {
        let table = table(&cases);
        for request in requests {
            let facts = request.facts();
            let best = all_matches(&table, &facts).into_iter().max();
            let found = table.find(&facts);
            prop_assert_eq!(found.map(|(_, id, _)| id), best.map(|best| best.order.0), "{:?}", facts);
            if let Some((route, _, family)) = found {
                prop_assert!(route.family(family).unwrap().path.matches(facts.path));
            }
        }
    }

    #[test]
    fn no_two_routes_share_a_precedence(
        cases in proptest::collection::vec(route(), 2..6),
        request in request(),
    ) {
        let matches = all_matches(&table(&cases), &request.facts());
        for a in &matches {
            for b in matches.iter().filter(|b| b.order != a.order) {
                prop_assert_ne!(a.cmp(b), std::cmp::Ordering::Equal);
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
            }
        }
    }

    #[test]
    fn raising_a_share_takes_nobody_off_the_candidate(
        low in 0_u16..=10_000,
        more in 0_u16..=10_000,
        key in "[a-z0-9]{1,12}",
        sticky in select(vec!["", "tenant", "header x-tenant"]),
    ) {
        let high = low.saturating_add(more).min(10_000);
        let request = Request::new("GET", "h/x").with_header("x-tenant", &key);
        let arm = |share| match decide(&with_share(share, sticky), &request.facts()) {
            Verdict::Forward(decision) => decision.arm,
            other => panic!("{other:?}"),
        };
        prop_assert!(arm(low) <= arm(high), "from {low} to {high}");
        prop_assert_eq!((arm(0), arm(10_000)), (Arm::Stable, Arm::Candidate));
    }

    #[test]
    fn what_an_arm_says_of_its_paths_maps_back_to_what_the_client_used(
        paths in proptest::collection::vec("(/[a-c]{1,2}){1,3}", 4),
        rest in "(/[a-d]{0,2}){0,3}",
        by_alias in any::<bool>(),
    ) {
        let case = RouteCase {
            name: "sms".to_owned(),
            path: paths[0].clone(),
            aliases: vec![(&*paths[1]).into()],
            stable: Some(format!("old {}", paths[2])),
            candidate: Some(format!("new {}", paths[3])),
            ..RouteCase::default()
        };
        let route = case.build(&mut Vec::new());
        let used = format!("{}{rest}", paths[usize::from(by_alias)]);
        let family = &route.families[usize::from(by_alias)];
        for (arm, own) in Arm::ALL.into_iter().zip(&paths[2..]) {
            let rewrite = &family.arm(arm).unwrap().rewrite;
            let there = rewrite.apply(&used).into_owned();
            prop_assert_eq!(&there, &format!("{own}{rest}"));
            let back = rewrite.back();
            prop_assert_eq!(back.apply(&there), &*used);
        }
    }
}
