//! What is wrong with a configuration, where, and what would be right?

use std::fmt;

use serde::{Serialize, Serializer};

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// It is taken, but does perhaps not do what was meant.
    Warning,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The place in the document, as a JSON pointer (RFC 6901); empty for the document as a whole.
    pub pointer: String,
    /// The line in the file, from 1; 0 where there is no file.
    pub line: usize,
    /// The column in the line, in characters from 1; 0 where there is no file.
    pub column: usize,
    /// What is wrong, for machines: it stays the same when the message is worded anew.
    pub code: &'static str,
    /// What is wrong, for people. Never holds a secret.
    pub message: String,
    /// What would be right.
    pub hint: Option<String>,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{} ", self.line, self.column)?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", Visible(&self.pointer))?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        Visible(&self.message).fmt(f)?;
        match &self.hint {
            Some(hint) => write!(f, " ({})", Visible(hint)),
            None => Ok(()),
        }
    }
}

/// A text in which nothing can move the cursor or turn the writing around: it quotes what somebody else wrote.
struct Visible<'t>(&'t str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", char.escape_unicode())?
                }
                char if char.is_control() => write!(f, "{}", char.escape_default())?,
                char => write!(f, "{char}")?,
            }
        }
        Ok(())
    }
}

/// Everything that is wrong with one configuration, in the order of the file.
///
/// Displayed one per line: `turnout.yaml:12:5 /routes/sms/stable: unknown upstream "x" (did you mean ...)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    name: Box<str>,
    all: Vec<Problem>,
}

impl Problems {
    /// The problems of the file of this name.
    #[must_use]
    pub fn new(name: &str, mut all: Vec<Problem>) -> Self {
        all.sort_by_key(|problem| (problem.line, problem.column));
        Self { name: name.into(), all }
    }

    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.all.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.all.iter().enumerate() {
            let newline = if place == 0 { "" } else { "\n" };
            let colon = if problem.line > 0 { ":" } else { ": " };
            write!(f, "{newline}{}{colon}{problem}", self.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.all)
    }
}
