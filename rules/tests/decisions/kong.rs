//! Would requests that a Kong configuration routes go the same way here?

use std::collections::{BTreeMap, BTreeSet};

use rules::{Verdict, decide};
use serde::Deserialize;

use crate::request::Request;
use crate::world::{World, WorldCase};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Translation {
    #[expect(dead_code, reason = "for readers of the table")]
    note: String,
    given: WorldCase,
    /// Requests that go another way here on purpose, and why.
    differs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Expectations {
    cases: Vec<KongCase>,
}

#[derive(Deserialize)]
struct KongCase {
    request: KongRequest,
    expect: KongExpectation,
}

#[derive(Deserialize)]
struct KongRequest {
    method: String,
    host: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct KongExpectation {
    route: Option<String>,
    service: Option<String>,
    upstream_path: Option<String>,
}

fn decided(world: &World, request: &Request) -> KongExpectation {
    let facts = request.facts();
    let Verdict::Forward(decision) = decide(&world.snapshot, &facts) else {
        return KongExpectation { route: None, service: None, upstream_path: None };
    };
    let route = world.snapshot.table.route(decision.route).unwrap();
    let query = if facts.query.is_empty() { String::new() } else { format!("?{}", facts.query) };
    KongExpectation {
        route: Some(route.name.to_string()),
        service: Some(world.upstream(decision.upstream).to_owned()),
        upstream_path: Some(
            decision.path_on(decision.arm, route, facts.path).into_owned() + &query,
        ),
    }
}

#[test]
fn requests_go_where_kong_sends_them_but_for_what_is_meant_to_differ() {
    let translation: Translation =
        serde_json::from_str(include_str!("../../cases/kong/routes.json")).unwrap();
    let expectations: Expectations =
        serde_json::from_str(include_str!("../../cases/kong/expected.json")).unwrap();
    let world = World::from(&translation.given);
    let mut differ = BTreeSet::new();
    for KongCase { request, expect } in &expectations.cases {
        let target = format!("{}{}", request.host, request.path);
        let headers = request.headers.iter();
        let sent = headers.fold(Request::new(&request.method, &target), |sent, (name, value)| {
            sent.with_header(name, value)
        });
        let found = decided(&world, &sent);
        if found != *expect {
            assert!(
                translation.differs.contains_key(&target),
                "{target}: {found:?}, not {expect:?}"
            );
            differ.insert(target);
        }
    }
    assert_eq!(differ, translation.differs.into_keys().collect::<BTreeSet<_>>());
}
