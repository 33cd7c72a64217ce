//! How do commands change what is known of tenants: locks, and attributes with the cohorts that follow from them?

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{AttributeChanges, Document, LockSpec};
use rules::TenantId;

use super::apply::changed;
use super::{Applied, Desired, summary};

pub(super) fn set_lock(desired: &Desired, tenant: &TenantId, lock: Option<LockSpec>) -> Applied {
    let present = desired.live.locks.get(tenant).copied();
    let (before, after) = (summary::of_lock(present), summary::of_lock(lock));
    if present == lock {
        return Applied::Unchanged(format!("tenant {tenant}: {after}"));
    }
    let mut next = desired.clone();
    let locks = Arc::make_mut(&mut next.live.locks);
    match lock {
        Some(lock) => locks.insert(tenant.clone(), lock),
        None => locks.remove(tenant),
    };
    changed(next, format!("tenant {tenant}: {before} -> {after}"))
}

pub(super) fn set_attributes(
    desired: &Desired,
    asked: &BTreeMap<TenantId, AttributeChanges>,
) -> Applied {
    let document = &desired.configuration.document;
    let mut told: Vec<(&TenantId, String)> = Vec::new();
    let mut attributes = Arc::clone(&desired.live.attributes);
    for (tenant, changes) in asked {
        let present = desired.live.attributes.get(tenant);
        let steps = changes.iter().filter_map(|(name, value)| {
            let before = attribute(document, present, tenant, name);
            (before != value.as_deref()).then(|| step(name, before, value.as_deref()))
        });
        let steps: Vec<String> = steps.collect();
        if steps.is_empty() {
            continue;
        }
        told.push((tenant, steps.join(", ")));
        let all = Arc::make_mut(&mut attributes);
        let own = all.entry(tenant.clone()).or_default();
        own.extend(changes.clone());
        own.retain(|name, value| written(document, tenant, name) != value.as_deref());
        if own.is_empty() {
            all.remove(tenant);
        }
    }
    let summary = match (told.as_slice(), asked.len()) {
        ([], 1) => {
            let tenant = asked.keys().next().map(ToString::to_string).unwrap_or_default();
            return Applied::Unchanged(format!("tenant {tenant}: its attributes are so already"));
        }
        ([], count) => {
            return Applied::Unchanged(format!("{count} tenants: their attributes are so already"));
        }
        ([(tenant, steps)], 1) => format!("tenant {tenant}: {steps}"),
        (told, count) => format!("attributes of {} of {count} tenants changed", told.len()),
    };
    let mut next = desired.clone();
    next.live.attributes = attributes;
    changed(next, summary)
}

fn step(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    let [before, after] = [before, after].map(|value| value.unwrap_or("unset"));
    format!("{name} {before} -> {after}")
}

/// What the configuration says of an attribute.
fn written<'d>(document: &'d Document, tenant: &TenantId, name: &str) -> Option<&'d str> {
    document.tenants.get(tenant.as_str())?.get(name).map(String::as_str)
}

/// What an attribute is at present.
fn attribute<'d>(
    document: &'d Document,
    live: Option<&'d AttributeChanges>,
    tenant: &TenantId,
    name: &str,
) -> Option<&'d str> {
    match live.and_then(|live| live.get(name)) {
        Some(change) => change.as_deref(),
        None => written(document, tenant, name),
    }
}

/// All attributes that a tenant has at present.
#[must_use]
pub(crate) fn attributes(desired: &Desired, tenant: &TenantId) -> BTreeMap<String, String> {
    let written = desired.configuration.document.tenants.get(tenant.as_str());
    let written = written.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone()));
    let mut attributes: BTreeMap<String, String> = written.collect();
    for (name, change) in desired.live.attributes.get(tenant).into_iter().flatten() {
        match change {
            Some(value) => attributes.insert(name.clone(), value.clone()),
            None => attributes.remove(name),
        };
    }
    attributes
}
