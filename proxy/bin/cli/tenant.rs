//! What may a tenant do while its data is being moved, and what is known of it?

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use rules::TenantId;
use serde_json::json;

use super::answer::{self, TenantAnswer};
use super::args::{ChangeArgs, OutputArgs, ServerArgs};
use super::ask::{Ask, encoded};
use super::attributes::{self, ImportArgs, SetArgs};
use super::change::change;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone, cell, rendered};
use super::status::stage_tone;

/// What is done with a tenant.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Refuse a tenant's writes, or all of its requests, with 503 until it is unlocked
    Lock(LockArgs),
    /// Let a tenant's requests through again
    Unlock(UnlockArgs),
    /// Set attributes of a tenant, and with them the cohorts that it belongs to
    Set(SetArgs),
    /// Take attributes of many tenants from a file, as one revision or not at all
    Import(ImportArgs),
    /// Show a tenant's lock, its attributes and cohorts, and where its traffic stands on each route
    Show(ShowArgs),
}

/// Which tenant.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    pub(super) tenant: TenantId,
}

/// Lock a tenant.
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    /// What is refused
    #[arg(value_name = "MODE", value_enum)]
    mode: Mode,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Unlock a tenant.
#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Show a tenant.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// What a lock refuses.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Only requests that may change something; reading goes on
    #[value(alias = "read_only")]
    ReadOnly,
    /// Everything
    Blocked,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Blocked => "blocked",
        }
    }
}

/// Does what is asked with a tenant.
pub(crate) fn run(command: &TenantCommand) -> Result<Exit, Failure> {
    match command {
        TenantCommand::Lock(args) => {
            let body = json!({"mode": args.mode.as_str(), "why": args.change.why});
            let ask = Ask::json(Method::PUT, format!("{}/lock", path(&args.tenant)), &body);
            change(&args.change, ask)
        }
        TenantCommand::Unlock(args) => {
            let why = encoded(&args.change.why);
            let ask = Ask::delete(format!("{}/lock?why={why}", path(&args.tenant)));
            change(&args.change, ask)
        }
        TenantCommand::Set(args) => attributes::set(args),
        TenantCommand::Import(args) => attributes::import(args),
        TenantCommand::Show(args) => {
            let answer = Client::new(&args.server)?.get(&path(&args.tenant))?;
            let tenant = answer::read(&answer)?;
            out::answer(args.output.output, &answer, |style| shown(&tenant, style))?;
            Ok(Exit::Done)
        }
    }
}

pub(super) fn path(args: &TenantArgs) -> String {
    format!("/v1/tenants/{}", encoded(args.tenant.as_str()))
}

fn shown(tenant: &TenantAnswer, style: Style) -> String {
    let named =
        if tenant.named { "named in the configuration" } else { "not named in the configuration" };
    let lock = tenant.lock.as_deref().map_or_else(
        || "not locked".to_owned(),
        |mode| style.paint(Tone::Warn, &format!("locked: {}", mode.replace('_', "-"))),
    );
    let cohorts = match &*tenant.cohorts {
        [] => "of no cohort".to_owned(),
        cohorts => format!("of {}", cohorts.join(", ")),
    };
    let mut head =
        format!("{}  {named}, {cohorts}, {lock}\n", style.paint(Tone::Strong, &tenant.tenant));
    if !tenant.attributes.is_empty() {
        let attributes = tenant.attributes.iter().map(|(name, value)| format!("{name}={value}"));
        head += &format!("{}\n", attributes.collect::<Vec<_>>().join(" "));
    }
    if tenant.routes.is_empty() {
        return head;
    }
    let mut table = style.table(&["ROUTE", "TRAFFIC", "WHOSE SHIFT"]);
    for route in &tenant.routes {
        let whose = match (&*route.by, &route.cohort) {
            ("tenant", _) => "its own".to_owned(),
            ("cohort", Some(cohort)) => format!("cohort {cohort}"),
            (by, _) => format!("the {by}'s"),
        };
        table.add_row([
            cell(Tone::Plain, &route.route),
            cell(stage_tone(&route.shift.stage), route.shift.in_one_line()),
            cell(Tone::Plain, whose),
        ]);
    }
    format!("{head}\n{}", rendered(&table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_shown_with_whose_shift_applies() {
        let tenant = answer::read(&json!({
            "tenant": "acme", "named": true, "lock": "read_only",
            "attributes": {"residency": "AF", "plan": "gold"}, "cohorts": ["africa", "pilots"],
            "routes": [
                {"route": "sms", "by": "tenant", "stage": "live", "share": "100%", "shadow": "0%", "reverse_shadow": "0%"},
                {"route": "fax", "by": "cohort", "cohort": "africa", "stage": "canary", "share": "5%", "shadow": "100%"},
                {"route": "mail", "by": "route", "stage": "off", "share": "0%", "shadow": "0%"},
            ],
        }));
        let expected = "\
acme  named in the configuration, of africa, pilots, locked: read-only
plan=gold residency=AF

ROUTE  TRAFFIC                 WHOSE SHIFT
sms    live                    its own
fax    canary 5%, shadow 100%  cohort africa
mail   off                     the route's
";
        assert_eq!(shown(&tenant.unwrap(), Style::PLAIN), expected);
    }
}
