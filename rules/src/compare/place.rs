//! Where in a body are we, and which rules apply here? Patterns are followed step by step, not searched at each node.

use http::Method;

use super::PointerPattern;
use super::lenient::Numbered;
use super::pattern::Segment;
use super::rules::{ArrayRule, CompareRules, Effect};

/// From a container to something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'j> {
    Key(&'j str),
    /// An index into stable's array, and one into the candidate's.
    Index(usize, usize),
}

/// What the rules say of a place as a whole; which rule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    LookedAt,
    PresenceOnly(usize),
    Ignored(usize),
}

/// A pattern that fits the place so far: its rule's number, and how many of its segments are used up.
type Fit = (usize, usize);

/// A place in a body, and the patterns that may still apply below it.
#[derive(Debug, Clone)]
pub(super) struct Place<'j> {
    rules: &'j CompareRules,
    steps: Vec<Step<'j>>,
    /// The fits of all places from the root to here, one after the other.
    fits: Vec<Fit>,
    /// Where the fits of each place begin.
    starts: Vec<usize>,
}

impl<'j> Place<'j> {
    /// The whole body of an exchange with this method and this status.
    pub(super) fn root(rules: &'j CompareRules, method: &Method, status: u16) -> Self {
        let mut root = Self { rules, steps: Vec::new(), fits: Vec::new(), starts: vec![0] };
        for (number, rule) in rules.places.iter().enumerate() {
            if rule.when.holds(method, status) {
                root.fit((number, 0));
            }
        }
        root
    }

    pub(super) const fn rules(&self) -> &'j CompareRules {
        self.rules
    }

    pub(super) fn steps(&self) -> &[Step<'j>] {
        &self.steps
    }

    pub(super) fn enter(&mut self, step: Step<'j>) {
        let (here, end) = (self.starts.last().copied().unwrap_or(0), self.fits.len());
        self.steps.push(step);
        self.starts.push(end);
        for place in here..end {
            let Some((number, used)) = self.fits.get(place).copied() else { continue };
            match self.segments(number).get(used) {
                Some(Segment::Is(name)) if is_step(name, step) => self.fit((number, used + 1)),
                Some(Segment::Any) => self.fit((number, used + 1)),
                Some(Segment::AnyDepth) => self.fit((number, used)),
                Some(Segment::Is(_)) | None => {}
            }
        }
    }

    pub(super) fn leave(&mut self) {
        self.rewind(self.steps.len().saturating_sub(1));
    }

    /// Goes back up to a place so many steps from the root.
    pub(super) fn rewind(&mut self, depth: usize) {
        self.steps.truncate(depth);
        if let Some(end) = self.starts.get(depth + 1).copied() {
            self.fits.truncate(end);
        }
        self.starts.truncate(depth + 1);
    }

    /// Whether no rule can apply here or below.
    pub(super) fn is_free(&self) -> bool {
        self.starts.last().is_none_or(|start| *start == self.fits.len())
    }

    /// How many patterns are followed here: what each step costs beside the values themselves.
    pub(super) fn patterns(&self) -> usize {
        self.fits.len() - self.starts.last().copied().unwrap_or(0)
    }

    /// Whether anything here is looked at, and what of it.
    pub(super) fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::LookedAt;
        for (number, effect) in self.complete() {
            match effect {
                Effect::Ignore => return Verdict::Ignored(number),
                Effect::PresenceOnly => verdict = Verdict::PresenceOnly(number),
                Effect::Array(_) | Effect::Lenient(_) => {}
            }
        }
        verdict
    }

    /// How an array here is read: by the first rule that fits.
    pub(super) fn array_rule(&self) -> Option<(usize, &'j ArrayRule)> {
        let rules = self.complete().filter_map(|(number, effect)| match effect {
            Effect::Array(rule) => Some((number, rule)),
            _ => None,
        });
        rules.min_by_key(|(number, _)| *number)
    }

    /// How values here may differ, in the order of the rules.
    pub(super) fn leniencies(&self) -> impl Iterator<Item = Numbered<'j>> + Clone {
        self.complete().filter_map(|(number, effect)| match effect {
            Effect::Lenient(leniency) => Some((number, leniency)),
            _ => None,
        })
    }

    fn complete(&self) -> impl Iterator<Item = (usize, &'j Effect)> + Clone {
        let here = self.starts.last().copied().unwrap_or(0);
        let fits = self.fits.get(here..).unwrap_or_default().iter();
        fits.filter_map(|(number, used)| {
            let rule = self.rules.places.get(*number)?;
            (rule.pattern.segments().len() == *used).then_some((*number, &rule.effect))
        })
    }

    /// Adds a fit, and what follows from it: `**` may stand for nothing at all.
    fn fit(&mut self, fit: Fit) {
        let here = self.starts.last().copied().unwrap_or(0);
        if self.fits.get(here..).unwrap_or_default().contains(&fit) {
            return;
        }
        self.fits.push(fit);
        let (number, used) = fit;
        if let Some(Segment::AnyDepth) = self.segments(number).get(used) {
            self.fit((number, used + 1));
        }
    }

    fn segments(&self, number: usize) -> &'j [Segment] {
        self.rules.places.get(number).map_or(&[], |rule| PointerPattern::segments(&rule.pattern))
    }
}

/// Indices are stable's.
fn is_step(name: &str, step: Step<'_>) -> bool {
    match step {
        Step::Key(key) => name == key,
        Step::Index(index, _) => {
            let is_plain = name == "0" || !name.starts_with(['0', '+']);
            is_plain && name.parse() == Ok(index)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::compare::PlaceRule;

    fn rules<const N: usize>(places: [(&str, Effect); N]) -> CompareRules {
        let places = places.map(|(at, effect)| PlaceRule::always(at.parse().unwrap(), effect));
        CompareRules { places: places.into(), ..CompareRules::default() }
    }

    fn root(rules: &CompareRules) -> Place<'_> {
        Place::root(rules, &Method::GET, 200)
    }

    fn is_ignored(place: &Place<'_>) -> bool {
        matches!(place.verdict(), Verdict::Ignored(_))
    }

    #[test]
    fn array_rules_apply_where_they_fit_and_the_first_wins() {
        let keyed = || ArrayRule::Keyed(["id".into()].into());
        let rules = rules([("/a", Effect::Array(ArrayRule::Set)), ("/**", Effect::Array(keyed()))]);
        let mut place = root(&rules);
        let here = |place: &Place<'_>| place.array_rule().unwrap().1.clone();
        assert_eq!(here(&place), keyed());
        place.enter(Step::Key("a"));
        assert_eq!(here(&place), ArrayRule::Set);
        place.enter(Step::Index(0, 0));
        assert_eq!(here(&place), keyed());
        place.leave();
        assert_eq!(here(&place), ArrayRule::Set);
        place.rewind(0);
        assert_eq!(here(&place), keyed());
    }

    #[test]
    fn to_ignore_a_place_beats_to_see_whether_it_is_there() {
        let rules = rules([("/a", Effect::PresenceOnly), ("/*", Effect::Ignore)]);
        let mut place = root(&rules);
        place.enter(Step::Key("a"));
        assert_eq!(place.verdict(), Verdict::Ignored(1));
        assert!(!place.is_free());
        place.enter(Step::Key("b"));
        assert!(place.is_free());
    }

    #[test]
    fn indices_match_their_plain_spelling_only() {
        for (pattern, index, ignored) in
            [("/3", 3, true), ("/03", 3, false), ("/0", 0, true), ("/+3", 3, false)]
        {
            let rules = rules([(pattern, Effect::Ignore)]);
            let mut place = root(&rules);
            place.enter(Step::Index(index, 9));
            assert_eq!(is_ignored(&place), ignored, "{pattern}");
        }
    }

    proptest! {
        /// Following a pattern step by step finds what matching the whole place does.
        #[test]
        fn following_agrees_with_matching(
            pattern in "(/(a|b|\\*|\\*\\*)){1,5}",
            names in prop::collection::vec("[ab]", 0..6),
        ) {
            let rules = rules([(&pattern, Effect::Ignore)]);
            let mut place = root(&rules);
            for name in &names {
                place.enter(Step::Key(name));
            }
            let matches = rules.places[0].pattern.matches(names.iter().map(String::as_str));
            prop_assert_eq!(is_ignored(&place), matches);
            for _ in &names {
                place.leave();
            }
            prop_assert_eq!(place.fits.len(), root(&rules).fits.len());
        }
    }
}
