//! How do flags become ready to be evaluated? Variants of one kind, prerequisites without a way back to where they began.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use rules::cohort::{Cohort, CohortId};
use rules::flag::{
    Flag, FlagDefinition, FlagId, FlagSet, FlagSetting, Kind, Need, PrerequisiteError, Serve,
    Value, Variant, VariantId, closures,
};
use rules::sli::FlagCounters;
use rules::{CohortName, FlagName};

use super::findings::{Findings, Pointer};
use crate::closest::did_you_mean;
use crate::document::{Document, FlagSpec};
use crate::flags::{FlagLive, ServeSpec};

/// The most variants of one flag.
const MOST_VARIANTS: usize = 64;
/// The longest value of a variant.
const MOST_VALUE_BYTES: usize = 16 << 10;

/// A document's flags, without their settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Flags {
    by_name: Arc<HashMap<FlagName, FlagId>>,
    definitions: Vec<Written>,
}

/// A flag as written.
#[derive(Debug, Clone)]
struct Written {
    definition: Arc<FlagDefinition>,
    /// The variant where a setting names none.
    served: VariantId,
    start: ServeSpec,
}

/// The document's flags. `previous` are those before, whose counts go on.
pub(super) fn flags(
    document: &Document,
    previous: Option<&Flags>,
    findings: &mut Findings<'_>,
) -> Flags {
    let at = Pointer::root().key("flags");
    let mut by_name = HashMap::new();
    let mut definitions = Vec::new();
    let needs = needs(document, &at, findings);
    for ((name, spec), needs) in document.flags.iter().zip(needs) {
        let at = at.key(name);
        let variants = variants(spec, &at, findings);
        let off = off(spec, &at, findings);
        let served = served(spec, off, &at, findings);
        start(spec, &at, findings);
        let parsed = findings.parsed(&at, "bad_name", name.parse::<FlagName>());
        let (Some(name), Some(off), Some(served)) = (parsed, off, served) else { continue };
        let id = FlagId(u32::try_from(definitions.len()).unwrap_or(u32::MAX));
        by_name.insert(name.clone(), id);
        let counters = previous
            .and_then(|previous| previous.counters(&name, &variants))
            .unwrap_or_else(|| Arc::new(FlagCounters::new(variants.len())));
        let archived = spec.archived;
        let needs = needs.into();
        let definition = FlagDefinition { name, variants, off, needs, archived, counters };
        let definition = Arc::new(definition);
        definitions.push(Written { definition, served, start: spec.start.clone() });
    }
    Flags { by_name: Arc::new(by_name), definitions }
}

fn variants(spec: &FlagSpec, at: &Pointer, findings: &mut Findings<'_>) -> Box<[Variant]> {
    let at = at.key("variants");
    if spec.variants.len() > MOST_VARIANTS {
        let message = format!("a flag has at most {MOST_VARIANTS} variants");
        findings.error(&at, "too_many_variants", message);
    }
    let mut variants: Vec<Variant> = Vec::new();
    for (name, value) in &spec.variants {
        let at = at.key(name);
        // They are sent as header fields, and typed by people.
        if name.parse::<FlagName>().is_err() {
            let hint = "use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or a digit";
            findings.error_with_hint(
                &at,
                "bad_name",
                format!("{name:?} is not the name of a variant"),
                hint.to_owned(),
            );
        }
        let Some(kind) = kind(value) else {
            let hint = "write a truth value, a text, a number, or a map or list".to_owned();
            findings.error_with_hint(&at, "bad_variant", "a variant needs a value", hint);
            continue;
        };
        if let Some(first) = variants.first().filter(|first| first.value.kind != kind) {
            let message = format!(
                "this is of the kind {kind}, but `{}` of the kind {}",
                first.name, first.value.kind
            );
            let hint = "all variants of a flag are of one kind".to_owned();
            findings.error_with_hint(&at, "mixed_variants", message, hint);
        }
        let json = value.to_string();
        if json.len() > MOST_VALUE_BYTES {
            findings.error(&at, "variant_too_long", "a variant's value has at most 16 KiB of JSON");
        }
        variants
            .push(Variant { name: name.as_str().into(), value: Value { kind, json: json.into() } });
    }
    variants.into()
}

const fn kind(value: &serde_json::Value) -> Option<Kind> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::Bool(_) => Some(Kind::Boolean),
        serde_json::Value::Number(_) => Some(Kind::Number),
        serde_json::Value::String(_) => Some(Kind::String),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Some(Kind::Json),
    }
}

/// A variant's place among those written.
pub(super) fn place(spec: &FlagSpec, name: &str) -> Option<VariantId> {
    let place = spec.variants.get_index_of(name)?;
    u16::try_from(place).ok().map(VariantId)
}

fn off(spec: &FlagSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<VariantId> {
    match (&spec.off, spec.off_name()) {
        (_, Some(name)) => place(spec, name),
        (Some(off), None) => {
            no_such_variant(spec, off, &at.key("off"), findings);
            None
        }
        (None, None) => {
            if !findings.lost_below(at) {
                let hint = "write `off:` with the name of one of its variants".to_owned();
                let message = "nothing says which variant is the off one";
                findings.error_with_hint(at, "no_off_variant", message, hint);
            }
            None
        }
    }
}

fn served(
    spec: &FlagSpec,
    off: Option<VariantId>,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<VariantId> {
    let served = spec.served_name().and_then(|name| place(spec, name));
    if served.is_none() && off.is_some() && !findings.lost_below(at) {
        let message = "a flag needs a variant beside the off one";
        let hint = "write at least two under `variants`".to_owned();
        findings.error_with_hint(&at.key("variants"), "one_variant", message, hint);
    }
    served
}

fn start(spec: &FlagSpec, at: &Pointer, findings: &mut Findings<'_>) {
    if let Some(name) = spec.start.variant.as_ref().filter(|name| place(spec, name).is_none()) {
        no_such_variant(spec, name, &at.key("start").key("variant"), findings);
    }
}

pub(super) fn no_such_variant(
    spec: &FlagSpec,
    name: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    let known = spec.variants.keys().map(String::as_str);
    let message = format!("the flag has no variant {name:?}");
    findings.error_with_hint(at, "unknown_variant", message, did_you_mean(name, known));
}

/// What each flag needs of others, in the order of the flags; nothing where that is wrong.
///
/// Places are those of the document. Where a flag is left out because it is wrong, nothing of this is used.
fn needs(document: &Document, at: &Pointer, findings: &mut Findings<'_>) -> Vec<Vec<Need>> {
    let direct: Vec<Vec<Need>> = document
        .flags
        .iter()
        .map(|(name, spec)| direct(document, spec, &at.key(name).key("requires"), findings))
        .collect();
    let name = |id: FlagId| {
        let place = usize::try_from(id.0).ok();
        place.and_then(|place| document.flags.get_index(place)).map_or("?", |(name, _)| name)
    };
    let mut needs = Vec::with_capacity(direct.len());
    for (written, closure) in document.flags.keys().zip(closures(&direct)) {
        let at = at.key(written).key("requires");
        needs.push(closure.unwrap_or_else(|error| {
            match error {
                PrerequisiteError::Cycle(way) => {
                    let way: Vec<&str> = way.into_iter().map(name).collect();
                    let message = format!("the flag needs itself: {}", way.join(" -> "));
                    findings.error(&at, "flag_cycle", message);
                }
                PrerequisiteError::TooMany => findings.error(
                    &at,
                    "too_many_prerequisites",
                    "a flag needs at most 32 others, directly and through others",
                ),
            }
            Vec::new()
        }));
    }
    needs
}

fn direct(
    document: &Document,
    spec: &FlagSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Vec<Need> {
    let mut needs = Vec::new();
    for (name, variant) in &spec.requires {
        let at = at.key(name);
        let Some((place, _, other)) = document.flags.get_full(name) else {
            no_such_flag(document, name, &at, findings);
            continue;
        };
        if other.archived && !spec.archived {
            let message = format!("flag `{name}` is archived, so this flag could never be on");
            findings.error(&at, "archived_flag", message);
        }
        match (u32::try_from(place), self::place(other, variant)) {
            (Ok(place), Some(variant)) => needs.push(Need { flag: FlagId(place), variant }),
            _ => no_such_variant(other, variant, &at, findings),
        }
    }
    needs
}

pub(super) fn no_such_flag(
    document: &Document,
    name: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) {
    if findings.lost(&Pointer::root().key("flags").key(name)) {
        return;
    }
    let known = document.flags.keys().map(String::as_str);
    let message = format!("there is no flag {name:?}");
    findings.error_with_hint(at, "unknown_flag", message, did_you_mean(name, known));
}

impl Flags {
    /// The counters of a flag, where it has the same variants still.
    fn counters(&self, name: &FlagName, variants: &[Variant]) -> Option<Arc<FlagCounters>> {
        let place = usize::try_from(self.by_name.get(name)?.0).ok()?;
        let definition = &self.definitions.get(place)?.definition;
        let names = |variants: &[Variant]| -> Vec<Box<str>> {
            variants.iter().map(|variant| variant.name.clone()).collect()
        };
        let is_same = names(&definition.variants) == names(variants);
        is_same.then(|| Arc::clone(&definition.counters))
    }

    /// The flags with these settings. Those whose setting is the same as `before`, of the same document, are shared.
    pub(super) fn set(
        &self,
        live: &BTreeMap<FlagName, Arc<FlagLive>>,
        cohorts: &[Cohort],
        before: Option<(&FlagSet, &BTreeMap<FlagName, Arc<FlagLive>>)>,
    ) -> FlagSet {
        let ids: HashMap<&CohortName, CohortId> =
            (0..).map(CohortId).zip(cohorts).map(|(id, cohort)| (&cohort.name, id)).collect();
        let flags = self.definitions.iter().enumerate().map(|(place, written)| {
            let name = &written.definition.name;
            let shared = before.and_then(|(flags, known)| {
                let is_same = match (known.get(name), live.get(name)) {
                    (Some(before), Some(after)) => Arc::ptr_eq(before, after),
                    (before, after) => before.is_none() && after.is_none(),
                };
                flags.all().get(place).filter(|_| is_same)
            });
            match shared {
                Some(flag) => Arc::clone(flag),
                None => Arc::new(written.flag(live.get(name).map(|live| &**live), &ids)),
            }
        });
        FlagSet::new(Arc::clone(&self.by_name), flags.collect())
    }
}

impl Written {
    fn flag(&self, live: Option<&FlagLive>, cohorts: &HashMap<&CohortName, CohortId>) -> Flag {
        let Self { definition, served, start } = self;
        let serve = |spec: &ServeSpec| {
            let named = spec.variant.as_deref().map(|name| definition.variant_named(name));
            Some(Serve { variant: named.unwrap_or(Some(*served))?, share: spec.share })
        };
        let default = serve(live.map_or(start, |live| &live.default));
        let of_cohort =
            |(name, spec): (&CohortName, &ServeSpec)| Some((*cohorts.get(name)?, serve(spec)?));
        let none = FlagLive::default();
        let live = live.unwrap_or(&none);
        let own = live.tenants.iter().filter_map(|(tenant, variant)| {
            Some((tenant.clone(), definition.variant_named(variant)?))
        });
        let nobody = Serve { variant: definition.off, share: rules::Share::NONE };
        let setting = FlagSetting {
            on: !live.stopped,
            default: default.unwrap_or(nobody),
            cohorts: live.cohorts.iter().filter_map(of_cohort).collect(),
            tenants: own.collect(),
        };
        Flag { definition: Arc::clone(definition), setting }
    }
}
