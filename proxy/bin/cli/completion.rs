//! How does a shell complete commands, options and the names of routes?

use std::time::Duration;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, CompletionCandidate};
use serde_json::Value;

use super::answer::{self, RouteAnswer};
use super::args::{Cli, DEFAULT_SERVER, ServerArgs};
use super::client::Client;
use super::exit::{Exit, Failure};
use super::flag::FlagAnswer;
use super::out;
use super::tls::TlsArgs;

/// The variable by which the script asks this program what could come next.
const VARIABLE: &str = "TURNOUT_COMPLETE";

/// Print the completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
It asks the server for the names of routes, so TURNOUT_SERVER must be set where that is not the default.

  bash        source <(turnout completion bash)         in ~/.bashrc
  zsh         source <(turnout completion zsh)          in ~/.zshrc
  fish        turnout completion fish | source          in ~/.config/fish/config.fish
  powershell  turnout completion powershell | Out-String | Invoke-Expression")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

/// The shells that there is a script for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Prints the script.
pub(crate) fn run(args: &CompletionArgs) -> Result<Exit, Failure> {
    out::text(&script(args.shell)?)?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> Result<String, Failure> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(shell.as_str())
        .ok_or_else(|| Failure::Failed(format!("there is no script for {}", shell.as_str())))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "turnout", "turnout", "turnout", &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Tells a shell's script what could come next, where it asks that. Says whether it did.
///
/// # Errors
/// When what the shell asks cannot be understood.
pub(crate) fn answer_the_shell() -> clap::error::Result<bool> {
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), folder.as_deref())
}

/// The names of the server's flags; none where it cannot be asked.
pub(crate) fn flag_names() -> Vec<CompletionCandidate> {
    let flags =
        from_server("/v1/flags").and_then(|answer| answer::read::<Vec<FlagAnswer>>(&answer));
    let candidate =
        |flag: FlagAnswer| CompletionCandidate::new(&flag.name).help(Some(flag.state().into()));
    flags.unwrap_or_default().into_iter().map(candidate).collect()
}

fn from_server(path: &str) -> Result<Value, Failure> {
    let server = std::env::var("TURNOUT_SERVER").unwrap_or_else(|_| DEFAULT_SERVER.to_owned());
    let token_file = std::env::var_os("TURNOUT_TOKEN_FILE").map(Into::into);
    Client::new(&ServerArgs { server, token_file, tls: TlsArgs::from_env() })?
        .with_patience(Duration::from_millis(500))
        .get(path)
}

/// The names of the server's routes; none where it cannot be asked, for completing must not get in the way.
pub(crate) fn route_names() -> Vec<CompletionCandidate> {
    let routes = from_server("/v1/routes").and_then(|answer| {
        answer::read::<Vec<RouteAnswer>>(answer.get("routes").unwrap_or(&answer))
    });
    let candidate = |route: RouteAnswer| {
        let shift = route.shift.in_one_line();
        CompletionCandidate::new(route.name).help(Some(shift.into()))
    };
    routes.unwrap_or_default().into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_completed() {
        let typed = ["turnout", "rollb"].map(Into::into).to_vec();
        let found = clap_complete::engine::complete(&mut Cli::command(), typed, 1, None).unwrap();
        let found: Vec<_> = found.iter().map(CompletionCandidate::get_value).collect();
        assert_eq!(found, ["rollback"]);
    }

    #[test]
    fn every_shell_has_a_script_that_asks_this_program() {
        for shell in Shell::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains(VARIABLE) && script.contains("turnout"), "{shell:?}");
        }
    }
}
