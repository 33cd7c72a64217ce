//! What does a header field mean? Its members, so that order and spelling do not matter.

use std::collections::BTreeSet;

use super::class::{is_json, media_type};

/// How a field's value is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A media type with parameters (RFC 9110 8.3.1). A boundary says nothing, nor does a charset of JSON, which is UTF-8.
    MediaType,
    /// Directives, perhaps with values, separated by commas (RFC 9111 5.2).
    Directives,
    /// Names, separated by commas, in whatever case.
    Names,
    /// Members separated by commas.
    List,
    /// Parameters separated by semicolons.
    Parameters,
    /// Authentication schemes with parameters (RFC 9110 11.6.1), but for the values that are made for one answer.
    Challenges,
}

/// The members of a value.
pub(super) fn members(meaning: Meaning, value: &str) -> BTreeSet<String> {
    match meaning {
        Meaning::MediaType => media(value),
        Meaning::Directives => split(value, ',').map(parameter).collect(),
        Meaning::Names => split(value, ',').map(str::to_ascii_lowercase).collect(),
        Meaning::List => split(value, ',').map(str::to_owned).collect(),
        Meaning::Parameters => split(value, ';').map(parameter).collect(),
        Meaning::Challenges => split(value, ',').flat_map(challenge).collect(),
    }
}

fn media(value: &str) -> BTreeSet<String> {
    let media = media_type(value).to_ascii_lowercase();
    let is_json = is_json(&media);
    let parameters = split(value, ';').skip(1).map(parameter).filter_map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
        match name {
            "boundary" => None,
            "charset" if is_json => None,
            "charset" => Some(format!("charset={}", value.to_ascii_lowercase())),
            _ => Some(parameter),
        }
    });
    let parameters: BTreeSet<String> = parameters.collect();
    parameters.into_iter().chain([media]).collect()
}

/// A parameter with its name in lower case and its value unquoted.
fn parameter(text: &str) -> String {
    let Some((name, value)) = text.split_once('=') else { return text.to_ascii_lowercase() };
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    format!("{}={}", name.trim().to_ascii_lowercase(), unquoted.unwrap_or(value))
}

/// `Digest realm="x"` is a scheme and its first parameter; what follows a comma may be a parameter alone.
fn challenge(text: &str) -> Vec<String> {
    let (scheme, rest) = match text.split_once(' ') {
        Some((scheme, rest)) if !scheme.contains('=') => (Some(scheme), rest.trim()),
        _ if text.contains('=') => (None, text),
        _ => (Some(text), ""),
    };
    let is_lasting = |parameter: &String| !parameter.starts_with("nonce=") && !parameter.is_empty();
    let parameter = Some(parameter(rest)).filter(is_lasting);
    scheme.map(str::to_ascii_lowercase).into_iter().chain(parameter).collect()
}

/// Splits outside quotes and angle brackets; blanks around members, and empty members, do not count.
fn split(value: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped, mut is_link) = (false, false, false);
    let parts = value.split(move |character| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped && !is_link => is_quoted = !is_quoted,
            '<' if !is_quoted => is_link = true,
            '>' if !is_quoted => is_link = false,
            _ => return character == separator && !is_quoted && !is_link,
        }
        false
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_links_hold_together() {
        let parts: Vec<&str> = split(r#"</a,b>; rel="x, \"y", <c>; title=",", ,d"#, ',').collect();
        assert_eq!(parts, [r#"</a,b>; rel="x, \"y""#, r#"<c>; title=",""#, "d"]);
    }

    #[test]
    fn spellings_of_one_meaning_are_equal() {
        for (meaning, left, right) in [
            (Meaning::MediaType, "text/html; charset=\"UTF-8\"", "Text/HTML;charset=utf-8"),
            (Meaning::MediaType, "application/fhir+json;charset=utf-8", "application/fhir+json"),
            (Meaning::Directives, "no-store, Max-Age=0", "max-age=\"0\",no-store"),
            (
                Meaning::Challenges,
                "Digest realm=\"x, y\", nonce=\"1\", Bearer",
                "bearer, digest nonce=\"2\", realm=\"x, y\"",
            ),
        ] {
            assert_eq!(members(meaning, left), members(meaning, right), "{left}");
        }
        let one = members(Meaning::MediaType, "text/html; charset=utf-8");
        assert_ne!(one, members(Meaning::MediaType, "text/html; charset=latin1"));
    }
}
