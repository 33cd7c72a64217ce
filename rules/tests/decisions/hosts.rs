//! Do hosts that are said to lead alike lead to the same routes?

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rules::matching::RouteTable;

use crate::request::Request;
use crate::world::RouteCase;

/// Routes for these host patterns, one per list; for every host where the list is empty.
fn table(routes: &[&[&str]]) -> RouteTable {
    let mut upstreams = Vec::new();
    let cases = routes.iter().map(|hosts| RouteCase {
        name: "r".to_owned(),
        path: "/".to_owned(),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        ..RouteCase::default()
    });
    RouteTable::new(cases.map(|case| case.build(&mut upstreams).into()).collect())
}

#[test]
fn hosts_lead_alike_where_the_same_patterns_are_theirs() {
    let shops = table(&[&["a.org", "b.org", "*.a.org"], &["c.a.org"], &[]]);
    for (one, other, alike) in [
        ("a.org", "a.org", true),
        ("a.org", "A.Org.:443", true),
        ("a.org", "b.org", true),
        ("x.a.org", "y.z.a.org", true),
        // One is served by a route of its own, the other by all others' one.
        ("c.a.org", "x.a.org", false),
        ("x.a.org", "x.b.org", false),
        ("x.b.org", "elsewhere.net", true),
        ("a.org", "elsewhere.net", false),
        ("a.org", "[2001:db8::1]:443", false),
        ("192.0.2.1", "elsewhere.net", true),
        // What is too long to be a name is none.
        ("elsewhere.net", &"x".repeat(300), false),
    ] {
        assert_eq!(shops.lead_alike(one, other), alike, "{one} and {other}");
        assert_eq!(shops.lead_alike(other, one), alike, "{other} and {one}");
    }
}

#[test]
fn two_routes_are_not_the_same_for_being_much_the_same() {
    let apart = table(&[&["a.org"], &["b.org"]]);
    assert!(!apart.lead_alike("a.org", "b.org") && apart.lead_alike("x.org", "y.org"));
    assert!(RouteTable::default().lead_alike("a.org", "b.org"), "both lead nowhere");
}

const PATTERNS: [&str; 6] = ["a.org", "b.a.org", "c.b.a.org", "*.a.org", "*.b.a.org", "*.org"];
const HOSTS: [&str; 7] =
    ["a.org", "b.a.org", "c.b.a.org", "d.b.a.org", "e.a.org", "x.org", "other.net"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn who_leads_alike_is_served_by_the_same_route(
        routes in proptest::collection::vec(subsequence(&PATTERNS[..], 0..=3), 0..6),
        one in select(&HOSTS[..]),
        other in select(&HOSTS[..]),
    ) {
        let routes: Vec<&[&str]> = routes.iter().map(Vec::as_slice).collect();
        let table = table(&routes);
        let found = |host: &str| {
            let request = Request::new("GET", &format!("{host}/a"));
            table.find(&request.facts()).map(|(_, route, family)| (route, family))
        };
        if table.lead_alike(one, other) {
            prop_assert_eq!(found(one), found(other));
        }
    }
}
