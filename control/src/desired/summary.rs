//! How is a change told to people, in one line?

use std::collections::BTreeMap;

use config::{Document, LockSpec, ServeSpec, ShiftSpec, TargetSpec};
use rules::{RouteName, Shift, Stage};

use crate::command::Scope;

/// `sms` or `sms, tenant acme`.
pub(super) fn of_place(route: &RouteName, scope: &Scope) -> String {
    match scope {
        Scope::Route => route.to_string(),
        Scope::Cohort(name) => format!("{route}, cohort {name}"),
        Scope::Tenant(id) => format!("{route}, tenant {id}"),
    }
}

/// `off`, `shadow 100%`, `canary 5%` or `live`.
pub(super) fn of_shift(shift: ShiftSpec) -> String {
    match Shift::from(shift).stage() {
        Stage::Off => "off".to_owned(),
        Stage::Shadow => format!("shadow {}", shift.shadow),
        Stage::Canary => format!("canary {}", shift.share),
        Stage::Live => "live".to_owned(),
    }
}

/// `canary 5% -> 25%`, `shadow 100% -> canary 5%`, `canary 50% -> live`.
pub(super) fn of_shifts(before: ShiftSpec, after: ShiftSpec) -> String {
    let stage = |shift: ShiftSpec| Shift::from(shift).stage();
    if stage(before) == Stage::Canary && stage(after) == Stage::Canary {
        return format!("canary {} -> {}", before.share, after.share);
    }
    match (of_shift(before), of_shift(after)) {
        (before, after) if before == after => after,
        (before, after) => format!("{before} -> {after}"),
    }
}

/// `1 cohort`, `2 cohorts`.
pub(super) fn of_count(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// `10.0.0.1:3000, 10.0.0.2:3000 (weight 3)`.
pub(super) fn of_targets(targets: &[TargetSpec]) -> String {
    let one = |target: &TargetSpec| match target.weight {
        1 => target.address.clone(),
        weight => format!("{} (weight {weight})", target.address),
    };
    let shown: Vec<String> = targets.iter().take(MOST_NAMED).map(one).collect();
    with_rest(&shown, targets.len())
}

pub(super) const fn of_lock(lock: Option<LockSpec>) -> &'static str {
    match lock {
        None => "unlocked",
        Some(LockSpec::ReadOnly) => "read_only",
        Some(LockSpec::Blocked) => "blocked",
    }
}

/// `nobody`, `red 25%` or `red`.
pub(super) fn of_serve(serve: &ServeSpec, served: &str) -> String {
    let variant = serve.variant.as_deref().unwrap_or(served);
    if serve.share.is_none() {
        "nobody".to_owned()
    } else if serve.share.is_all() {
        variant.to_owned()
    } else {
        format!("{variant} {}", serve.share)
    }
}

/// `configuration: routes added: sms; routes changed: billing`.
pub(super) fn of_configuration(before: &Document, after: &Document) -> String {
    let mut parts = Vec::new();
    compare("routes", &before.routes, &after.routes, &mut parts);
    compare("upstreams", &before.upstreams, &after.upstreams, &mut parts);
    compare("tenants", &before.tenants, &after.tenants, &mut parts);
    compare("cohorts", &before.cohorts, &after.cohorts, &mut parts);
    compare("flags", &before.flags, &after.flags, &mut parts);
    if parts.is_empty() {
        let what = if before == after { "comments and layout" } else { "settings, or order" };
        parts.push(format!("{what} changed"));
    }
    format!("configuration: {}", parts.join("; "))
}

fn compare<'d, V: PartialEq + 'd>(
    kind: &str,
    before: impl IntoIterator<Item = (&'d String, &'d V)>,
    after: impl IntoIterator<Item = (&'d String, &'d V)>,
    parts: &mut Vec<String>,
) {
    let before: BTreeMap<_, _> = before.into_iter().collect();
    let after: BTreeMap<_, _> = after.into_iter().collect();
    let added = after.keys().filter(|name| !before.contains_key(*name));
    let removed = before.keys().filter(|name| !after.contains_key(*name));
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name).is_some_and(|old| old != *value))
        .map(|(name, _)| name);
    let lists: [(&str, Vec<&&String>); 3] = [
        ("added", added.collect()),
        ("removed", removed.collect()),
        ("changed", changed.collect()),
    ];
    for (verb, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let shown: Vec<String> = names.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        parts.push(format!("{kind} {verb}: {}", with_rest(&shown, names.len())));
    }
}

/// More names than this do not fit a line.
const MOST_NAMED: usize = 5;

fn with_rest(shown: &[String], total: usize) -> String {
    let named = shown.join(", ");
    match total.saturating_sub(shown.len()) {
        0 => named,
        rest => format!("{named} and {rest} more"),
    }
}
