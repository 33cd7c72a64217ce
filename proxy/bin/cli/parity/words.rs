//! How are rates and differences written, so that people grasp them?

use super::answer::Signature;

/// A ratio as a percentage with as many digits as it takes to tell little from none.
pub(crate) fn rate(ratio: f64) -> String {
    let percent = ratio * 100.0;
    let text = match percent {
        p if p <= 0.0 => "0".to_owned(),
        p if p < 0.001 => "<0.001".to_owned(),
        p if p < 1.0 => format!("{p:.3}"),
        p if !(99.0..100.0).contains(&p) => format!("{p:.1}"),
        p => format!("{p:.2}"),
    };
    let text = if text.contains('.') && !text.starts_with('<') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    };
    format!("{text}%")
}

/// A ratio, or a dash where there is none.
pub(super) fn maybe(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), rate)
}

/// A time over which was counted.
pub(super) fn window(name: &str) -> &str {
    match name {
        "10s" => "last 10 s",
        "1h" => "last hour",
        "24h" => "last 24 h",
        "stage" => "this stage",
        other => other,
    }
}

/// Where a difference is.
pub(crate) fn place(signature: &Signature) -> String {
    let path = if signature.location == "body" && signature.path.is_empty() {
        "as a whole"
    } else {
        &signature.path
    };
    format!("{} {path}", signature.location)
}

/// What is different there, in a few words.
pub(crate) fn what(signature: &Signature) -> String {
    let classes = match &*signature.kind {
        "missing" => format!("missing in the candidate's ({})", signature.stable_class),
        "extra" => format!("only in the candidate's ({})", signature.candidate_class),
        "value" if signature.location == "status" => "another status".to_owned(),
        "value" => format!("another {}", signature.stable_class),
        "type" => format!("{} became {}", signature.stable_class, signature.candidate_class),
        "order" => "another order".to_owned(),
        "length" => "another length".to_owned(),
        "key_missing" => "an element without its key".to_owned(),
        "unparseable" => "only one of them can be parsed".to_owned(),
        other => other.to_owned(),
    };
    let relation = signature.relation.as_deref().map(|relation| relation.replace('_', " "));
    let classes = classes.replace('_', " ");
    relation.map_or(classes.clone(), |relation| format!("{classes}: {relation}"))
}

/// The verdict in capitals, so that it is seen without colour.
pub(super) fn verdict(name: &str) -> String {
    name.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_tell_little_from_none_and_nearly_all_from_all() {
        for (ratio, text) in [
            (0.0, "0%"),
            (0.000_001, "<0.001%"),
            (0.000_83, "0.083%"),
            (0.001, "0.1%"),
            (0.125, "12.5%"),
            (0.996, "99.6%"),
            (1.0, "100%"),
        ] {
            assert_eq!(rate(ratio), text);
        }
    }

    #[test]
    fn differences_are_told_in_words() {
        let signature =
            |location: &str, path: &str, kind: &str, relation: Option<&str>| Signature {
                location: location.to_owned(),
                path: path.to_owned(),
                kind: kind.to_owned(),
                stable_class: "number".to_owned(),
                candidate_class: "numeric_string".to_owned(),
                relation: relation.map(ToOwned::to_owned),
                ..Signature::default()
            };
        let typed = signature("body", "/id", "type", Some("number_vs_numeric_string"));
        assert_eq!(
            (place(&typed), what(&typed)),
            ("body /id".into(), "number became numeric string: number vs numeric string".into())
        );
        assert_eq!(what(&signature("status", "200 -> 500", "value", None)), "another status");
        assert_eq!(place(&signature("body", "", "value", None)), "body as a whole");
    }
}
