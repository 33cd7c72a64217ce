//! What must never be seen again? A thousand values, each told apart, and where each was put.

/// How each begins, in small letters: hosts are lowered on the way.
const BEGIN: &str = "zk7q";

/// The marks given so far, each with the place that it was put in.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<&'static str>);

impl Marks {
    /// A fresh value, fit for a header, a path, a host and a tenant's id.
    pub(super) fn put(&mut self, place: &'static str) -> String {
        self.0.push(place);
        format!("{BEGIN}{:04}v", self.0.len() - 1)
    }

    /// A text with fresh values instead of each `{}`.
    pub(super) fn fill(&mut self, place: &'static str, template: &str) -> String {
        let mut parts = template.split("{}");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |text, part| text + &self.put(place) + part)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Makes sure that none of them is in what was shown or kept.
    pub(super) fn assert_unseen(&self, seen_in: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        let spelled_out = BEGIN.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
        assert!(!text.contains(&spelled_out), "{seen_in} has bytes of one, as a list of numbers");
        let Some((before, rest)) = text.split_once(BEGIN) else { return };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let place = digits.parse::<usize>().ok().and_then(|number| self.0.get(number));
        let around: String = before.chars().rev().take(600).collect();
        let before: String = around.chars().rev().collect();
        let after: String = rest.chars().take(200).collect();
        panic!("{seen_in} shows what was put into {place:?}: ...{before}{BEGIN}{after}...");
    }
}
