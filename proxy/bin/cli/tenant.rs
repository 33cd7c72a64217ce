//! What may a tenant do while its data is being moved? Locks, and what is known of a tenant.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use rules::TenantId;
use serde_json::{Value, json};

use super::args::{OutputArgs, ServerArgs, WhyArgs};
use super::ask::{Ask, encoded};
use super::change::change;
use super::client::Client;
use super::exit::{Exit, Failure};
use super::out::{self, Style, Tone};

/// What is done with a tenant.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Refuse a tenant's writes, or all of its requests, with 503 until it is unlocked
    Lock(LockArgs),
    /// Let a tenant's requests through again
    Unlock(UnlockArgs),
    /// Show a tenant's lock, cohorts, attributes and shifts
    Show(ShowArgs),
}

/// Which tenant.
#[derive(Debug, Args)]
pub(crate) struct TenantArgs {
    /// The tenant's id
    #[arg(value_name = "TENANT")]
    tenant: TenantId,
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
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Unlock a tenant.
#[derive(Debug, Args)]
pub(crate) struct UnlockArgs {
    #[command(flatten)]
    tenant: TenantArgs,
    #[command(flatten)]
    why: WhyArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    server: ServerArgs,
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
            let body = json!({"mode": args.mode.as_str(), "why": args.why.why});
            let ask = Ask::json(Method::PUT, format!("{}/lock", path(&args.tenant)), &body);
            change(&args.server, &ask.on(args.why.if_revision), args.output)
        }
        TenantCommand::Unlock(args) => {
            let why = encoded(&args.why.why);
            let ask = Ask::delete(format!("{}/lock?why={why}", path(&args.tenant)));
            change(&args.server, &ask.on(args.why.if_revision), args.output)
        }
        TenantCommand::Show(args) => {
            let answer = Client::new(&args.server)?.get(&path(&args.tenant))?;
            out::answer(args.output.output, &answer, |style| shown(&answer, style))?;
            Ok(Exit::Done)
        }
    }
}

fn path(args: &TenantArgs) -> String {
    format!("/v1/tenants/{}", encoded(args.tenant.as_str()))
}

/// A tenant as lines of a name and a value; what the server adds later is shown too.
fn shown(answer: &Value, style: Style) -> String {
    let mut lines = String::new();
    for (name, value) in answer.as_object().into_iter().flatten() {
        let words = name.replace('_', " ");
        let tone = if name == "lock" && !value.is_null() { Tone::Warn } else { Tone::Plain };
        let text = style.paint(tone, &said(value));
        lines.push_str(&format!("{}{text}\n", style.paint(Tone::Strong, &format!("{words:<12}"))));
    }
    lines
}

fn said(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => {
            let separator =
                if items.iter().any(Value::is_object) { "\n            " } else { ", " };
            items.iter().map(said).collect::<Vec<_>>().join(separator)
        }
        Value::Object(fields) if fields.is_empty() => "none".to_owned(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| format!("{name} {}", said(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_shown_field_by_field() {
        let answer = json!({
            "tenant": "acme", "lock": null, "cohorts": ["africa", "pilots"],
            "shifts": [{"route": "sms", "stage": "live"}, {"route": "fax", "stage": "off"}],
        });
        let lines = shown(&answer, Style::PLAIN);
        for line in [
            "tenant      acme\n",
            "lock        none\n",
            "cohorts     africa, pilots\n",
            "shifts      route sms, stage live\n            route fax, stage off\n",
        ] {
            assert!(lines.contains(line), "{lines}");
        }
    }
}
