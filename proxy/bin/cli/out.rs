//! How is it printed? The one place that writes to the terminal, and knows about colour.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table};
use serde_json::Value;

use super::args::Format;
use super::exit::Failure;

/// What a text means to whoever reads it; never its colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing in particular.
    Plain,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Not worth a look, or too few samples to tell.
    Faint,
    /// A heading.
    Strong,
}

/// What the output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
    width: Option<u16>,
}

impl Style {
    /// Without colour, as pipes and files get it.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false, width: None };

    /// Standard output's.
    pub(crate) fn of_stdout() -> Self {
        let width = Table::new().width();
        Self { colour: io::stdout().is_terminal() && may_colour(), width }
    }

    fn of_stderr() -> Self {
        Self { colour: io::stderr().is_terminal() && may_colour(), width: None }
    }

    /// Whether there is room for what is nice to have beside the figures.
    pub(crate) fn is_wide(self) -> bool {
        self.width.is_none_or(|width| width >= 100)
    }

    /// The text in its tone.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => "",
            Tone::Good => "\x1b[32m",
            Tone::Warn => "\x1b[33m",
            Tone::Bad => "\x1b[31m",
            Tone::Faint => "\x1b[2m",
            Tone::Strong => "\x1b[1m",
        };
        if !self.colour || code.is_empty() {
            return text.to_owned();
        }
        format!("{code}{text}\x1b[0m")
    }

    /// A table with these headings: columns of text without lines, as wide as the terminal at most.
    pub(crate) fn table(self, headings: &[&str]) -> Table {
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        if let Some(width) = self.width {
            table.set_width(width);
        }
        table.set_header(headings.iter().map(|heading| cell(Tone::Strong, heading)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }
}

// https://no-color.org: set and not empty, whatever its value.
fn may_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// A table's cell in its tone.
pub(crate) fn cell(tone: Tone, text: impl ToString) -> Cell {
    let cell = Cell::new(text);
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warn => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
    }
}

/// A number's cell: on the right, so that sizes can be seen.
pub(crate) fn number(tone: Tone, text: impl ToString) -> Cell {
    cell(tone, text).set_alignment(CellAlignment::Right)
}

/// The table as text, without blanks at the ends of lines.
pub(crate) fn rendered(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Writes to standard output.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// Writes one line to standard output.
pub(crate) fn line(line: &str) -> Result<(), Failure> {
    text(&format!("{line}\n"))
}

/// Writes one line to standard error, where it does not get between what a script reads.
pub(crate) fn note(line: &str) {
    // There is nobody left to be told when this cannot be written.
    let _written = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a warning to standard error.
pub(crate) fn warning(text: &str) {
    note(&format!("{} {text}", Style::of_stderr().paint(Tone::Warn, "warning:")));
}

/// Writes to standard error why a command did not do what was asked.
pub(crate) fn failure(failure: &impl ToString) {
    note(&format!("{} {}", Style::of_stderr().paint(Tone::Bad, "error:"), failure.to_string()));
}

/// Writes an answer as it was asked for: `table` renders it for people.
pub(crate) fn answer(
    format: Format,
    answer: &Value,
    table: impl FnOnce(Style) -> String,
) -> Result<(), Failure> {
    text(&formatted(format, answer, table)?)
}

/// The text of an answer, as it was asked for.
pub(crate) fn formatted(
    format: Format,
    answer: &Value,
    table: impl FnOnce(Style) -> String,
) -> Result<String, Failure> {
    let unwritable =
        |error: &dyn ToString| Failure::of("cannot write the answer", error.to_string());
    match format {
        Format::Table => Ok(table(Style::of_stdout())),
        Format::Json => serde_json::to_string_pretty(answer)
            .map(|text| text + "\n")
            .map_err(|error| unwritable(&error)),
        Format::Yaml => {
            let text = serde_saphyr::to_string(answer).map_err(|error| unwritable(&error))?;
            Ok(if text.ends_with('\n') { text } else { text + "\n" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_are_plain_text_without_colour() {
        let mut table = Style::PLAIN.table(&["ROUTE", "N"]);
        table.add_row([cell(Tone::Bad, "sms"), number(Tone::Plain, 7)]);
        table.add_row([cell(Tone::Plain, "a-longer-name"), number(Tone::Plain, 1_000)]);
        let expected = "ROUTE          N\nsms               7\na-longer-name  1000\n";
        assert_eq!(rendered(&table), expected);
    }

    #[test]
    fn colour_is_only_used_where_it_can_be_shown() {
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "x"), "x");
        assert_eq!(Style { colour: true, width: None }.paint(Tone::Bad, "x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn scripts_get_the_answer_itself() {
        let answer = json!({"revision": 42, "share": "5%", "on": "no"});
        let json = formatted(Format::Json, &answer, |_| String::new()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), answer);
        let yaml = formatted(Format::Yaml, &answer, |_| String::new()).unwrap();
        assert_eq!(yaml, "\"on\": \"no\"\nrevision: 42\nshare: 5%\n");
        assert_eq!(formatted(Format::Table, &answer, |_| "t".to_owned()).unwrap(), "t");
    }
}
