//! Who may come in? Tokens for the control API: made here, so that the server only ever sees their hashes.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use control::access::token;
use http::Method;
use jiff::Timestamp;
use rules::{RouteName, TenantId, TokenName};
use serde_json::json;

use super::answer::{self, TokenAnswer};
use super::args::{ChangeArgs, Format, OutputArgs, ServerArgs, span};
use super::ask::{Ask, encoded};
use super::change::change;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, rendered};
use super::revisions::time;

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token; it is shown once
    Create(CreateArgs),
    /// List the tokens, without their secrets
    List(ListArgs),
    /// Revoke a token, at once
    Revoke(RevokeArgs),
    /// Make a token without a server, and the hash of it that the configuration takes
    Hash,
}

/// Make a token.
#[derive(Debug, Args)]
#[command(after_help = "\
For whoever is on call, and good for nothing else:
  turnout token create on-call --scope rollback --expires-in 720h --why \"the night shift\"")]
pub(crate) struct CreateArgs {
    /// Its name, by which its holder is known
    #[arg(value_name = "NAME")]
    name: TokenName,
    /// What it is good for; may be given more than once
    #[arg(long = "scope", value_enum, value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// Only this route, for what changes something; may be given more than once
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<RouteName>,
    /// Only this tenant, for what changes something; may be given more than once
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<TenantId>,
    /// For how long, such as 720h; for good where it is left out
    #[arg(long, value_name = "TIME", value_parser = span)]
    expires_in: Option<Duration>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// List the tokens.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Revoke a token.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: TokenName,
    #[command(flatten)]
    change: ChangeArgs,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// To look at everything
    Read,
    /// To see samples of differences, with the values of answers in them; each look is in the audit
    Samples,
    /// To move and copy traffic, and to lock tenants
    Shift,
    /// To put traffic back on stable, and nothing else
    Rollback,
    /// To approve what others want to do
    Approve,
    /// To apply configurations, replace targets and restore revisions
    Apply,
    /// Everything, tokens included
    Admin,
}

/// Does what is asked.
pub(crate) fn run(command: &TokenCommand) -> Result<Exit, Failure> {
    match command {
        TokenCommand::Create(args) => create(args),
        TokenCommand::List(args) => list(args),
        TokenCommand::Revoke(args) => revoke(args),
        TokenCommand::Hash => hash(),
    }
}

fn generated() -> Result<(String, String), Failure> {
    token::generate().map_err(|error| Failure::of("cannot make a token", error))
}

fn create(args: &CreateArgs) -> Result<Exit, Failure> {
    let (token, hash) = generated()?;
    let expires = args.expires_in.map(|span| Timestamp::now().checked_add(span)).transpose();
    let expires = expires.map_err(|error| Failure::Usage(error.to_string()))?;
    let scopes = args.scopes.iter().filter_map(ValueEnum::to_possible_value);
    let body = json!({
        "hash": hash,
        "scopes": scopes.map(|scope| scope.get_name().to_owned()).collect::<Vec<_>>(),
        "routes": names(args.routes.iter().map(RouteName::as_str)),
        "tenants": names(args.tenants.iter().map(TenantId::as_str)),
        "expires": expires.map(|at| at.to_string()),
        "why": args.change.why,
    });
    let path = format!("/v1/tokens/{}", encoded(args.name.as_str()));
    let ask = Ask::json(Method::PUT, path, &body);
    let ChangeArgs { dry_run, output, server, .. } = &args.change;
    if *dry_run {
        return change(&args.change, ask);
    }
    if output.output != Format::Table {
        let mut answer = Client::new(server)?.send(&ask.told_by(&args.change))?;
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("token".to_owned(), token.into());
        }
        out::answer(output.output, &answer, |_| String::new())?;
        return Ok(Exit::Done);
    }
    change(&args.change, ask)?;
    out::note("this is the only time that the token is shown:");
    out::line(&token)?;
    Ok(Exit::Done)
}

/// The names that something is limited to, if it is.
fn names<'n>(names: impl Iterator<Item = &'n str>) -> Option<Vec<&'n str>> {
    let names: Vec<_> = names.collect();
    (!names.is_empty()).then_some(names)
}

fn list(args: &ListArgs) -> Result<Exit, Failure> {
    let answer = Client::new(&args.server)?.get("/v1/tokens")?;
    let tokens: Vec<TokenAnswer> = answer::read(&answer)?;
    out::answer(args.output.output, &answer, |style| table(&tokens, style))?;
    Ok(Exit::Done)
}

fn table(tokens: &[TokenAnswer], style: Style) -> String {
    let mut table = style.table(&["TOKEN", "GOOD FOR", "ONLY", "UNTIL", "FROM"]);
    for token in tokens {
        let limits = [&token.routes, &token.tenants].map(|limit| limit.iter().flatten());
        let limits: Vec<_> = limits.into_iter().flatten().map(String::as_str).collect();
        let until = if token.expired { "over" } else { &*time(&token.expires) };
        table.add_row([
            cell(Tone::Plain, &token.name),
            cell(Tone::Plain, token.scopes.join(", ")),
            cell(Tone::Plain, limits.join(", ")),
            cell(if token.expired { Tone::Warn } else { Tone::Plain }, until),
            cell(Tone::Faint, &token.from),
        ]);
    }
    rendered(&table)
}

fn revoke(args: &RevokeArgs) -> Result<Exit, Failure> {
    let (name, why) = (encoded(args.name.as_str()), encoded(&args.change.why));
    let ask = Ask::delete(format!("/v1/tokens/{name}?why={why}"));
    change(&args.change, ask)
}

fn hash() -> Result<Exit, Failure> {
    let (token, hash) = generated()?;
    out::note(
        "the token, which is shown only now, and its hash for `control: {tokens: {NAME: {hash: ...}}}`:",
    );
    out::line(&token)?;
    out::line(&hash)?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_those_of_the_server() {
        let here: Vec<String> = Scope::value_variants()
            .iter()
            .filter_map(|scope| Some(scope.to_possible_value()?.get_name().to_owned()))
            .collect();
        assert_eq!(here, config::AccessScope::ALL.map(config::AccessScope::as_str));
    }

    #[test]
    fn tokens_are_listed_with_their_limits() {
        let answer = json!([
            {"name": "ops", "scopes": ["admin"], "from": "configuration", "expired": false, "expires": null},
            {"name": "ann", "scopes": ["read", "shift"], "routes": ["sms"], "tenants": ["acme"], "from": "command",
             "expires": "2027-01-01T00:00:00Z", "expired": true},
        ]);
        let tokens: Vec<TokenAnswer> = answer::read(&answer).unwrap();
        let expected = "\
TOKEN  GOOD FOR     ONLY       UNTIL  FROM
ops    admin                          configuration
ann    read, shift  sms, acme  over   command
";
        assert_eq!(table(&tokens, Style::PLAIN), expected);
    }
}
