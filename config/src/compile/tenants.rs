//! What is known of tenants? Names, cohorts, locks.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use rules::TenantId;
use rules::cohort::{Cohort, CohortId, Told};
use rules::tenant::{Tenant, Tenants};

use super::findings::{Findings, Pointer};
use super::told::told;
use crate::closest::{closest, misspelled};
use crate::document::{CohortSpec, Document};
use crate::live::Live;

/// The tenants and cohorts that a document speaks of, without locks.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    pub(super) cohorts: Vec<Cohort>,
    pub(super) tenants: Tenants,
    /// The cohorts that requests' headers tell.
    pub(super) told: Vec<Told>,
    /// What each cohort asks of its members; none where it lists them, or is one of requests.
    asked: Vec<Option<IndexMap<String, String>>>,
}

/// The document's tenants and cohorts.
pub(super) fn roster(document: &Document, findings: &mut Findings<'_>) -> Roster {
    let mut roster = Roster::default();
    let at = Pointer::root().key("tenants");
    for id in document.tenants.keys() {
        if let Some(id) = findings.parsed(&at.key(id), "bad_tenant", id.parse::<TenantId>()) {
            roster.tenants.insert(id, Tenant { named: true, ..Tenant::default() });
        }
    }
    let mut members: HashMap<TenantId, Vec<CohortId>> = HashMap::new();
    let at = Pointer::root().key("cohorts");
    for (name, spec) in &document.cohorts {
        let at = at.key(name);
        let of_cohort = self::members(document, spec, &at, findings);
        let Some(name) = findings.parsed(&at, "bad_name", name.parse()) else { continue };
        let id = CohortId(u32::try_from(roster.cohorts.len()).unwrap_or(u32::MAX));
        roster.cohorts.push(Cohort { name });
        roster.told.extend(told(document, spec, id, &at, findings));
        roster.asked.push(spec.attribute.clone().filter(|_| spec.tenants.is_none()));
        for tenant in of_cohort {
            members.entry(tenant).or_default().push(id);
        }
    }
    #[expect(clippy::iter_over_hash_type, reason = "goes into a map; no order is seen")]
    for (id, cohorts) in members {
        roster.tenants.entry(id).or_default().cohorts = cohorts.into();
    }
    roster
}

fn members(
    document: &Document,
    spec: &CohortSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<TenantId> {
    let right =
        "write one of `tenants: [..]`, `attribute: {name: value}` and `header: ..`".to_owned();
    let told = findings.lost_below(at);
    let declared = Pointer::root().key("tenants");
    let tenants_lost = findings.lost(&declared) || findings.lost_below(&declared);
    match (&spec.tenants, &spec.attribute, &spec.header) {
        (Some(tenants), None, None) => listed(document, tenants, &at.key("tenants"), findings),
        (None, Some(attribute), None) => {
            let has = |of: &IndexMap<String, String>| {
                attribute.iter().all(|(name, value)| of.get(name) == Some(value))
            };
            let members: Vec<TenantId> = document
                .tenants
                .iter()
                .filter(|(_, of)| has(of))
                .filter_map(|(id, _)| id.parse().ok())
                .collect();
            if told {
                return members;
            }
            if attribute.is_empty() {
                findings.error_with_hint(
                    &at.key("attribute"),
                    "empty_cohort",
                    "no attribute is asked for",
                    right,
                );
            } else if members.is_empty() && !tenants_lost {
                let hint = unknown_attribute(document, attribute);
                findings.warning(
                    at,
                    "empty_cohort",
                    "no tenant has these attributes, so the cohort is empty",
                    hint,
                );
            }
            members
        }
        (None, None, Some(_)) => Vec::new(),
        // What a header must say without a header is told by `told`.
        (None, None, None) if told || spec.has.is_some() || spec.is.is_some() => Vec::new(),
        (None, None, None) => {
            findings.error_with_hint(
                at,
                "cohort_members",
                "a cohort needs to say who belongs to it",
                right,
            );
            Vec::new()
        }
        _ => {
            findings.error_with_hint(
                at,
                "cohort_members",
                "a cohort has members of one kind: `tenants`, an `attribute` or a `header`",
                right,
            );
            Vec::new()
        }
    }
}

fn listed(
    document: &Document,
    tenants: &[String],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<TenantId> {
    if tenants.is_empty() && !findings.lost_below(at) {
        findings.warning(at, "empty_cohort", "the cohort has no tenants", None);
    }
    let are_few = tenants.len() <= MOST_COMPARED;
    let mut members = HashSet::new();
    for (i, id) in tenants.iter().enumerate() {
        let at = at.item(i);
        let Some(tenant) = findings.parsed(&at, "bad_tenant", id.parse::<TenantId>()) else {
            continue;
        };
        if !members.insert(tenant) {
            findings.error(&at, "duplicate_tenant", format!("tenant `{id}` is listed twice"));
        }
        if are_few {
            likely_slip(document, id, &at, findings);
        }
    }
    members.into_iter().collect()
}

/// Where more tenants than this are declared, or listed, none is taken for another one misspelled: comparing each with
/// each would hold up every command.
const MOST_COMPARED: usize = 500;

/// Tenants need not be declared, but one that is nearly spelled like a declared one was meant to be that.
pub(super) fn likely_slip(
    document: &Document,
    id: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    let without_digits =
        |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    let declared = document.tenants.keys().map(String::as_str);
    let are_many = document.tenants.len() > MOST_COMPARED;
    if are_many || document.tenants.contains_key(id) || id.len() < 4 {
        return;
    }
    // `clinic-17` and `clinic-18` are two tenants, not one misspelled.
    if let Some(near) =
        misspelled(id, declared.filter(|near| without_digits(near) != without_digits(id)))
    {
        let message = format!("tenant `{id}` is not declared under `tenants`");
        findings.warning(at, "undeclared_tenant", message, format!("did you mean `{near}`?"));
    }
}

fn unknown_attribute(document: &Document, asked: &IndexMap<String, String>) -> Option<String> {
    let known = || document.tenants.values().flat_map(|of| of.keys().map(String::as_str));
    let unknown = asked.keys().find(|name| known().all(|known| known != *name))?;
    closest(unknown, known()).map(|near| format!("did you mean the attribute `{near}`?"))
}

/// The roster's tenants with their locks, and in the cohorts that they belong to by their present attributes.
pub(super) fn known(document: &Document, roster: &Roster, live: &Live) -> Tenants {
    let mut tenants = roster.tenants.clone();
    for (id, changes) in live.attributes.iter() {
        let tenant = tenants.entry(id.clone()).or_default();
        let written = document.tenants.get(id.as_str());
        let has = |name: &String, value: &String| match changes.get(name) {
            Some(change) => change.as_ref() == Some(value),
            None => written.and_then(|written| written.get(name)) == Some(value),
        };
        let belongs = |(asked, id): &(&Option<IndexMap<String, String>>, CohortId)| match asked {
            Some(asked) => asked.iter().all(|(name, value)| has(name, value)),
            None => tenant.cohorts.contains(id),
        };
        let all = roster.asked.iter().zip((0..).map(CohortId));
        tenant.cohorts = all.filter(belongs).map(|(_, id)| id).collect();
    }
    for (id, lock) in live.locks.iter() {
        tenants.entry(id.clone()).or_default().lock = Some((*lock).into());
    }
    tenants
}
