//! What is found wrong while compiling? Everything is collected, nothing stops at the first.

use std::fmt;

use crate::document::Origin;
use crate::document::secret::{Secret, SecretRef};
use crate::problem::{Problem, Severity};

/// A place in the document: a JSON pointer (RFC 6901) under construction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The document as a whole.
    pub(crate) const fn root() -> Self {
        Self(String::new())
    }

    /// A key below.
    pub(crate) fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    /// An item below.
    pub(crate) fn item(&self, place: usize) -> Self {
        Self(format!("{}/{place}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The error that something is wrong here.
    pub(crate) fn problem(&self, code: &'static str, message: impl Into<String>) -> Problem {
        Problem {
            pointer: self.0.clone(),
            line: 0,
            column: 0,
            code,
            message: message.into(),
            hint: None,
            severity: Severity::Error,
        }
    }
}

/// Everything found wrong so far.
pub(super) struct Findings<'o> {
    origin: &'o Origin,
    found: Vec<Problem>,
}

impl<'o> Findings<'o> {
    pub(super) const fn new(origin: &'o Origin) -> Self {
        Self { origin, found: Vec::new() }
    }

    /// Adds an error.
    pub(super) fn error(&mut self, at: &Pointer, code: &'static str, message: impl Into<String>) {
        self.found.push(at.problem(code, message));
    }

    /// Adds an error together with what would be right.
    pub(super) fn error_with_hint(
        &mut self,
        at: &Pointer,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.found.push(Problem { hint: hint.into(), ..at.problem(code, message) });
    }

    /// Adds a warning together with what would be right.
    pub(super) fn warning(
        &mut self,
        at: &Pointer,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let problem = at.problem(code, message);
        self.found.push(Problem { hint: hint.into(), severity: Severity::Warning, ..problem });
    }

    /// The value of what was parsed; an error where it could not be.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        at: &Pointer,
        code: &'static str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.error(at, code, error.to_string())).ok()
    }

    /// What a secret holds; none where it could not be fetched, which was told while reading.
    pub(super) fn secret(&self, reference: &SecretRef) -> Option<&'o [u8]> {
        self.origin.secrets.get(reference).map(Secret::reveal)
    }

    /// Whether what should be here was left out for a reason already told.
    pub(super) fn lost(&self, at: &Pointer) -> bool {
        self.origin.lost(at.as_str())
    }

    /// Whether something below was left out for a reason already told.
    pub(super) fn lost_below(&self, at: &Pointer) -> bool {
        self.origin.lost_below(at.as_str())
    }

    /// Whether there is an error among them.
    pub(super) fn are_errors(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Everything, errors and warnings.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.found
    }
}
