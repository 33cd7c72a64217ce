//! What has changed between two texts?

use std::time::Duration;

use similar::TextDiff;

/// How long changes are looked for. What is found until then is still a diff, with larger changes than need be.
const LONGEST: Duration = Duration::from_millis(200);
/// A longer diff is cut: nobody reads more.
const MAX_BYTES: usize = 1 << 20;

/// The unified diff of two texts with three lines around each change; empty where they are the same.
///
/// It takes a fraction of a second whatever the texts are, and is cut after 1 MiB, with a line that says so.
///
/// ```
/// let diff = config::diff("a: 1\n", "a: 2\n");
/// assert!(diff.contains("-a: 1\n+a: 2\n"));
/// assert_eq!(config::diff("a: 1\n", "a: 1\n"), "");
/// ```
#[must_use]
pub fn diff(before: &str, after: &str) -> String {
    let changes = TextDiff::configure().timeout(LONGEST).diff_lines(before, after);
    let mut diff = Cut::default();
    let written =
        changes.unified_diff().context_radius(3).header("before", "after").to_writer(&mut diff);
    let mut text = String::from_utf8_lossy(&diff.0).into_owned();
    if written.is_err() {
        text.push_str("\n... the rest is left out: the diff is longer than 1 MiB\n");
    }
    text
}

/// Takes so many bytes and no more.
#[derive(Default)]
struct Cut(Vec<u8>);

impl std::io::Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(MAX_BYTES.saturating_sub(self.0.len()));
        self.0.extend(bytes.iter().take(taken));
        // None taken is an error for whoever writes: the rest is not even rendered.
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn lines(letter: char, count: usize) -> String {
        (0..count).map(|n| format!("{letter}{} {letter}\n", n * 7_919 % count)).collect()
    }

    #[test]
    fn two_texts_with_nothing_in_common_are_compared_in_bounded_time() {
        let (before, after) = (lines('a', 100_000), lines('b', 100_000));
        let started = Instant::now();
        let diff = diff(&before, &after);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(diff.len() < MAX_BYTES + 100);
        assert!(diff.ends_with("the rest is left out: the diff is longer than 1 MiB\n"));
    }

    #[test]
    fn a_long_text_with_a_small_change_has_a_small_diff() {
        let before = lines('a', 100_000);
        let after = before.replace("a77777 a\n", "b\n");
        assert_eq!(diff(&before, &after).lines().count(), 11);
    }
}
