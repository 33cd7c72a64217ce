//! Is a configuration file right? Every problem at once; and the schema by which editors check while people type.

use clap::Args;
use config::{Problem, Severity};
use serde_json::{Value, json};

use super::args::OutputArgs;
use super::exit::{Exit, Failure};
use super::file::{File, FileArgs, now_unix};
use super::out::{self, Style, Tone};

/// Check a configuration file.
#[derive(Debug, Args)]
#[command(after_help = "\
Ends with 1 where something is wrong. Warnings alone are fine.
`turnout explain FILE --path /x` shows what a file does with a request.")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was found in a file.
struct Report<'f> {
    file: &'f str,
    problems: Vec<Problem>,
    contents: Option<String>,
}

/// Checks a file.
pub(crate) fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let file = File::read(&args.file.file)?;
    let report = match file.compile(now_unix(), |_, _| {}) {
        Ok(compiled) => {
            let document = &compiled.document;
            let contents = format!(
                "{}, {}",
                counted(document.routes.len(), "route"),
                counted(document.upstreams.len(), "upstream")
            );
            Report { file: &file.name, problems: compiled.warnings, contents: Some(contents) }
        }
        Err(problems) => Report {
            file: &file.name,
            problems: problems.iter().cloned().collect(),
            contents: None,
        },
    };
    out::answer(args.output.output, &report.json(), |style| report.text(style))?;
    Ok(if report.contents.is_some() { Exit::Done } else { Exit::Failed })
}

/// Prints the schema.
pub(crate) fn schema() -> Result<Exit, Failure> {
    out::answer(super::args::Format::Json, &config::json_schema(), |_| String::new())?;
    Ok(Exit::Done)
}

impl Report<'_> {
    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }

    fn json(&self) -> Value {
        json!({
            "file": self.file,
            "valid": self.contents.is_some(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "problems": self.problems,
        })
    }

    fn text(&self, style: Style) -> String {
        let mut text: String =
            self.problems.iter().map(|problem| shown(self.file, problem, style)).collect();
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let also = if warnings > 0 {
            format!(", {}", counted(warnings, "warning"))
        } else {
            String::new()
        };
        let verdict = match &self.contents {
            Some(contents) => style.paint(Tone::Good, "valid") + &format!(", {contents}{also}"),
            None => style.paint(Tone::Bad, &counted(errors, "error")) + &also,
        };
        text.push_str(&format!("{}: {verdict}\n", self.file));
        text
    }
}

/// A problem as compilers write them, so that editors and terminals find the place.
fn shown(file: &str, problem: &Problem, style: Style) -> String {
    let place = if problem.line > 0 {
        format!("{file}:{}:{}", problem.line, problem.column)
    } else {
        file.to_owned()
    };
    let severity = match problem.severity {
        Severity::Error => style.paint(Tone::Bad, "error:"),
        Severity::Warning => style.paint(Tone::Warn, "warning:"),
    };
    let pointer =
        if problem.pointer.is_empty() { String::new() } else { format!("{}: ", problem.pointer) };
    let hint = problem.hint.as_deref().map(|hint| format!("    {hint}\n")).unwrap_or_default();
    format!(
        "{}: {severity} {pointer}{}\n{hint}",
        style.paint(Tone::Strong, &place),
        problem.message
    )
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(severity: Severity, line: usize) -> Problem {
        Problem {
            pointer: "/routes/sms/stable".to_owned(),
            line,
            column: 5,
            code: "unknown_upstream",
            message: "unknown upstream \"x\"".to_owned(),
            hint: Some("did you mean \"y\"?".to_owned()),
            severity,
        }
    }

    #[test]
    fn every_problem_has_its_place_and_what_would_be_right() {
        let problems = vec![problem(Severity::Error, 12), problem(Severity::Warning, 0)];
        let report = Report { file: "turnout.yaml", problems, contents: None };
        let expected = "\
turnout.yaml:12:5: error: /routes/sms/stable: unknown upstream \"x\"
    did you mean \"y\"?
turnout.yaml: warning: /routes/sms/stable: unknown upstream \"x\"
    did you mean \"y\"?
turnout.yaml: 1 error, 1 warning
";
        assert_eq!(report.text(Style::PLAIN), expected);
        let json = report.json();
        assert_eq!((&json["valid"], &json["errors"]), (&json!(false), &json!(1)));
        assert_eq!(json["problems"][0]["line"], 12);
    }

    #[test]
    fn a_valid_file_says_what_it_holds() {
        let contents = Some("2 routes, 1 upstream".to_owned());
        let report = Report { file: "a.yaml", problems: Vec::new(), contents };
        assert_eq!(report.text(Style::PLAIN), "a.yaml: valid, 2 routes, 1 upstream\n");
    }
}
