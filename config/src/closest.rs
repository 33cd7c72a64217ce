//! What did they mean? The known name that is nearest to an unknown one.

/// The name among `known` that is nearest to `unknown`, if any is near enough to be meant: by spelling, else because
/// one holds the other.
///
/// ```
/// assert_eq!(config::closest("mesages", ["messages", "billing"]), Some("messages"));
/// assert_eq!(config::closest("skip_verify", ["insecure_skip_verify", "ca"]), Some("insecure_skip_verify"));
/// assert_eq!(config::closest("reports", ["messages", "billing"]), None);
/// ```
#[must_use]
pub fn closest<'k>(unknown: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.into_iter().collect();
    let holds = |a: &str, b: &str| b.len() >= SHORTEST_PART && a.contains(b);
    misspelled(unknown, known.iter().copied())
        .or_else(|| known.into_iter().find(|name| holds(name, unknown) || holds(unknown, name)))
}

/// The name among `known` that `unknown` is a misspelling of.
pub(crate) fn misspelled<'k>(
    unknown: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    let wanted = unknown.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Shorter parts are in too many names to mean anything.
const SHORTEST_PART: usize = 4;

/// The hint for an unknown name: the nearest one, else all there are, as long as they are few.
pub(crate) fn did_you_mean<'k>(
    unknown: &str,
    known: impl IntoIterator<Item = &'k str> + Clone,
) -> Option<String> {
    if let Some(name) = closest(unknown, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<String> =
        known.into_iter().take(MOST_LISTED + 1).map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => None,
        1..=MOST_LISTED => Some(format!("known: {}", all.join(", "))),
        _ => None,
    }
}

/// More names than this are no help in an error message.
const MOST_LISTED: usize = 12;
