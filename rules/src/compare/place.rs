//! Where in a body are we, and which rules apply here? Patterns are followed step by step, not searched at each node.

use super::rules::{ArrayRule, CompareRules, PointerPattern, Segment};

/// From a container to something in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'j> {
    Key(&'j str),
    Index(usize),
}

/// A pattern that fits the place so far: its number, and how many of its segments are used up.
type Fit = (usize, usize);

/// A place in a body, and the patterns that may still apply below it.
#[derive(Debug)]
pub(super) struct Place<'j> {
    rules: &'j CompareRules,
    steps: Vec<Step<'j>>,
    /// The fits of all places from the root to here, one after the other.
    fits: Vec<Fit>,
    /// Where the fits of each place begin.
    starts: Vec<usize>,
}

impl<'j> Place<'j> {
    /// The whole body.
    pub(super) fn root(rules: &'j CompareRules) -> Self {
        let mut root = Self { rules, steps: Vec::new(), fits: Vec::new(), starts: vec![0] };
        for number in 0..rules.ignore.len() + rules.arrays.len() {
            root.fit((number, 0));
        }
        root
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

    /// Whether nothing here is looked at.
    pub(super) fn is_ignored(&self) -> bool {
        self.complete().any(|number| number < self.rules.ignore.len())
    }

    /// How an array here is read: by the first rule that fits.
    pub(super) fn array_rule(&self) -> &'j ArrayRule {
        let first = self.complete().filter_map(|n| n.checked_sub(self.rules.ignore.len())).min();
        let rule = first.and_then(|number| self.rules.arrays.get(number));
        rule.map_or(&ArrayRule::List, |(_, rule)| rule)
    }

    fn complete(&self) -> impl Iterator<Item = usize> {
        let here = self.starts.last().copied().unwrap_or(0);
        let fits = self.fits.get(here..).unwrap_or_default().iter();
        fits.filter(|(number, used)| self.segments(*number).len() == *used).map(|(n, _)| *n)
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

    /// Ignored places come first, then arrays.
    fn segments(&self, number: usize) -> &'j [Segment] {
        let rules = self.rules;
        let pattern = rules.ignore.get(number).or_else(|| {
            let array = rules.arrays.get(number.checked_sub(rules.ignore.len())?)?;
            Some(&array.0)
        });
        pattern.map_or(&[], PointerPattern::segments)
    }
}

fn is_step(name: &str, step: Step<'_>) -> bool {
    match step {
        Step::Key(key) => name == key,
        Step::Index(index) => {
            let is_plain = name == "0" || !name.starts_with(['0', '+']);
            is_plain && name.parse() == Ok(index)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ignoring(pattern: &str) -> CompareRules {
        CompareRules { ignore: [pattern.parse().unwrap()].into(), ..CompareRules::default() }
    }

    #[test]
    fn array_rules_apply_where_they_fit_and_the_first_wins() {
        let rule = |pattern: &str, rule| (pattern.parse().unwrap(), rule);
        let rules = CompareRules {
            arrays: [rule("/a", ArrayRule::Set), rule("/**", ArrayRule::Keyed("id".into()))].into(),
            ..CompareRules::default()
        };
        let mut place = Place::root(&rules);
        assert_eq!(place.array_rule(), &ArrayRule::Keyed("id".into()));
        place.enter(Step::Key("a"));
        assert_eq!(place.array_rule(), &ArrayRule::Set);
        place.enter(Step::Index(0));
        assert_eq!(place.array_rule(), &ArrayRule::Keyed("id".into()));
        place.leave();
        assert_eq!(place.array_rule(), &ArrayRule::Set);
        place.rewind(0);
        assert_eq!(place.array_rule(), &ArrayRule::Keyed("id".into()));
    }

    #[test]
    fn indices_match_their_plain_spelling_only() {
        for (pattern, index, ignored) in
            [("/3", 3, true), ("/03", 3, false), ("/0", 0, true), ("/+3", 3, false)]
        {
            let rules = ignoring(pattern);
            let mut place = Place::root(&rules);
            place.enter(Step::Index(index));
            assert_eq!(place.is_ignored(), ignored, "{pattern}");
        }
    }

    proptest! {
        /// Following a pattern step by step finds what matching the whole place does.
        #[test]
        fn following_agrees_with_matching(
            pattern in "(/(a|b|\\*|\\*\\*)){1,5}",
            names in prop::collection::vec("[ab]", 0..6),
        ) {
            let rules = ignoring(&pattern);
            let mut place = Place::root(&rules);
            for name in &names {
                place.enter(Step::Key(name));
            }
            let matches = rules.ignore[0].matches(names.iter().map(String::as_str));
            prop_assert_eq!(place.is_ignored(), matches);
            for _ in &names {
                place.leave();
            }
            prop_assert_eq!(place.fits.len(), Place::root(&rules).fits.len());
        }
    }
}
