//! How does a command end? The exit codes that scripts rely on, and what can go wrong.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use super::problem::Problem;

/// The exit codes; those from 64 on are sysexits(3)'s, 124 is timeout(1)'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It failed, or what it looked at is invalid.
    Failed = 1,
    /// The server's configuration is not the file's.
    Drift = 2,
    /// The command line is wrong.
    Usage = 64,
    /// What is to be compared cannot be read.
    Unreadable = 65,
    /// The server cannot be reached, or not be trusted.
    Unreachable = 69,
    /// Somebody else changed it meanwhile.
    Conflict = 75,
    /// The server does not allow it.
    NotAllowed = 77,
    /// The time to watch is over.
    TimedOut = 124,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what was asked. Its text says what went wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line is wrong in a way that only the command itself can tell.
    #[error("{0}")]
    Usage(String),
    /// Anything that has no code of its own.
    #[error("{0}")]
    Failed(String),
    /// Nobody answers at the server's address.
    #[error(
        "no answer from {server}: {cause}\n  is `turnout serve` running there? name another with --server or TURNOUT_SERVER"
    )]
    Unreachable {
        /// The address that was asked.
        server: String,
        /// What the network said.
        cause: String,
    },
    /// Whoever answers there is perhaps somebody else.
    #[error("{server} is not trusted: {cause}")]
    Untrusted {
        /// The address that was asked.
        server: String,
        /// What is wrong with its certificate.
        cause: String,
    },
    /// The server turns away whoever shows no certificate that it accepts.
    #[error("{server} turned this away: {cause}")]
    TurnedAway {
        /// The address that was asked.
        server: String,
        /// Why.
        cause: &'static str,
    },
    /// What is to be compared cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The server refused.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// The time to watch is over.
    #[error("stopped watching after {0:?}, as --timeout asked")]
    TimedOut(Duration),
    /// The server or the demo could not do its work; told with all of its causes.
    #[error("{0:#}")]
    Serving(#[from] anyhow::Error),
    /// Standard output cannot be written to.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// A failure to read or write `what`.
    pub(crate) fn of(what: impl Display, cause: impl Display) -> Self {
        Self::Failed(format!("{what}: {cause}"))
    }

    /// The code that the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Failed(_) | Self::Serving(_) => Exit::Failed,
            Self::Unreadable(_) => Exit::Unreadable,
            Self::Unreachable { .. } | Self::Untrusted { .. } => Exit::Unreachable,
            Self::TurnedAway { .. } => Exit::NotAllowed,
            Self::Refused(problem) => problem.exit(),
            Self::TimedOut(_) => Exit::TimedOut,
            // Whoever read the output has seen enough: `turnout status | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// Whether there is anything to say about it.
    pub(crate) fn is_worth_saying(&self) -> bool {
        self.exit() != Exit::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_code() {
        let broken_pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        for (failure, exit, code) in [
            (Failure::Usage(String::new()), Exit::Usage, 64),
            (Failure::of("a.yaml", "not there"), Exit::Failed, 1),
            (
                Failure::Unreachable { server: String::new(), cause: String::new() },
                Exit::Unreachable,
                69,
            ),
            (Failure::Unreadable(String::new()), Exit::Unreadable, 65),
            (Failure::TimedOut(Duration::from_secs(1)), Exit::TimedOut, 124),
            (Failure::Output(broken_pipe), Exit::Done, 0),
        ] {
            assert_eq!(failure.exit(), exit, "{failure}");
            assert_eq!(exit as u8, code);
        }
    }
}
