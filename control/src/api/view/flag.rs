//! How does a flag look? Its variants, who has which, and how often each was asked for.

use std::collections::BTreeMap;

use config::document::FlagSpec;
use config::{FlagLive, ServeSpec};
use jiff::Timestamp;
use rules::flag::{Evaluation, Flag, FlagId, FlagReason, Variant};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::moment;
use crate::ledger::Present;

/// How many tenants a flag's answer names; the rest are counted.
const TENANTS_SHOWN: usize = 100;

/// A flag as it serves.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FlagView {
    /// Its name: the key that services ask for.
    name: String,
    /// What its variants are: `boolean`, `string`, `number` or `json`.
    kind: &'static str,
    /// What it is for.
    description: Option<String>,
    /// Whether it is on. Where it is off, everybody has the off variant, whatever else is said.
    on: bool,
    /// Whether it is archived: nobody gets a value of it.
    archived: bool,
    /// The off variant.
    off: String,
    /// Its variants, as written.
    variants: Vec<VariantView>,
    /// Other flags, each with the variant that it must give.
    requires: BTreeMap<String, String>,
    /// Who has it, of those of whom nothing else is said.
    default: ServeView,
    /// Cohorts that have something else.
    cohorts: Vec<CohortServeView>,
    /// Tenants that have something of their own.
    tenants: TenantVariantsView,
    #[serde(flatten)]
    removal: RemovalView,
}

/// Whether a flag can be removed, and what stands against it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RemovalView {
    /// That everybody has the same, whoever they are; left out where that is not so, or not known since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    steady: Option<SteadyView>,
    /// Whether everybody has had the same for as many days as were asked for.
    safe_to_remove: bool,
    /// Where the configuration names it (JSON pointers, RFC 6901): there it has to be taken out first.
    named_at: Vec<String>,
}

/// That everybody has the same.
#[derive(Debug, Serialize, ToSchema)]
struct SteadyView {
    /// The variant; none where the flag is archived, and nobody gets a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
    /// When the revision was accepted that made it so.
    since: String,
}

/// A variant, and its use.
#[derive(Debug, Serialize, ToSchema)]
struct VariantView {
    /// Its name.
    name: String,
    /// Its value.
    value: Value,
    /// How often it was evaluated since the process began.
    evaluations: u64,
    /// When it was last evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated: Option<String>,
}

/// Which variant a share of tenants has.
#[derive(Debug, Serialize, ToSchema)]
struct ServeView {
    /// The variant.
    variant: String,
    /// The share of tenants that have it; the others have the off variant.
    #[schema(example = "25%")]
    share: String,
}

/// What a cohort has.
#[derive(Debug, Serialize, ToSchema)]
struct CohortServeView {
    /// The cohort.
    name: String,
    #[serde(flatten)]
    serve: ServeView,
}

/// The tenants that have a variant of their own.
#[derive(Debug, Serialize, ToSchema)]
struct TenantVariantsView {
    /// How many there are.
    count: usize,
    /// The first of them.
    first: Vec<TenantVariantView>,
}

/// What a tenant has.
#[derive(Debug, Serialize, ToSchema)]
struct TenantVariantView {
    /// The tenant.
    tenant: String,
    /// Its variant.
    variant: String,
}

/// What one tenant has of a flag, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvaluationView {
    /// The tenant; none for whoever names none.
    tenant: Option<String>,
    /// Its variant.
    variant: String,
    /// The value.
    value: Value,
    /// Why, in OpenFeature's words: `TARGETING_MATCH`, `SPLIT`, `DEFAULT` or `DISABLED`.
    reason: &'static str,
    /// Why, in full.
    #[schema(example = "bucket 412 < 500")]
    because: String,
}

impl FlagView {
    /// A flag with its setting as commands made it.
    pub(crate) fn of(
        flag: &Flag,
        spec: &FlagSpec,
        live: Option<&FlagLive>,
        removal: RemovalView,
    ) -> Self {
        let definition = &flag.definition;
        let starting = FlagLive::starting(spec);
        let live = live.unwrap_or(&starting);
        let served = spec.served_name().unwrap_or_default();
        let serve = |of: &ServeSpec| ServeView {
            variant: of.variant.as_deref().unwrap_or(served).to_owned(),
            share: of.share.to_string(),
        };
        let used = definition.counters.read();
        let variants = definition.variants.iter().zip(used).map(|(variant, used)| VariantView {
            name: variant.name.to_string(),
            value: value(variant),
            evaluations: used.evaluations,
            last_evaluated: used.last_unix.map(moment),
        });
        let variants: Vec<VariantView> = variants.collect();
        let cohorts = live.cohorts.iter();
        let first = live.tenants.iter().take(TENANTS_SHOWN);
        Self {
            name: definition.name.to_string(),
            kind: definition.variants.first().map_or("", |variant| variant.value.kind.as_str()),
            description: spec.description.clone(),
            on: flag.setting.on,
            archived: definition.archived,
            off: spec.off_name().unwrap_or_default().to_owned(),
            variants,
            requires: spec.requires.clone().into_iter().collect(),
            default: serve(&live.default),
            cohorts: cohorts
                .map(|(name, of)| CohortServeView { name: name.to_string(), serve: serve(of) })
                .collect(),
            tenants: TenantVariantsView {
                count: live.tenants.len(),
                first: first
                    .map(|(tenant, variant)| TenantVariantView {
                        tenant: tenant.to_string(),
                        variant: variant.clone(),
                    })
                    .collect(),
            },
            removal,
        }
    }
}

impl RemovalView {
    /// What serves says of a flag; `days` is for how long everybody must have had the same.
    pub(crate) fn of(
        present: &Present,
        id: FlagId,
        days: u16,
        now: Timestamp,
        named_at: Vec<String>,
    ) -> Self {
        let flags = &present.compiled.snapshot.flags;
        let steady = present.desired.steady(flags, id);
        let evaluated = flags.get(id).filter(|flag| !flag.definition.archived);
        let given = evaluated.zip(flags.steady(id));
        let variant = given.and_then(|(flag, given)| flag.definition.variant(given));
        let variant = variant.map(|variant| variant.name.to_string());
        Self {
            steady: steady.map(|steady| SteadyView { variant, since: steady.since.to_string() }),
            safe_to_remove: steady.is_some_and(|steady| steady.is_for(days, now)),
            named_at,
        }
    }
}

impl EvaluationView {
    /// What came of an evaluation for a tenant. `needed` is the name of the flag that stands in the way, if one does.
    pub(crate) fn of(found: &Evaluation<'_>, tenant: Option<String>, needed: Option<&str>) -> Self {
        let because = match (found.reason, needed) {
            (FlagReason::Prerequisite(_), Some(needed)) => format!("prerequisite {needed}"),
            (reason, _) => reason.to_string(),
        };
        Self {
            tenant,
            variant: found.variant.name.to_string(),
            value: value(found.variant),
            reason: found.reason.standard(),
            because,
        }
    }
}

fn value(variant: &Variant) -> Value {
    // It is JSON that was written out while compiling.
    serde_json::from_str(&variant.value.json).unwrap_or_default()
}
