//! How is a desired state stored? As keys and values, so that a command writes only what it changes.
//!
//! | key | value |
//! |---|---|
//! | `document` | the configuration's text |
//! | `document/accepted` | when it was accepted, in seconds since 1970 |
//! | `shift/<route>` | the route's default shift |
//! | `shift/<route>/cohort/<name>`, `shift/<route>/tenant/<id>` | the shift of one cohort or tenant |
//! | `targets/<upstream>` | targets that stand in for the configuration's |
//! | `lock/<tenant>` | a tenant's lock |

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use config::{Live, RouteLive};
use rules::RouteName;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Desired;
use crate::command::Configuration;
use crate::store::{Change, StoreError};

const DOCUMENT: &str = "document";
const ACCEPTED: &str = "document/accepted";

/// A stored state whose configuration has not been read yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// The configuration's text.
    pub text: Arc<str>,
    /// When it was accepted, in seconds since 1970.
    pub accepted_unix: i64,
    /// Shifts, locks and targets.
    pub live: Live,
}

/// The keys that differ between two states; all of them where there is no state before.
#[must_use]
pub fn changes(before: Option<&Desired>, after: &Desired) -> Vec<Change> {
    let mut changes = Vec::new();
    let known = before.map(|before| &before.configuration);
    configuration_changes(known, &after.configuration, &mut changes);
    let nothing = Live::default();
    let live = before.map_or(&nothing, |before| &before.live);
    route_changes(live, &after.live, &mut changes);
    if !Arc::ptr_eq(&live.targets, &after.live.targets) {
        map_changes("targets/", &live.targets, &after.live.targets, &mut changes);
    }
    if !Arc::ptr_eq(&live.locks, &after.live.locks) {
        map_changes("lock/", &live.locks, &after.live.locks, &mut changes);
    }
    changes
}

fn configuration_changes(
    before: Option<&Configuration>,
    after: &Configuration,
    changes: &mut Vec<Change>,
) {
    if before.is_none_or(|before| before.text != after.text) {
        changes.push((DOCUMENT.to_owned(), Some(after.text.to_string())));
    }
    if before.is_none_or(|before| before.accepted_unix != after.accepted_unix) {
        changes.push((ACCEPTED.to_owned(), Some(after.accepted_unix.to_string())));
    }
}

fn route_changes(before: &Live, after: &Live, changes: &mut Vec<Change>) {
    let nothing = RouteLive::default();
    for (name, live) in &after.routes {
        let known = before.routes.get(name);
        if known.is_some_and(|known| Arc::ptr_eq(known, live)) {
            continue;
        }
        if known.is_none_or(|known| known.default != live.default) {
            changes.push((format!("shift/{name}"), Some(json(&live.default))));
        }
        inner_changes(name, known.map_or(&nothing, |known| known), live, changes);
    }
    for (name, live) in before.routes.iter().filter(|(name, _)| !after.routes.contains_key(*name)) {
        changes.push((format!("shift/{name}"), None));
        inner_changes(name, live, &nothing, changes);
    }
}

fn inner_changes(
    name: &RouteName,
    before: &RouteLive,
    after: &RouteLive,
    changes: &mut Vec<Change>,
) {
    map_changes(&format!("shift/{name}/cohort/"), &before.cohorts, &after.cohorts, changes);
    map_changes(&format!("shift/{name}/tenant/"), &before.tenants, &after.tenants, changes);
}

fn map_changes<K: Ord + Display, V: PartialEq + Serialize>(
    prefix: &str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    changes: &mut Vec<Change>,
) {
    let changed = after.iter().filter(|(key, value)| before.get(*key) != Some(*value));
    changes.extend(changed.map(|(key, value)| (format!("{prefix}{key}"), Some(json(value)))));
    let removed = before.keys().filter(|key| !after.contains_key(*key));
    changes.extend(removed.map(|key| (format!("{prefix}{key}"), None)));
}

fn json(value: &impl Serialize) -> String {
    // Maps with text keys, texts and numbers: nothing that JSON could not write.
    serde_json::to_string(value).unwrap_or_default()
}

/// The state that was stored as these values.
///
/// # Errors
/// When a key or value is not of the form that [`changes`] writes.
pub fn unread(values: &BTreeMap<String, String>) -> Result<Unread, StoreError> {
    let whole = |key: &str| values.get(key).ok_or_else(|| corrupt(key, "it is missing"));
    let text = Arc::from(whole(DOCUMENT)?.as_str());
    let accepted_unix = name(ACCEPTED, whole(ACCEPTED)?)?;
    let mut routes: BTreeMap<RouteName, RouteLive> = BTreeMap::new();
    let (mut targets, mut locks) = (BTreeMap::new(), BTreeMap::new());
    for (key, value) in values {
        let parts: Vec<&str> = key.split('/').collect();
        match parts.as_slice() {
            ["document"] | ["document", "accepted"] => {}
            ["shift", route] => {
                routes.entry(name(key, route)?).or_default().default = read(key, value)?;
            }
            ["shift", route, "cohort", cohort] => {
                let live = routes.entry(name(key, route)?).or_default();
                live.cohorts.insert(name(key, cohort)?, read(key, value)?);
            }
            ["shift", route, "tenant", tenant] => {
                let live = routes.entry(name(key, route)?).or_default();
                live.tenants.insert(name(key, tenant)?, read(key, value)?);
            }
            ["targets", upstream] => {
                targets.insert(name(key, upstream)?, read(key, value)?);
            }
            ["lock", tenant] => {
                locks.insert(name(key, tenant)?, read(key, value)?);
            }
            _ => return Err(corrupt(key, "nothing is stored under such a key")),
        }
    }
    let routes = routes.into_iter().map(|(name, live)| (name, Arc::new(live))).collect();
    let live = Live { routes, locks: Arc::new(locks), targets: Arc::new(targets) };
    Ok(Unread { text, accepted_unix, live })
}

fn name<N: FromStr<Err: Display>>(key: &str, text: &str) -> Result<N, StoreError> {
    text.parse().map_err(|error: N::Err| corrupt(key, &error.to_string()))
}

fn read<V: DeserializeOwned>(key: &str, value: &str) -> Result<V, StoreError> {
    serde_json::from_str(value).map_err(|error| corrupt(key, &error.to_string()))
}

fn corrupt(key: &str, reason: &str) -> StoreError {
    StoreError::Corrupt { what: key.to_owned(), reason: reason.to_owned() }
}
