//! What can be asked of flags? The commands, and what they send.

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use http::Method;
use rules::{CohortName, FlagName, Share, TenantId};
use serde_json::{Value, json};

use super::super::answer;
use super::super::args::{ChangeArgs, OutputArgs, ScopeArgs, ServerArgs};
use super::super::ask::{Ask, encoded};
use super::super::change::change;
use super::super::client::Client;
use super::super::completion;
use super::super::exit::{Exit, Failure};
use super::super::out;
use super::super::shift::add_scope;
use super::shown::{FlagAnswer, listed, shown};

/// What is done with flags.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
A flag's value is told to services over OpenFeature's remote evaluation protocol, and routes can ask for it.
A tenant's own variant stands before its cohort's, a cohort's before everybody's.

  turnout flag target reporting --tenant acme --why \"acme tries it\"
  turnout flag ramp reporting 25% --why \"acme is fine\"
  turnout flag off reporting --why \"it breaks exports\"")]
pub(crate) enum FlagCommand {
    /// List the flags: who has what, how often they were asked for, and which can be removed
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

/// What makes a flag safe to remove.
#[derive(Debug, Args)]
pub(crate) struct RemovalArgs {
    /// For how many days everybody must have had the same of a flag that is safe to remove
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u16,
}

/// List flags.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    removal: RemovalArgs,
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
    removal: RemovalArgs,
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
    change: ChangeArgs,
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
    change: ChangeArgs,
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
    change: ChangeArgs,
}

/// Turn a flag on or off.
#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    #[command(flatten)]
    flag: FlagArgs,
    #[command(flatten)]
    change: ChangeArgs,
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
            let path = format!("/v1/flags?days={}", args.removal.days);
            let answer = Client::new(&args.server)?.get(&path)?;
            let flags: Vec<FlagAnswer> = answer::read(&answer)?;
            out::answer(args.output.output, &answer, |style| listed(&flags, style))?;
            Ok(Exit::Done)
        }
        FlagCommand::Show(args) => show(args),
        FlagCommand::Set(args) => {
            let of = ScopeArgs { tenant: None, cohort: args.cohort.clone() };
            let body = json!({"share": "100%", "variant": args.variant});
            serve(&args.flag, body, &of, &args.change)
        }
        FlagCommand::Target(args) => {
            let of = ScopeArgs { tenant: Some(args.tenant.clone()), cohort: None };
            let body = match args.variant.as_deref() {
                Some("inherit") => json!({"share": null}),
                variant => json!({"share": "100%", "variant": variant}),
            };
            serve(&args.flag, body, &of, &args.change)
        }
        FlagCommand::Ramp(args) => {
            let of = ScopeArgs { tenant: None, cohort: args.cohort.clone() };
            let share = args.share.0.map(|share| share.to_string());
            let body = json!({"share": share, "variant": args.variant});
            serve(&args.flag, body, &of, &args.change)
        }
        FlagCommand::On(args) => switch(args, "on"),
        FlagCommand::Off(args) => switch(args, "off"),
    }
}

fn serve(
    flag: &FlagArgs,
    mut body: Value,
    scope: &ScopeArgs,
    told: &ChangeArgs,
) -> Result<Exit, Failure> {
    if let Some(fields) = body.as_object_mut() {
        fields.insert("why".to_owned(), told.why.as_str().into());
    }
    add_scope(&mut body, scope);
    let ask = Ask::json(Method::POST, format!("/v1/flags/{}/serve", flag.flag), &body);
    change(told, ask)
}

fn switch(args: &SwitchArgs, to: &str) -> Result<Exit, Failure> {
    let body = json!({"why": args.change.why});
    let ask = Ask::json(Method::POST, format!("/v1/flags/{}/{to}", args.flag.flag), &body);
    change(&args.change, ask)
}

fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let of = args.tenant.as_ref().map(|tenant| format!("&tenant={}", encoded(tenant.as_str())));
    let (flag, days) = (&args.flag.flag, args.removal.days);
    let path = format!("/v1/flags/{flag}?days={days}{}", of.unwrap_or_default());
    let answer = Client::new(&args.server)?.get(&path)?;
    let flag: FlagAnswer = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| shown(&flag, style))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_or_the_word_inherit() {
        assert_eq!(ramped("inherit"), Ok(Ramp(None)));
        assert_eq!(ramped("25%"), Ok(Ramp(Some("25%".parse().unwrap()))));
        assert!(ramped("25").unwrap_err().contains("`inherit`"));
    }
}
