//! How does a flag look? In a line of a list, and with everything that is known of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::out::{Style, Tone, cell, rendered};

/// One flag.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FlagAnswer {
    pub(crate) name: String,
    kind: String,
    description: Option<String>,
    on: bool,
    archived: bool,
    off: String,
    variants: Vec<VariantAnswer>,
    requires: BTreeMap<String, String>,
    default: ServeAnswer,
    cohorts: Vec<ServeAnswer>,
    tenants: TenantVariants,
    steady: Option<SteadyAnswer>,
    safe_to_remove: bool,
    named_at: Vec<String>,
    evaluation: Option<EvaluationAnswer>,
}

/// A variant and its use.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VariantAnswer {
    name: String,
    value: Value,
    evaluations: u64,
    last_evaluated: Option<String>,
}

/// Which variant a share of tenants has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ServeAnswer {
    name: String,
    variant: String,
    share: String,
}

/// The tenants that have a variant of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TenantVariants {
    count: u64,
    first: Vec<TenantVariant>,
}

/// What a tenant has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TenantVariant {
    tenant: String,
    variant: String,
}

/// That everybody has the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SteadyAnswer {
    variant: Option<String>,
    since: String,
}

/// What the tenant that was asked for has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EvaluationAnswer {
    tenant: Option<String>,
    variant: String,
    reason: String,
    because: String,
}

impl ServeAnswer {
    /// `nobody`, `red 25%` or `red`.
    fn in_words(&self) -> String {
        match &*self.share {
            "0%" => "nobody".to_owned(),
            "100%" => self.variant.clone(),
            share => format!("{} {share}", self.variant),
        }
    }
}

impl FlagAnswer {
    /// Who has it, in few words.
    pub(crate) fn state(&self) -> String {
        match (self.archived, self.on) {
            (true, _) => "archived".to_owned(),
            (false, false) => "off".to_owned(),
            (false, true) => self.default.in_words(),
        }
    }

    fn tone(&self) -> Tone {
        match (self.archived, self.on, &*self.default.share) {
            (true, ..) => Tone::Faint,
            (false, false, _) => Tone::Warn,
            (false, true, "100%") => Tone::Good,
            (false, true, _) => Tone::Plain,
        }
    }

    /// Cohorts and tenants that have something else.
    fn apart(&self) -> String {
        let mut parts: Vec<String> =
            self.cohorts.iter().map(|of| format!("{} {}", of.name, of.in_words())).collect();
        if self.tenants.count > 0 {
            let plural = if self.tenants.count == 1 { "" } else { "s" };
            parts.push(format!("{} tenant{plural}", self.tenants.count));
        }
        parts.join(", ")
    }

    /// Whether it can be removed, in few words.
    fn removal(&self) -> String {
        match (self.safe_to_remove, self.named_at.len()) {
            (false, _) => String::new(),
            (true, 0) => "safe".to_owned(),
            (true, 1) => "safe, named once".to_owned(),
            (true, named) => format!("safe, named {named} times"),
        }
    }
}

/// All flags in a table.
pub(super) fn listed(flags: &[FlagAnswer], style: Style) -> String {
    if flags.is_empty() {
        return "there are no flags: declare them under `flags:`\n".to_owned();
    }
    let mut table = style.table(&["FLAG", "KIND", "EVERYBODY", "APART", "ASKED FOR", "REMOVAL"]);
    for flag in flags {
        let asked: u64 = flag.variants.iter().map(|variant| variant.evaluations).sum();
        table.add_row([
            cell(Tone::Plain, &flag.name),
            cell(Tone::Plain, &flag.kind),
            cell(flag.tone(), flag.state()),
            cell(Tone::Plain, flag.apart()),
            cell(Tone::Plain, asked.to_string()),
            cell(Tone::Good, flag.removal()),
        ]);
    }
    rendered(&table)
}

/// One flag with who has what.
pub(super) fn shown(flag: &FlagAnswer, style: Style) -> String {
    let state = style.paint(flag.tone(), &flag.state());
    let mut text = format!("{}  {}, {state}\n", style.paint(Tone::Strong, &flag.name), flag.kind);
    let mut line = |said: String| text.extend([&*said, "\n"]);
    if let Some(description) = &flag.description {
        line(description.clone());
    }
    for (name, variant) in &flag.requires {
        line(format!("needs flag {name} to give {variant}"));
    }
    for of in &flag.cohorts {
        line(format!("cohort {}: {}", of.name, of.in_words()));
    }
    for of in &flag.tenants.first {
        line(format!("tenant {}: {}", of.tenant, of.variant));
    }
    let named = u64::try_from(flag.tenants.first.len()).unwrap_or(u64::MAX);
    if let Some(more) = flag.tenants.count.checked_sub(named).filter(|more| *more > 0) {
        line(format!("and {more} more tenants"));
    }
    if let Some(steady) = &flag.steady {
        let (variant, since) = (steady.variant.as_deref().unwrap_or("no value"), &steady.since);
        let safe = if flag.safe_to_remove { ": safe to remove" } else { "" };
        line(format!("everybody has had {variant} since {since}{safe}"));
    }
    for place in &flag.named_at {
        line(format!("named at {place}: to be taken out there before it is removed"));
    }
    if let Some(found) = &flag.evaluation {
        let tenant = found.tenant.as_deref().unwrap_or("nobody");
        let (variant, reason, because) = (&found.variant, &found.reason, &found.because);
        line(format!("tenant {tenant} has {variant}: {reason}, {because}"));
    }
    let mut table = style.table(&["VARIANT", "VALUE", "ASKED FOR", "LAST"]);
    for variant in &flag.variants {
        let off = if variant.name == flag.off { " (off)" } else { "" };
        table.add_row([
            cell(Tone::Plain, format!("{}{off}", variant.name)),
            cell(Tone::Plain, variant.value.to_string()),
            cell(Tone::Plain, variant.evaluations.to_string()),
            cell(Tone::Plain, variant.last_evaluated.as_deref().unwrap_or("never")),
        ]);
    }
    format!("{text}\n{}", rendered(&table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::answer;
    use serde_json::json;

    #[test]
    fn a_flag_is_shown_with_who_has_what() {
        let flag: FlagAnswer = answer::read(&json!({
            "name": "colour", "kind": "string", "description": "The page's colour", "on": true, "archived": false,
            "off": "grey", "requires": {"base": "on"}, "default": {"variant": "red", "share": "25%"},
            "variants": [
                {"name": "red", "value": "#f00", "evaluations": 3, "last_evaluated": "2026-11-24T12:00:00Z"},
                {"name": "grey", "value": "#888", "evaluations": 0},
            ],
            "cohorts": [{"name": "africa", "variant": "red", "share": "100%"}],
            "tenants": {"count": 2, "first": [{"tenant": "acme", "variant": "grey"}]},
            "steady": {"variant": "red", "since": "2026-11-01T12:00:00Z"}, "safe_to_remove": true,
            "named_at": ["/routes/sms/requires_flag"],
            "evaluation": {"tenant": "acme", "variant": "grey", "reason": "TARGETING_MATCH", "because": "tenant"},
        }))
        .unwrap();
        let expected = "\
colour  string, red 25%
The page's colour
needs flag base to give on
cohort africa: red
tenant acme: grey
and 1 more tenants
everybody has had red since 2026-11-01T12:00:00Z: safe to remove
named at /routes/sms/requires_flag: to be taken out there before it is removed
tenant acme has grey: TARGETING_MATCH, tenant

VARIANT     VALUE   ASKED FOR  LAST
red         \"#f00\"  3          2026-11-24T12:00:00Z
grey (off)  \"#888\"  0          never
";
        assert_eq!(shown(&flag, Style::PLAIN), expected);
        let list = listed(&[flag], Style::PLAIN);
        assert!(
            list.contains(
                "colour  string  red 25%    africa red, 2 tenants  3          safe, named once"
            ),
            "{list}"
        );
    }
}
