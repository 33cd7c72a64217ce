//! Who does what is asked? Parses the command line, hands over, and turns failures into exit codes.

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::args::{Cli, Command};
use super::exit::{Exit, Failure};
use super::{
    audit, check, compare, completion, diff_signature, document, events, explain, flag,
    healthcheck, ignore, nodes, notifications, out, parity, plans, revisions, rollout, shift,
    signatures, status, store, swap, tenant, token,
};
use crate::{demo, serve};

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    match completion::answer_the_shell() {
        Ok(true) => return Exit::Done.into(),
        Ok(false) => {}
        Err(error) => return refused(&error).into(),
    }
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return refused(&error).into(),
    };
    match dispatch(&command) {
        Ok(code) => code,
        Err(failure) => {
            if failure.is_worth_saying() {
                out::failure(&failure);
            }
            failure.exit().into()
        }
    }
}

fn dispatch(command: &Command) -> Result<ExitCode, Failure> {
    let exit = match command {
        Command::Serve(args) => return serve::run(args).map_err(Failure::from),
        Command::Demo(args) => return demo::run(args).map_err(Failure::from),
        Command::Check(args) => check::run(args),
        Command::Schema => check::schema(),
        Command::Explain(args) => explain::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Apply(args) => document::apply(args),
        Command::Diff(args) => document::diff(args),
        Command::Export(args) => document::export(args),
        Command::Status(args) => status::run(args),
        Command::Shift(args) => shift::shift(args),
        Command::Shadow(args) => shift::shadow(args),
        Command::Rollback(args) => shift::rollback(args),
        Command::Rollout(command) => rollout::run(command),
        Command::Swap(args) => swap::run(args),
        Command::Tenant(command) => tenant::run(command),
        Command::Flag(command) => flag::run(command),
        Command::Revisions(args) => revisions::list(args),
        Command::Restore(args) => revisions::restore(args),
        Command::Nodes(args) => nodes::run(args),
        Command::Notifications(args) => notifications::run(args),
        Command::Store(command) => store::run(command),
        Command::Token(command) => token::run(command),
        Command::Plans(args) => plans::list(args),
        Command::Approve(args) => plans::approve(args),
        Command::Audit(args) => audit::run(args),
        Command::Events(args) => events::run(args),
        Command::Parity(args) => parity::run(args),
        Command::DiffSignature(args) => diff_signature::run(args),
        Command::Ignore(args) => ignore::run(args),
        Command::Signatures(args) => signatures::run(args),
        Command::Healthcheck(args) => healthcheck::run(args),
        Command::Completion(args) => completion::run(args),
    };
    exit.map(ExitCode::from)
}

/// Shows help or version where they were asked for, else what is wrong with the command line.
fn refused(error: &clap::Error) -> Exit {
    // Nobody is left to be told when this cannot be written.
    let _written = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => {
            if lacks_why(error) {
                out::note(
                    "\n  --why is kept with the revision, so that others can read why traffic moved: --why \"errors rise\"",
                );
            }
            Exit::Usage
        }
    }
}

fn lacks_why(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::MissingRequiredArgument
        && matches!(
            error.get(ContextKind::InvalidArg),
            Some(ContextValue::Strings(missing)) if missing.iter().any(|name| name.starts_with("--why"))
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_reason_is_noticed() {
        let without = Cli::try_parse_from(["turnout", "shift", "sms", "5%"]).unwrap_err();
        assert!(lacks_why(&without));
        let other = Cli::try_parse_from(["turnout", "shift", "--why", "x"]).unwrap_err();
        assert!(!lacks_why(&other));
    }
}
