//! Where do two JSON values differ, and how many fields are they? Both trees side by side.

use super::findings::{Findings, OverBudget};
use super::json::{Json, Member};
use super::lenient::{self, Allowed};
use super::place::{Place, Step, Verdict};
use super::relation::{class, scalars};
use super::rules::{ArrayRule, CompareRules, Numbers};
use super::template::{pointer, template};
use super::{Difference, DifferenceKind, Fields, Location, Relation, ValueClass, number, texts};

/// What a difference costs, in steps: its path is written down.
const REPORT_STEPS: usize = 100;

/// Patterns that are followed in the time of one step.
pub(super) const PATTERNS_PER_STEP: usize = 4;

/// Why a walk ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bounds are reached.
    OverBudget,
    /// Something differs, and that was the question.
    Differs,
}

impl From<OverBudget> for Stop {
    fn from(_: OverBudget) -> Self {
        Self::OverBudget
    }
}

/// Two bodies being walked through, stable on the left.
#[derive(Debug)]
pub(super) struct Walk<'j, 'f> {
    pub(super) place: Place<'j>,
    pub(super) findings: &'f mut Findings,
    rules: &'j CompareRules,
    /// How many questions deep whether two parts are the same at all; the first difference answers one.
    questions: u32,
    /// Whether differences are only counted, under one that is told for all of them.
    is_summing: bool,
}

impl<'j, 'f> Walk<'j, 'f> {
    pub(super) fn new(place: Place<'j>, findings: &'f mut Findings) -> Self {
        let rules = place.rules();
        Self { place, findings, rules, questions: 0, is_summing: false }
    }

    /// Compares two values at the current place.
    pub(super) fn values(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<(), Stop> {
        self.spend(1 + self.place.patterns() / PATTERNS_PER_STEP)?;
        match self.place.verdict() {
            Verdict::LookedAt => {}
            Verdict::Ignored(rule) => return self.ignore(rule, left, Some(right)),
            Verdict::PresenceOnly(rule) => {
                self.findings.tally.used(rule, 1);
                self.equal(1);
                return Ok(());
            }
        }
        match (left, right) {
            (Json::Object(left), Json::Object(right)) if !(left.is_empty() && right.is_empty()) => {
                self.objects(left, right)
            }
            (Json::Array(left), Json::Array(right)) if !(left.is_empty() && right.is_empty()) => {
                match self.array_rule() {
                    ArrayRule::List => self.lists(left, right),
                    ArrayRule::Set => self.sets(left, right),
                    ArrayRule::Keyed(members) => self.keyed(members, left, right),
                }
            }
            _ => self.leaves(left, right),
        }
    }

    /// Compares what stands one step below the current place.
    pub(super) fn below(
        &mut self,
        step: Step<'j>,
        left: &'j Json<'j>,
        right: &'j Json<'j>,
    ) -> Result<(), Stop> {
        self.place.enter(step);
        self.values(left, right)?;
        self.place.leave();
        Ok(())
    }

    /// Whether `look` finds no difference. What it counts stays counted only if so.
    pub(super) fn ask(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        let depth = self.place.steps().len();
        let before = self.findings.tally.bookmark();
        self.questions += 1;
        let found = look(self);
        self.questions -= 1;
        match found {
            Ok(()) => Ok(true),
            Err(Stop::Differs) => {
                self.place.rewind(depth);
                self.findings.tally.rewind(before);
                Ok(false)
            }
            Err(Stop::OverBudget) => Err(Stop::OverBudget),
        }
    }

    /// Counts mismatched fields without telling where they are.
    pub(super) fn sum(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<u64, Stop> {
        let before = self.findings.tally.fields.mismatched;
        let was_summing = std::mem::replace(&mut self.is_summing, true);
        let looked = look(self);
        self.is_summing = was_summing;
        let summed = self.findings.tally.fields.mismatched - before;
        self.findings.tally.fields.mismatched = before;
        looked.map(|()| summed)
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.questions > 0
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Stop> {
        Ok(self.findings.steps.spend(steps)?)
    }

    pub(super) const fn equal(&mut self, fields: u64) {
        self.findings.tally.fields.equal += fields;
    }

    /// Notes a difference at the current place, and the mismatched fields that it stands for.
    pub(super) fn report(
        &mut self,
        kind: DifferenceKind,
        classes: (ValueClass, ValueClass),
        relation: Option<Relation>,
        fields: u64,
    ) -> Result<(), Stop> {
        if self.is_asking() {
            return Err(Stop::Differs);
        }
        if self.is_summing {
            self.findings.tally.fields.mismatched += fields;
            return Ok(());
        }
        self.spend(REPORT_STEPS)?;
        let path = template(self.place.steps().iter());
        let difference = Difference { location: Location::Body, path, kind, classes, relation };
        let steps = self.place.steps();
        self.findings.pinpoint(&difference, || {
            let (stable, candidate) = difference.sides();
            let on = |is_there: bool, side| is_there.then(|| pointer(steps, side));
            (on(stable, Side::Left), on(candidate, Side::Right))
        });
        self.findings.add(difference, fields);
        Ok(())
    }

    /// Notes that only one side has something, one step below the current place.
    pub(super) fn alone(
        &mut self,
        side: Side,
        step: Step<'j>,
        value: &'j Json<'j>,
    ) -> Result<(), Stop> {
        self.spend(1)?;
        self.place.enter(step);
        if let Verdict::Ignored(rule) = self.place.verdict() {
            self.ignore(rule, value, None)?;
        } else if self.is_asking() {
            return Err(Stop::Differs);
        } else {
            let weight = self.weigh(value)?;
            let relation = matches!(value, Json::Null).then_some(Relation::NullVsMissing);
            let (absent, class) = (ValueClass::Absent, class(value));
            let (kind, classes) = match side {
                Side::Left => (DifferenceKind::Missing, (class, absent)),
                Side::Right => (DifferenceKind::Extra, (absent, class)),
            };
            self.findings.tally.fields.ignored += weight.ignored;
            self.report(kind, classes, relation, weight.mismatched.max(1))?;
        }
        self.place.leave();
        Ok(())
    }

    /// The leaves of a value at the current place: those that rules leave out are ignored, the others mismatched.
    pub(super) fn weigh(&mut self, value: &'j Json<'j>) -> Result<Fields, Stop> {
        self.spend(1)?;
        if let Verdict::Ignored(rule) = self.place.verdict() {
            let leaves = self.count(value)?;
            self.findings.tally.used(rule, leaves);
            return Ok(Fields { ignored: leaves, ..Fields::default() });
        }
        if self.place.is_free() {
            return Ok(Fields { mismatched: self.count(value)?, ..Fields::default() });
        }
        let mut sum = Fields::default();
        match value {
            Json::Array(elements) if !elements.is_empty() => {
                for (place, element) in elements.iter().enumerate() {
                    self.place.enter(Step::Index(place, place));
                    sum += self.weigh(element)?;
                    self.place.leave();
                }
            }
            Json::Object(members) if !members.is_empty() => {
                for (key, member) in members {
                    self.place.enter(Step::Key(key));
                    sum += self.weigh(member)?;
                    self.place.leave();
                }
            }
            _ => sum.mismatched = 1,
        }
        Ok(sum)
    }

    fn count(&mut self, value: &Json<'_>) -> Result<u64, Stop> {
        let leaves = value.leaves();
        self.spend(usize::try_from(leaves).unwrap_or(usize::MAX))?;
        Ok(leaves)
    }

    /// The larger side's leaves count, where there are two.
    fn ignore(
        &mut self,
        rule: usize,
        one: &Json<'_>,
        other: Option<&Json<'_>>,
    ) -> Result<(), Stop> {
        let other = other.map_or(Ok(0), |other| self.count(other))?;
        let leaves = self.count(one)?.max(other);
        self.findings.tally.used(rule, leaves);
        self.findings.tally.fields.ignored += leaves;
        Ok(())
    }

    fn array_rule(&mut self) -> &'j ArrayRule {
        let Some((number, rule)) = self.place.array_rule() else { return &ArrayRule::List };
        self.findings.tally.used(number, 1);
        rule
    }

    /// Both are sorted by key.
    fn objects(&mut self, left: &'j [Member<'j>], right: &'j [Member<'j>]) -> Result<(), Stop> {
        let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((one, _)), Some((other, _))) => one.cmp(other),
            };
            let one = if order.is_le() { left.next() } else { None };
            let other = if order.is_ge() { right.next() } else { None };
            match (one, other) {
                (Some((key, one)), Some((_, other))) => self.below(Step::Key(key), one, other)?,
                (Some((key, one)), None) => self.alone(Side::Left, Step::Key(key), one)?,
                (None, Some((key, other))) => self.alone(Side::Right, Step::Key(key), other)?,
                (None, None) => {}
            }
        }
    }

    /// Compares two values of which at least one has nothing below it, or which are of different types.
    fn leaves(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<(), Stop> {
        let is_same = match (left, right) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(one), Json::Bool(other)) => one == other,
            (Json::Number(one), Json::Number(other)) => match self.rules.numbers {
                Numbers::Value => number::same(one, other),
                Numbers::Lexical => one == other,
            },
            (Json::String(one), Json::String(other)) => one == other,
            (Json::Array(_), Json::Array(_)) | (Json::Object(_), Json::Object(_)) => true,
            _ => false,
        };
        let is_same_type = std::mem::discriminant(left) == std::mem::discriminant(right);
        if is_same_type && self.findings.mask.covers(left) {
            return self.masked(!is_same);
        }
        if is_same || is_same_type && self.is_lenient(left, right)? {
            self.equal(1);
            return Ok(());
        }
        if self.is_asking() {
            return Err(Stop::Differs);
        }
        if is_same_type {
            self.findings.learn(left);
            if let (Json::String(left), Json::String(right)) = (left, right) {
                self.spend(texts::price(left, right))?;
            }
            let relation = scalars(left, right);
            return self.report(DifferenceKind::Value, (class(left), class(right)), relation, 1);
        }
        self.other_type(left, right)
    }

    /// A rule costs more than a step to ask: its expression reads the text.
    fn is_lenient(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<bool, Stop> {
        if self.rules.hosts.is_empty() && self.place.is_free() {
            return Ok(false);
        }
        self.spend(lenient::price(left) + lenient::price(right))?;
        let allowed = lenient::allows(self.rules, &self.place.leniencies(), left, right);
        if let Some(Allowed::By(rule)) = allowed {
            self.findings.tally.used(rule, 1);
        }
        Ok(allowed.is_some())
    }

    fn masked(&mut self, candidate_differs: bool) -> Result<(), Stop> {
        self.spend(REPORT_STEPS)?;
        let path = template(self.place.steps().iter());
        self.findings.tally.masked(Location::Body, path, candidate_differs);
        Ok(())
    }

    fn other_type(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<(), Stop> {
        let relation = match (left, right) {
            (Json::Array(array), other) | (other, Json::Array(array)) => match array.as_slice() {
                [single] if self.is_same(single, other)? => Some(Relation::SingletonWrap),
                _ => None,
            },
            _ => scalars(left, right),
        };
        let (one, other) = (self.weigh(left)?, self.weigh(right)?);
        let weight = if other.all() > one.all() { other } else { one };
        self.findings.tally.fields.ignored += weight.ignored;
        let classes = (class(left), class(right));
        self.report(DifferenceKind::Type, classes, relation, weight.mismatched.max(1))
    }

    /// Whether two values at the current place are the same, whatever a twin showed there: what is only masked is not the
    /// same. Nothing is counted.
    fn is_same(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<bool, Stop> {
        let before = self.findings.tally.bookmark();
        let mask = std::mem::take(&mut self.findings.mask);
        let is_same = self.ask(|walk| walk.values(left, right));
        self.findings.mask = mask;
        self.findings.tally.rewind(before);
        is_same
    }
}

/// Which of the two answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Stable's.
    Left,
    /// The candidate's.
    Right,
}
