//! What can be asked? The tree of commands, and the arguments that several of them share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;
use rules::{CohortName, RouteName, TenantId};

use super::audit::AuditArgs;
use super::check::CheckArgs;
use super::compare::CompareArgs;
use super::completion::{self, CompletionArgs};
use super::diff_signature::DiffSignatureArgs;
use super::document::{ApplyArgs, DiffArgs, ExportArgs};
use super::events::EventsArgs;
use super::explain::ExplainArgs;
use super::flag::FlagCommand;
use super::healthcheck::HealthcheckArgs;
use super::ignore::IgnoreArgs;
use super::nodes::NodesArgs;
use super::notifications::NotificationsArgs;
use super::parity::ParityArgs;
use super::plans::{ApproveArgs, PlansArgs};
use super::revisions::{RestoreArgs, RevisionsArgs};
use super::rollout::RolloutCommand;
use super::shift::{RollbackArgs, ShadowArgs, ShiftArgs};
use super::signatures::SignaturesArgs;
use super::status::StatusArgs;
use super::store::StoreCommand;
use super::swap::SwapArgs;
use super::tenant::TenantCommand;
use super::tls::TlsArgs;
use super::token::TokenCommand;
use crate::demo::DemoArgs;
use crate::serve::ServeArgs;

const AFTER_HELP: &str = "\
A migration, from the first copy to the last request:
  turnout shadow sms 100% --why \"compare the new service\"
  turnout status sms -w
  turnout parity sms
  turnout shift sms 5% --why \"parity is fine\"
  turnout rollback sms --why \"errors rise\"
The same by a plan, which goes on while its gates pass:
  turnout rollout start sms --why \"parity is fine\"

Exit codes:
  0 done   1 failed, invalid or different   2 drift (diff --exit-code)   64 wrong usage
  65 unreadable answer (compare)   69 server not reachable   75 conflict   77 not allowed   124 time to watch is over

Environment:
  TURNOUT_SERVER  the control API's address        TURNOUT_ACTOR  who acts, instead of $USER
  TURNOUT_TOKEN   the token to come in with, or TURNOUT_TOKEN_FILE, a file that holds it
  NO_COLOR        no colour, whatever its value    RUST_LOG       what `serve` logs";

/// Moves live HTTP traffic from an old service to a new one, and back with one command.
#[derive(Debug, Parser)]
#[command(name = "turnout", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve traffic, with the control API beside it
    Serve(ServeArgs),
    /// Show a whole migration with real traffic, on this machine alone
    Demo(DemoArgs),
    /// Check a configuration file: every problem at once, with its line and what would be right
    Check(CheckArgs),
    /// Print the JSON Schema of the configuration, for editors that complete and check
    Schema,
    /// Say where a request would go and why, from a configuration file alone
    Explain(ExplainArgs),
    /// Compare two saved answers as a route would: for trying its rules before they are live
    Compare(CompareArgs),
    /// Make a configuration file the server's
    Apply(ApplyArgs),
    /// Show what applying a configuration file would change
    Diff(DiffArgs),
    /// Print the configuration as applied; with `-o json` also where traffic stands
    Export(ExportArgs),
    /// Show where traffic stands: stages, shares, the split of the last 10 seconds, errors, latency
    Status(StatusArgs),
    /// Move traffic: set the share that the candidate serves
    Shift(ShiftArgs),
    /// Copy traffic: set the share of requests that the other arm gets a copy of
    Shadow(ShadowArgs),
    /// Put everything back on stable, at once
    Rollback(RollbackArgs),
    /// Move traffic by a plan that goes on while its gates pass
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Replace or re-weight an upstream's targets
    Swap(SwapArgs),
    /// Lock a tenant, unlock it, change its attributes, or show what is known of it
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Show flags, and change who has which variant
    #[command(subcommand)]
    Flag(FlagCommand),
    /// List the revisions: who changed what, when and why; or show one
    Revisions(RevisionsArgs),
    /// Bring back an earlier revision, as a new one
    Restore(RestoreArgs),
    /// List the nodes of the fleet, and what each of them serves
    Nodes(NodesArgs),
    /// List messages about rollouts: what waits, and what was delivered or given up last
    Notifications(NotificationsArgs),
    /// Move the whole state to another store: from the file to a Redis, back, or to another file
    #[command(subcommand)]
    Store(StoreCommand),
    /// Make a token for the control API, list them, revoke one
    #[command(subcommand)]
    Token(TokenCommand),
    /// List what waits for the approval of others
    Plans(PlansArgs),
    /// Approve what somebody else wants to do
    Approve(ApproveArgs),
    /// Show what was asked for, carried out or refused; export it, and verify that nothing was changed afterwards
    Audit(AuditArgs),
    /// Show what happened, and with `-f` what happens
    Events(EventsArgs),
    /// Say how alike the arms' answers are and how sure that is; or write a report of it
    Parity(ParityArgs),
    /// Show one way in which answers differ, with a rule that would make it go away
    DiffSignature(DiffSignatureArgs),
    /// Leave a place of answers out of a route's comparison
    Ignore(IgnoreArgs),
    /// List how the arms' answers differ, the most frequent difference first
    Signatures(SignaturesArgs),
    /// Ask whether the server is ready; for containers
    Healthcheck(HealthcheckArgs),
    /// Print the completion script for a shell
    Completion(CompletionArgs),
}

/// Where the server is.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The control API's address; https:// where it speaks TLS
    #[arg(long, env = "TURNOUT_SERVER", value_name = "URL", default_value = DEFAULT_SERVER, hide_env_values = true)]
    pub(crate) server: String,
    /// A file that holds the token to come in with, where there is none in TURNOUT_TOKEN
    #[arg(long, env = "TURNOUT_TOKEN_FILE", value_name = "FILE", hide_env_values = true)]
    pub(crate) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Where the control API listens when nothing else is said.
pub(crate) const DEFAULT_SERVER: &str = "http://127.0.0.1:7081";

/// How an answer is printed.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OutputArgs {
    /// How to print: a table for people, json and yaml for scripts
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) output: Format,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Table,
    Json,
    Yaml,
}

/// What every command that changes something is told, beside what it changes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    /// Why; kept with the revision, so that others can read it later
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) why: String,
    /// Do it only on top of this revision, as `status` shows it; else end with code 75
    #[arg(long, value_name = "N", value_parser = revision)]
    pub(crate) if_revision: Option<u64>,
    /// Only say what would change, and who would notice
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Whose shift is meant; the route's default where neither is given.
#[derive(Debug, Clone, Default, Args)]
#[group(multiple = false)]
pub(crate) struct ScopeArgs {
    /// Only this tenant
    #[arg(long, value_name = "ID")]
    pub(crate) tenant: Option<TenantId>,
    /// Only the tenants of this cohort
    #[arg(long, value_name = "NAME")]
    pub(crate) cohort: Option<CohortName>,
}

/// Which route.
#[derive(Debug, Clone, Args)]
pub(crate) struct RouteArgs {
    /// The route's name
    #[arg(value_name = "ROUTE", add = ArgValueCandidates::new(completion::route_names))]
    pub(crate) route: RouteName,
}

/// Reads a reason: some words.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why in a few words".to_owned()) } else { Ok(text.to_owned()) }
}

/// Reads a revision as people write it: `42` or `r42`.
pub(crate) fn revision(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('r').unwrap_or(text);
    digits.parse().map_err(|_invalid| "write a revision's number, for example 42 or r42".to_owned())
}

/// Reads a time as people write it: `90s`, `10m`, `1h30m`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_invalid| "write a time such as 90s, 10m or 1h".to_owned())?;
    Duration::try_from(span).map_err(|_negative| "a time cannot be negative".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn visit(command: &clap::Command, path: &str, seen: &mut Vec<String>) {
        let path = format!("{path} {}", command.get_name());
        assert!(command.get_about().is_some(), "{path} says nothing about itself");
        for argument in command.get_arguments() {
            let said = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(!said.is_empty(), "{path}: {} has no help", argument.get_id());
        }
        seen.push(path.clone());
        command.get_subcommands().for_each(|inner| visit(inner, &path, seen));
    }

    #[test]
    fn every_command_and_argument_has_help() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut seen = Vec::new();
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            visit(inner, "turnout", &mut seen);
        }
        for name in ["status", "shift", "shadow", "rollback", "swap", "tenant lock", "events"] {
            assert!(seen.contains(&format!("turnout {name}")), "{name} is missing: {seen:?}");
        }
    }

    #[test]
    fn rollback_needs_a_route_and_a_reason_and_nothing_else() {
        let parsed = Cli::try_parse_from(["turnout", "rollback", "sms", "--why", "errors"]);
        assert!(matches!(parsed.unwrap().command, Command::Rollback(_)));
        for wrong in [
            &["turnout", "rollback", "sms"][..],
            &["turnout", "rollback", "sms", "--why", "  "],
            &["turnout", "rollback", "--why", "errors"],
            &["turnout", "rollback", "a b", "--why", "errors"],
            &["turnout", "rollback", "sms", "--why", "x", "--tenant", "a", "--cohort", "b"],
        ] {
            assert!(Cli::try_parse_from(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn revisions_are_written_with_and_without_their_letter() {
        assert_eq!(revision("42"), Ok(42));
        assert_eq!(revision("r42"), Ok(42));
        assert!(revision("last").is_err());
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("1h30m"), Ok(Duration::from_secs(5_400)));
        assert!(span("90").is_err() && span("-1s").is_err());
    }
}
