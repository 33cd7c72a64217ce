//! Who has which variant of a flag? `turnout flag` shows and changes it.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use rules::{CohortName, FlagName, Share, TenantId};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer;
use super::args::{OutputArgs, ScopeArgs, ServerArgs, WhyArgs};
use super::ask::{Ask, encoded};
use super::change::change;
use super::client::Client;
use super::completion;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, rendered};
use super::shift::add_scope;

/// What is done with flags.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A flag's value is told to services over OpenFeature's remote evaluation protocol, and routes can ask for it.
A tenant's own variant stands before its cohort's, a cohort's before everybody's.

  turnout flag target reporting --tenant acme --why \"acme tries it\"
  turnout flag ramp reporting 25% --why \"acme is fine\"
  turnout flag off reporting --why \"it breaks exports\"")]
pub(crate) enum FlagCommand {
    /// List the flags: who has what, and how often they were asked for
    List(ListArgs),
    /// Show a flag; with --tenant also what that tenant has, and why
    Show(ShowArgs),
    /// Give everybody, or a cohort, a variant
    Set(SetArgs),
    /// Give one tenant a variant of its own, or end that
    Target(TargetArgs),
    /// Give a share of tenants a variant; raising a share only adds tenants
    Ramp(RampArgs),
    /// Turn a flag on again, as it was set before
    On(SwitchArgs),
    /// Turn a flag off: everybody has its off variant at once, and what is set stays
    Off(SwitchArgs),
}

/// Which flag.
#[derive(Debug, Args)]
pub(crate) struct FlagArgs {
    /// The flag's name
    #[arg(value_name = "FLAG", add = ArgValueCandidates::new(completion::flag_names))]
    flag: FlagName,
}

/// List flags.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Show a flag.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    flag: FlagArgs,
    /// Tell what this tenant has, too
    #[arg(long, value_name = "ID")]
    tenant: Option<TenantId>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Give everybody a variant.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    #[command(flatten)]
    flag: FlagArgs,
    /// The variant
    #[arg(value_name = "VARIANT")]
    variant: String,
    /// Only the tenants of this cohort
    #[arg(long, value_name = "NAME")]
    cohort: Option<CohortName>,
    #[command(flatten)]
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Give one tenant a variant.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    #[command(flatten)]
    flag: FlagArgs,
    /// The variant; `inherit` ends what the tenant had of its own. The one that is served already where none is named
    #[arg(value_name = "VARIANT")]
    variant: Option<String>,
    /// The tenant
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    #[command(flatten)]
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Give a share of tenants a variant.
#[derive(Debug, Args)]
pub(crate) struct RampArgs {
    #[command(flatten)]
    flag: FlagArgs,
    /// The share of tenants, such as 25%; `inherit` ends what --cohort had
    #[arg(value_name = "SHARE", value_parser = ramped)]
    share: Ramp,
    /// The variant; the one that is served already where none is named
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Only the tenants of this cohort
    #[arg(long, value_name = "NAME")]
    cohort: Option<CohortName>,
    #[command(flatten)]
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Turn a flag on or off.
#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    flag: FlagArgs,
    #[command(flatten)]
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// The share that is asked for; none ends what a cohort had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ramp(Option<Share>);

fn ramped(text: &str) -> Result<Ramp, String> {
    match text {
        "inherit" => Ok(Ramp(None)),
        _ => text
            .parse()
            .map(|share| Ramp(Some(share)))
            .map_err(|error| format!("{error}; or the word `inherit`")),
    }
}

/// Does what is asked with flags.
pub(crate) fn run(command: &FlagCommand) -> Result<Exit, Failure> {
    match command {
        FlagCommand::List(args) => {
            let answer = Client::new(&args.server)?.get("/v1/flags")?;
            let flags: Vec<FlagAnswer> = answer::read(&answer)?;
            out::answer(args.output.output, &answer, |style| listed(&flags, style))?;
            Ok(Exit::Done)
        }
        FlagCommand::Show(args) => show(args),
        FlagCommand::Set(args) => {
            let of = ScopeArgs { tenant: None, cohort: args.cohort.clone() };
            let body = json!({"share": "100%", "variant": args.variant});
            serve(&args.flag, body, &of, &args.why, args.output, &args.server)
        }
        FlagCommand::Target(args) => {
            let of = ScopeArgs { tenant: Some(args.tenant.clone()), cohort: None };
            let body = match args.variant.as_deref() {
                Some("inherit") => json!({"share": null}),
                variant => json!({"share": "100%", "variant": variant}),
            };
            serve(&args.flag, body, &of, &args.why, args.output, &args.server)
        }
        FlagCommand::Ramp(args) => {
            let of = ScopeArgs { tenant: None, cohort: args.cohort.clone() };
            let share = args.share.0.map(|share| share.to_string());
            let body = json!({"share": share, "variant": args.variant});
            serve(&args.flag, body, &of, &args.why, args.output, &args.server)
        }
        FlagCommand::On(args) => switch(args, "on"),
        FlagCommand::Off(args) => switch(args, "off"),
    }
}

fn serve(
    flag: &FlagArgs,
    mut body: Value,
    scope: &ScopeArgs,
    why: &WhyArgs,
    output: OutputArgs,
    server: &ServerArgs,
) -> Result<Exit, Failure> {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("why".to_owned(), why.why.as_str().into());
    }
    add_scope(&mut body, scope);
    let ask = Ask::json(Method::POST, format!("/v1/flags/{}/serve", flag.flag), &body);
    change(server, &ask.on(why.if_revision), output)
}

fn switch(args: &SwitchArgs, to: &str) -> Result<Exit, Failure> {
    let body = json!({"why": args.why.why});
    let ask = Ask::json(Method::POST, format!("/v1/flags/{}/{to}", args.flag.flag), &body);
    change(&args.server, &ask.on(args.why.if_revision), args.output)
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let of = args.tenant.as_ref().map(|tenant| format!("?tenant={}", encoded(tenant.as_str())));
    let path = format!("/v1/flags/{}{}", args.flag.flag, of.unwrap_or_default());
    let answer = Client::new(&args.server)?.get(&path)?;
    let flag: FlagAnswer = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| shown(&flag, style))?;
    Ok(Exit::Done)
}

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
    requires: std::collections::BTreeMap<String, String>,
    default: ServeAnswer,
    cohorts: Vec<ServeAnswer>,
    tenants: TenantVariants,
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
}

fn listed(flags: &[FlagAnswer], style: Style) -> String {
    if flags.is_empty() {
        return "there are no flags: declare them under `flags:`\n".to_owned();
    }
    let mut table = style.table(&["FLAG", "KIND", "EVERYBODY", "APART", "ASKED FOR"]);
    for flag in flags {
        let asked: u64 = flag.variants.iter().map(|variant| variant.evaluations).sum();
        table.add_row([
            cell(Tone::Plain, &flag.name),
            cell(Tone::Plain, &flag.kind),
            cell(flag.tone(), flag.state()),
            cell(Tone::Plain, flag.apart()),
            cell(Tone::Plain, asked.to_string()),
        ]);
    }
    rendered(&table)
}

fn shown(flag: &FlagAnswer, style: Style) -> String {
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
tenant acme has grey: TARGETING_MATCH, tenant

VARIANT     VALUE   ASKED FOR  LAST
red         \"#f00\"  3          2026-11-24T12:00:00Z
grey (off)  \"#888\"  0          never
";
        assert_eq!(shown(&flag, Style::PLAIN), expected);
        let list = listed(&[flag], Style::PLAIN);
        assert!(list.contains("colour  string  red 25%    africa red, 2 tenants  3"), "{list}");
    }

    #[test]
    fn shares_are_percentages_or_the_word_inherit() {
        assert_eq!(ramped("inherit"), Ok(Ramp(None)));
        assert_eq!(ramped("25%"), Ok(Ramp(Some("25%".parse().unwrap()))));
        assert!(ramped("25").unwrap_err().contains("`inherit`"));
    }
}
