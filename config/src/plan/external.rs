//! Which other systems does a plan ask, and what must they say?

use std::time::Duration;

use rules::gate::ExternalRules;

/// A gate that another system answers.
#[derive(Debug, Clone, PartialEq)]
pub struct ExternalGate {
    /// Its name in the plan.
    pub name: String,
    /// Who is asked: one of the configuration's `externals`.
    pub ask: String,
    /// What is asked.
    pub question: Question,
    /// What must be the answer.
    pub expected: Expected,
    /// How often it is asked.
    pub every: Duration,
    /// What answers come to.
    pub rules: ExternalRules,
}

/// What is asked of another system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A query of Prometheus, or of what speaks its HTTP API, that gives one number for now.
    Prometheus(String),
    /// A JSON document, and the place of a value in it.
    Json {
        /// The path to GET, with its query, after that of the system's URL.
        path: Option<String>,
        /// Where the value is, as a JSON pointer (RFC 6901).
        pointer: String,
    },
}

/// What must be the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// A number within these bounds, both included.
    Within {
        /// The smallest.
        min: Option<f64>,
        /// The largest.
        max: Option<f64>,
    },
    /// This very number.
    Number(f64),
    /// This very text.
    Text(String),
    /// This.
    Bool(bool),
}

impl Expected {
    /// The number that an answer is held against, where it is one.
    #[must_use]
    pub fn limit(&self) -> Option<f64> {
        match self {
            Self::Within { min, max } => max.or(*min),
            Self::Number(number) => Some(*number),
            Self::Text(_) | Self::Bool(_) => None,
        }
    }
}

/// Whom a step asks or tells when it begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// One of the configuration's `externals`.
    pub external: String,
    /// The path to post to, after that of its URL.
    pub path: Option<String>,
    /// Whether it is waited for.
    pub kind: HookKind,
}

/// When somebody is asked or told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// Before a step.
    Before,
    /// At the end of a step.
    After,
}

impl Moment {
    /// Its name, as messages write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Whether a hook is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// The rollout stays where it is until the answer says `go`.
    Confirm,
    /// It is told, and nothing waits for it.
    Notify,
}
