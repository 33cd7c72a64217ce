//! How is parity reported for a meeting that signs it off? One file, complete in itself.
//!
//! `page` is the HTML page, `chart` the trend in it, `escape` keeps what comes from services from being markup;
//! `markdown` is the same for a ticket. JSON is the server's answer as it is.

mod chart;
mod escape;
mod markdown;
mod page;

use std::path::Path;

use serde_json::{Value, json};

use super::super::exit::Failure;
use super::ask::parts;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Html,
    Markdown,
    Json,
}

impl Kind {
    /// The kind that a file's name asks for.
    pub(super) fn of(file: &Path) -> Result<Self, Failure> {
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match &*ending.to_ascii_lowercase() {
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            _ => Err(Failure::Usage(format!(
                "a report's name says what it is: end {} with .html, .md or .json",
                file.display()
            ))),
        }
    }
}

/// Who asked for the report, and of whom.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) name: String,
    pub(super) server: String,
}

impl Asker {
    /// Whoever runs this.
    pub(super) fn here(server: &str) -> Self {
        let names = ["TURNOUT_ACTOR", "USER", "LOGNAME"];
        let name = names.into_iter().filter_map(|name| std::env::var(name).ok());
        let name = name.map(|name| name.trim().to_owned()).find(|name| !name.is_empty());
        Self { name: name.unwrap_or_else(|| "somebody".to_owned()), server: server.to_owned() }
    }
}

/// Writes a report of a route.
pub(super) fn write(file: &Path, kind: Kind, answer: &Value, asker: &Asker) -> Result<(), Failure> {
    let text = match kind {
        Kind::Json => {
            let mut answer = answer.clone();
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("asked_by".to_owned(), json!(asker.name));
            }
            format!("{answer:#}\n")
        }
        Kind::Html => {
            let (parity, differences) = parts(answer)?;
            page::page(&parity, &differences, asker)
        }
        Kind::Markdown => {
            let (parity, differences) = parts(answer)?;
            markdown::markdown(&parity, &differences, asker)
        }
    };
    std::fs::write(file, text)
        .map_err(|error| Failure::of(format!("cannot write {}", file.display()), error))
}

/// What a report says of why exchanges could not be compared.
fn reason(name: &str) -> &'static str {
    match name {
        "shadow_timeout" => "the copy was not answered in time",
        "shadow_connect" => "the copy could not be delivered",
        "shadow_truncated" => "the copy's answer broke off",
        "shed" => "the copy was not sent: too many at once, or the other arm failed too often",
        "primary_timeout" => "the serving arm took too long",
        "primary_connect" => "the serving arm could not be reached, or broke off",
        "client_abort" => "the client went away",
        "budget" => "comparing took too many steps",
        "upgrade" => "the exchange became another protocol",
        "stream" => "the answer never ends",
        "decode_one_sided" => "one answer's content coding could not be undone",
        "oversize" => "a body is over the bound",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_is_written() {
        for (name, kind) in [
            ("a.html", Kind::Html),
            ("a.HTM", Kind::Html),
            ("b.md", Kind::Markdown),
            ("c.json", Kind::Json),
        ] {
            assert_eq!(Kind::of(Path::new(name)).unwrap(), kind);
        }
        let wrong = Kind::of(Path::new("report.pdf")).unwrap_err().to_string();
        assert!(wrong.contains("end report.pdf with .html, .md or .json"), "{wrong}");
    }
}
