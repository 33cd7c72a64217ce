//! What has changed between two texts?

use std::time::Duration;

use similar::TextDiff;

/// How long the smallest change is looked for; after that, a larger one will do.
const LONGEST: Duration = Duration::from_millis(500);

/// The unified diff of two texts with three lines around each change; empty where they are the same.
///
/// ```
/// let diff = config::diff("a: 1\n", "a: 2\n");
/// assert!(diff.contains("-a: 1\n+a: 2\n"));
/// assert_eq!(config::diff("a: 1\n", "a: 1\n"), "");
/// ```
#[must_use]
pub fn diff(before: &str, after: &str) -> String {
    let changes = TextDiff::configure().timeout(LONGEST).diff_lines(before, after);
    changes.unified_diff().context_radius(3).header("before", "after").to_string()
}
