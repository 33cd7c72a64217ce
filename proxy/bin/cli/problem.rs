//! What does the server say when it refuses? Problem documents (RFC 9457), as people read them.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;

use super::exit::Exit;

/// A problem as the control API writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What kind of problem it is, the same for ever.
    pub(crate) code: String,
    /// The kind in words.
    pub(crate) title: String,
    /// What went wrong this time.
    pub(crate) detail: String,
    /// What could be done, where the server knows.
    pub(crate) hint: Option<String>,
    /// Each thing that is wrong.
    pub(crate) errors: Vec<ProblemPart>,
    /// The file that was sent, if one was: lines and columns are of its text.
    #[serde(skip)]
    pub(crate) file: Option<String>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemPart {
    /// Where in the document, as a JSON pointer.
    pub(crate) pointer: String,
    /// What is wrong there.
    pub(crate) detail: String,
    /// The line in the text, counted from 1.
    pub(crate) line: Option<u64>,
    /// The column in the line, counted from 1.
    pub(crate) column: Option<u64>,
    /// What would be right.
    pub(crate) hint: Option<String>,
}

impl Problem {
    /// Reads an answer's body; a body of another kind is kept as its detail.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Self {
        let mut problem = serde_json::from_slice(body).unwrap_or_else(|_| Self {
            detail: String::from_utf8_lossy(body).trim().to_owned(),
            ..Self::default()
        });
        problem.status = status.as_u16();
        if problem.title.is_empty() {
            problem.title = status.canonical_reason().unwrap_or("refused").to_owned();
        }
        problem
    }

    /// The code that the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self.status {
            401 | 403 => Exit::NotAllowed,
            // Trying again does not help where a route has nothing to shift to.
            409 if self.code == "no_candidate" => Exit::Failed,
            409 | 412 | 428 => Exit::Conflict,
            400 if self.code == "why_required" => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.detail.is_empty() { &self.title } else { &self.detail };
        f.write_str(said)?;
        match &*self.code {
            "" => write!(f, " (HTTP {})", self.status)?,
            code => write!(f, " ({code})")?,
        }
        // The only thing that is wrong may be the detail itself.
        for part in self.errors.iter().filter(|part| part.detail != self.detail) {
            f.write_str("\n  ")?;
            part.write(f, self.file.as_deref())?;
        }
        self.hint.iter().try_for_each(|hint| write!(f, "\n  {hint}"))
    }
}

impl ProblemPart {
    fn write(&self, f: &mut fmt::Formatter<'_>, file: Option<&str>) -> fmt::Result {
        if let Some(line) = self.line.filter(|line| *line > 0) {
            let file = file.map(|file| format!("{file}:")).unwrap_or_default();
            write!(f, "{file}{line}:{} ", self.column.unwrap_or(1))?;
        }
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.detail)?;
        self.hint.iter().try_for_each(|hint| write!(f, " ({hint})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_code_detail_and_every_error() {
        let body = br#"{"type":"about:blank","title":"Invalid","status":422,"code":"invalid_config",
            "detail":"the configuration is invalid","errors":[
            {"pointer":"/routes/sms/stable","detail":"unknown upstream \"x\"","line":12,"column":5,"hint":"did you mean \"y\"?"},
            {"pointer":"/routes/b","detail":"no arms"}]}"#;
        let mut problem = Problem::read(StatusCode::UNPROCESSABLE_ENTITY, body);
        problem.file = Some("turnout.yaml".to_owned());
        assert_eq!(problem.exit(), Exit::Failed);
        assert_eq!(
            problem.to_string(),
            "the configuration is invalid (invalid_config)\n  \
             turnout.yaml:12:5 /routes/sms/stable: unknown upstream \"x\" (did you mean \"y\"?)\n  \
             /routes/b: no arms"
        );
    }

    #[test]
    fn what_is_wrong_is_said_once() {
        let body = br#"{"code":"bad_share","detail":"\"5\" is not a share","hint":"write 5%",
            "errors":[{"pointer":"/share","detail":"\"5\" is not a share"}]}"#;
        let problem = Problem::read(StatusCode::BAD_REQUEST, body);
        assert_eq!(problem.to_string(), "\"5\" is not a share (bad_share)\n  write 5%");
    }

    #[test]
    fn statuses_become_exit_codes() {
        for (status, code, exit) in [
            (403, "forbidden", Exit::NotAllowed),
            (401, "", Exit::NotAllowed),
            (412, "revision_conflict", Exit::Conflict),
            (409, "", Exit::Conflict),
            (409, "no_candidate", Exit::Failed),
            (404, "unknown_route", Exit::Failed),
            (400, "why_required", Exit::Usage),
            (500, "", Exit::Failed),
        ] {
            let problem = Problem { status, code: code.to_owned(), ..Problem::default() };
            assert_eq!(problem.exit(), exit, "{status}");
        }
    }

    #[test]
    fn an_answer_of_another_kind_is_shown_as_it_is() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, b"upstream down\n");
        assert_eq!(problem.to_string(), "upstream down (HTTP 502)");
        let problem = Problem::read(StatusCode::NOT_FOUND, b"");
        assert_eq!(problem.to_string(), "Not Found (HTTP 404)");
    }
}
