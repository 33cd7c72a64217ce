//! Does every row of the tables in `cases/` hold?

use rules::decide::RefusalCause;
use rules::route::Arm;
use rules::{Decision, Verdict, decide};
use serde::Deserialize;

use crate::request::{Request, RequestCase};
use crate::world::{World, WorldCase};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    given: WorldCase,
    requests: Vec<RequestCase>,
}

/// A verdict in one line: `sms stable old /v1/sms, off`, with what else is to be seen of it.
fn verdict_text(world: &World, request: &Request) -> String {
    let facts = request.facts();
    match decide(&world.snapshot, &facts) {
        Verdict::NoRoute => "no route".to_owned(),
        Verdict::Refuse(refusal) => match refusal.cause {
            RefusalCause::TenantMissing => "refused: tenant missing",
            RefusalCause::TenantInvalid => "refused: tenant invalid",
            RefusalCause::TenantDisagreement => "refused: tenants disagree",
            RefusalCause::TokenMissing => "refused: token missing",
            RefusalCause::TokenRefused(problem) => {
                return format!("refused: token {}", problem.as_str());
            }
            RefusalCause::TenantReadOnly => "refused: tenant read-only",
            RefusalCause::TenantBlocked => "refused: tenant blocked",
            RefusalCause::FlagRequired(..) => "refused: flag required",
            RefusalCause::AliasGone => "refused: alias gone",
            RefusalCause::EncodedSlash => "refused: encoded slash",
        }
        .to_owned(),
        Verdict::Redirect(to) => format!("{} {}", to.status, to.location),
        Verdict::Forward(decision) => forward_text(world, &decision, request.path()),
    }
}

fn forward_text(world: &World, decision: &Decision, path: &str) -> String {
    let route = world.snapshot.table.route(decision.route).unwrap();
    let family = route.family(decision.family).unwrap();
    let on = |arm: Arm| {
        let target = family.arm(arm).unwrap();
        let path = decision.path_on(arm, route, path);
        format!("{} {} {path}", arm.as_str(), world.upstream(target.upstream))
    };
    assert_eq!(family.arm(decision.arm).unwrap().upstream, decision.upstream);
    let reason = decision.reason.describe(&world.snapshot);
    let mut text = format!("{} {}, {reason}", route.name, on(decision.arm));
    if let Some(arm) = decision.shadow {
        text += &format!(", copy to {}", on(arm));
    }
    if let Some(tenant) = &decision.tenant {
        text += &format!(", tenant {tenant}");
    }
    if let Some(cohort) = decision.cohort.and_then(|id| world.snapshot.cohort(id)) {
        text += &format!(", cohort {}", cohort.name);
    }
    text
}

fn run(table: &str) {
    let table: Table = serde_json::from_str(table).unwrap();
    let mut wrong = Vec::new();
    for case in &table.cases {
        let world = World::from(&case.given);
        for row in &case.requests {
            let found = verdict_text(&world, &Request::from(row));
            // Where only the route matters, the row names only the route.
            let same =
                found == row.gives || found.split_once(' ').is_some_and(|(r, _)| r == row.gives);
            if !same {
                wrong.push(format!("{}\n    {row:?}\n    gave {found}", case.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn matching_finds_the_route_that_the_rules_name() {
    run(include_str!("../../cases/matching.json"));
}

#[test]
fn aliases_and_arms_map_paths_both_ways() {
    run(include_str!("../../cases/paths.json"));
}

#[test]
fn tenants_cohorts_stages_and_locks_decide_in_their_order() {
    run(include_str!("../../cases/arms.json"));
}
