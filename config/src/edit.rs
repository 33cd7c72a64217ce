//! How does a file get one more thing to ignore, with all of its comments kept? A few characters are put into its text.

use std::path::Path;

use crate::document::Document;
use crate::document::compare::IgnoreSpec;
use crate::read::{Container, Source, container_at, read};

/// What is left out of a route's comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored<'a> {
    /// A place of a body: a JSON pointer in which `*` is any segment and `**` any number of them.
    Place(&'a str),
    /// A header field, by its name.
    Header(&'a str),
}

/// Why a text was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It is there already.
    #[error("it is ignored already")]
    Already,
    /// The text is written in a way that only its author should change: with anchors, or with nothing after a key.
    #[error(
        "the configuration is written in a way that this command cannot add to; write it yourself: {0}"
    )]
    Unfit(String),
}

/// The text of a document with one more thing that a route's comparison ignores.
///
/// The new text is read again: nothing else may have changed.
///
/// # Errors
/// When it is ignored already, or the text cannot be added to.
pub fn ignoring(
    document: &Document,
    env: &dyn Fn(&str) -> Option<String>,
    route: &str,
    ignored: Ignored<'_>,
) -> Result<String, EditError> {
    let text = &**document.origin.text();
    let (list, item) = match ignored {
        Ignored::Place(pattern) => ("ignore", pattern),
        Ignored::Header(name) => ("ignore_headers", name),
    };
    let item = quoted(item);
    let unfit = || EditError::Unfit(format!("compare: {{{list}: [{item}]}}"));
    let mut wanted = document.clone();
    let compare = &mut wanted.routes.get_mut(route).ok_or_else(unfit)?.compare;
    match ignored {
        Ignored::Place(pattern) => {
            let new = IgnoreSpec { at: pattern.to_owned(), methods: vec![], statuses: vec![] };
            if compare.ignore.contains(&new) {
                return Err(EditError::Already);
            }
            compare.ignore.insert(0, new);
        }
        Ignored::Header(name) => {
            if compare.ignore_headers.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(EditError::Already);
            }
            compare.ignore_headers.insert(0, name.to_owned());
        }
    }
    let at_route = ["routes", route];
    let ways = [
        (vec!["routes", route, "compare", list], item.clone()),
        (vec!["routes", route, "compare"], format!("{list}: [{item}]")),
        (at_route.to_vec(), format!("compare: {{{list}: [{item}]}}")),
    ];
    let container =
        ways.into_iter().find_map(|(path, entry)| Some((container_at(text, &path)?, entry)));
    let (container, entry) = container.ok_or_else(unfit)?;
    let changed = put(text, container, &entry).ok_or_else(unfit)?;
    let source = Source { text: &changed, name: "", base: base(document), env };
    match read(&source) {
        Ok(read) if read == wanted => Ok(changed),
        _ => Err(unfit()),
    }
}

fn base(document: &Document) -> &Path {
    document.origin.base()
}

/// The text with an entry put before the first one of a container.
fn put(text: &str, container: Container, entry: &str) -> Option<String> {
    let Container { at, column, is_flow, is_list, is_empty } = container;
    let (before, after) = text.split_at_checked(at)?;
    if is_flow {
        let (bracket, rest) = after.split_at_checked(1)?;
        let comma = if is_empty { "" } else { ", " };
        return Some(format!("{before}{bracket}{entry}{comma}{rest}"));
    }
    let (dash, indent) = (if is_list { "- " } else { "" }, " ".repeat(column));
    Some(format!("{before}{dash}{entry}\n{indent}{after}"))
}

/// A text in double quotes, as YAML and JSON write it.
fn quoted(text: &str) -> String {
    let escaped: String = text.chars().flat_map(|c| c.escape_default()).collect();
    let is_plain = text.chars().all(|c| !c.is_control() && !matches!(c, '"' | '\\'));
    if is_plain { format!("\"{text}\"") } else { format!("\"{escaped}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(route: &str) -> Document {
        let text = format!(
            "# whose\nupstreams: {{api: {{targets: [{{address: '10.0.0.1:80'}}]}}}}\nroutes:\n{route}"
        );
        let source = Source { text: &text, name: "t", base: Path::new("."), env: &|_| None };
        read(&source).unwrap()
    }

    fn edited(route: &str, ignored: Ignored<'_>) -> Result<String, EditError> {
        let document = document(route);
        let text = ignoring(&document, &|_| None, "a", ignored)?;
        Ok(text.split_once("routes:\n").unwrap().1.to_owned())
    }

    #[test]
    fn every_way_to_write_a_route_gets_one_more_thing_to_ignore() {
        let place = Ignored::Place("/x/*");
        for (before, after) in [
            (
                "  a: # mine\n    canonical: /a\n    stable: {upstream: api} # old\n",
                "  a: # mine\n    compare: {ignore: [\"/x/*\"]}\n    canonical: /a\n    stable: {upstream: api} # old\n",
            ),
            (
                "  a: {canonical: /a, stable: {upstream: api}}\n",
                "  a: {compare: {ignore: [\"/x/*\"]}, canonical: /a, stable: {upstream: api}}\n",
            ),
            (
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore_headers: [b]}\n",
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore: [\"/x/*\"], ignore_headers: [b]}\n",
            ),
            (
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare:\n      ignore_headers: [b]\n",
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare:\n      ignore: [\"/x/*\"]\n      ignore_headers: [b]\n",
            ),
            (
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore: [/id]}\n",
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore: [\"/x/*\", /id]}\n",
            ),
            (
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore: []}\n",
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: {ignore: [\"/x/*\"]}\n",
            ),
            (
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare:\n      ignore:\n      # ids\n      - /id\n      - {at: /b, methods: [GET]}\n",
                "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare:\n      ignore:\n      # ids\n      - \"/x/*\"\n      - /id\n      - {at: /b, methods: [GET]}\n",
            ),
            (
                "  ä: {canonical: /b, stable: {upstream: api}}\n  a: {\"canonical\": \"/ä\", \"stable\": {\"upstream\": \"api\"}}\n",
                "  ä: {canonical: /b, stable: {upstream: api}}\n  a: {compare: {ignore: [\"/x/*\"]}, \"canonical\": \"/ä\", \"stable\": {\"upstream\": \"api\"}}\n",
            ),
        ] {
            assert_eq!(edited(before, place).as_deref(), Ok(after));
        }
    }

    #[test]
    fn a_header_goes_to_the_headers() {
        let before =
            "  a: {canonical: /a, stable: {upstream: api}, compare: {ignore_headers: [b]}}\n";
        let after = "  a: {canonical: /a, stable: {upstream: api}, compare: {ignore_headers: [\"x-c\", b]}}\n";
        assert_eq!(edited(before, Ignored::Header("x-c")).as_deref(), Ok(after));
        assert_eq!(edited(before, Ignored::Header("B")), Err(EditError::Already));
    }

    #[test]
    fn what_cannot_be_added_to_says_what_to_write() {
        let already = "  a: {canonical: /a, stable: {upstream: api}, compare: {ignore: [/x]}}\n";
        assert_eq!(edited(already, Ignored::Place("/x")), Err(EditError::Already));
        for shared in [
            "  b: {canonical: /b, stable: {upstream: api}, compare: &c {ignore: [/id]}}\n  a: {canonical: /a, stable: {upstream: api}, compare: *c}\n",
            "  a:\n    canonical: /a\n    stable: {upstream: api}\n    compare: &c\n      ignore: [/id]\n  b: {canonical: /b, stable: {upstream: api}, compare: *c}\n",
        ] {
            let refused = edited(shared, Ignored::Place("/x")).unwrap_err();
            assert!(refused.to_string().ends_with("compare: {ignore: [\"/x\"]}"), "{refused}");
        }
    }
}
