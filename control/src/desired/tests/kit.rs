//! Commands and states, in the words of the tests.

use std::path::Path;
use std::sync::Arc;

use config::{LockSpec, Source, TargetSpec};
use rules::{RouteName, Share};

use crate::command::{Command, Configuration, Copies, FlagChange, Scope};
use crate::desired::{Applied, Desired, apply};

pub(super) const YAML: &str = r#"
tenants: {acme: {residency: AF}, b2: {residency: EU}}
cohorts: {africa: {attribute: {residency: AF}}, pilots: {tenants: [acme, b2]}}
flags: {report: {}, colour: {variants: {red: 1, blue: 2, grey: 3}, off: grey}, gone: {archived: true}}
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}, {address: "127.0.0.1:3003", weight: 3}]}
routes:
  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}, tenant: {query: t}}
  mail: {canonical: /v1/mail, stable: {upstream: old}, candidate: {upstream: new}, start: {share: 10%}}
  billing: {canonical: /v1/billing, stable: {upstream: old}}
"#;

pub(super) fn configuration(text: &str, accepted_unix: i64) -> Configuration {
    let source = Source { text, name: "turnout.yaml", base: Path::new("/"), env: &|_| None };
    let document = Arc::new(config::read(&source).unwrap());
    Configuration { text: text.into(), document, accepted_unix, from_file: true }
}

pub(super) fn first() -> Desired {
    Desired::first(configuration(YAML, 0))
}

pub(super) fn route(name: &str) -> RouteName {
    name.parse().unwrap()
}

pub(super) fn percent(percent: &str) -> Share {
    percent.parse().unwrap()
}

pub(super) fn tenant(id: &str) -> Scope {
    Scope::Tenant(id.parse().unwrap())
}

pub(super) fn cohort(name: &str) -> Scope {
    Scope::Cohort(name.parse().unwrap())
}

pub(super) fn shift(of: &str, scope: Scope, share: &str) -> Command {
    Command::Shift { route: route(of), scope, share: Some(percent(share)) }
}

pub(super) fn inherit(of: &str, scope: Scope) -> Command {
    Command::Shift { route: route(of), scope, share: None }
}

pub(super) fn shadow(of: &str, scope: Scope, share: &str) -> Command {
    Command::Shadow { route: route(of), scope, copies: Copies::ToCandidate, share: percent(share) }
}

pub(super) fn rollback(of: &str, scope: Scope) -> Command {
    Command::Rollback { route: route(of), scope, keep_shadow: false }
}

pub(super) fn targets(of: &str, addresses: &[(&str, u16)]) -> Command {
    let target = |(address, weight): &(&str, u16)| TargetSpec {
        address: (*address).to_owned(),
        weight: *weight,
    };
    let targets = addresses.iter().map(target).collect();
    Command::Targets { upstream: of.parse().unwrap(), targets }
}

pub(super) fn lock(id: &str, lock: Option<LockSpec>) -> Command {
    Command::Lock { tenant: id.parse().unwrap(), lock }
}

pub(super) fn flag(of: &str, change: FlagChange) -> Command {
    Command::Flag { flag: of.parse().unwrap(), change }
}

pub(super) fn serve(scope: Scope, variant: Option<&str>, share: &str) -> FlagChange {
    FlagChange::Serve { scope, variant: variant.map(str::to_owned), share: percent(share) }
}

/// Applies commands one after the other and tells what each did; `=` marks those that change nothing.
pub(super) fn told(mut desired: Desired, commands: &[Command]) -> (Desired, Vec<String>) {
    let mut told = Vec::new();
    for command in commands {
        match apply(&desired, command).unwrap() {
            Applied::Unchanged(how) => told.push(format!("= {how}")),
            Applied::Changed(next) => {
                told.push(next.summary);
                told.extend(next.notes.into_iter().map(|note| format!("! {note}")));
                desired = next.desired;
            }
        }
    }
    (desired, told)
}
