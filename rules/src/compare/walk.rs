//! Where do two JSON values differ? Both trees side by side.

use super::findings::{Findings, OverBudget, Steps};
use super::json::{Json, Member};
use super::place::{Place, Step};
use super::relation::{class, scalars};
use super::rules::{ArrayRule, CompareRules};
use super::template::template;
use super::{Difference, DifferenceKind, Location, Relation, ValueClass, number};

/// What a difference costs, in steps: its path is written down.
const REPORT_STEPS: usize = 100;

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
    pub(super) steps: Steps,
    findings: &'f mut Findings,
    /// How many questions deep whether two parts are the same at all; the first difference answers one.
    questions: u32,
}

impl<'j, 'f> Walk<'j, 'f> {
    pub(super) fn new(rules: &'j CompareRules, findings: &'f mut Findings) -> Self {
        Self { place: Place::root(rules), steps: Steps::default(), findings, questions: 0 }
    }

    /// Compares two values at the current place.
    pub(super) fn values(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<(), Stop> {
        self.steps.spend(1)?;
        if self.place.is_ignored() {
            return Ok(());
        }
        match (left, right) {
            (Json::Object(left), Json::Object(right)) => self.objects(left, right),
            (Json::Array(left), Json::Array(right)) => match self.place.array_rule() {
                ArrayRule::List => self.lists(left, right),
                ArrayRule::Set => self.sets(left, right),
                ArrayRule::Keyed(member) => self.keyed(member, left, right),
            },
            (Json::Null, Json::Null) => Ok(()),
            (Json::Bool(one), Json::Bool(other)) if one == other => Ok(()),
            (Json::Number(one), Json::Number(other)) if number::same(one, other) => Ok(()),
            (Json::String(one), Json::String(other)) if one == other => Ok(()),
            _ => self.differ(left, right),
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

    /// Whether two values at the current place are the same.
    pub(super) fn same(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<bool, Stop> {
        self.ask(|walk| walk.values(left, right))
    }

    /// Whether `look` finds no difference. Nothing that it finds is kept.
    pub(super) fn ask(
        &mut self,
        look: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        let depth = self.place.steps().len();
        self.questions += 1;
        let found = look(self);
        self.questions -= 1;
        match found {
            Ok(()) => Ok(true),
            Err(Stop::Differs) => {
                self.place.rewind(depth);
                Ok(false)
            }
            Err(Stop::OverBudget) => Err(Stop::OverBudget),
        }
    }

    pub(super) const fn is_asking(&self) -> bool {
        self.questions > 0
    }

    /// Notes a difference at the current place.
    pub(super) fn report(
        &mut self,
        kind: DifferenceKind,
        classes: (ValueClass, ValueClass),
        relation: Option<Relation>,
    ) -> Result<(), Stop> {
        if self.is_asking() {
            return Err(Stop::Differs);
        }
        if self.findings.is_full() {
            return Ok(());
        }
        self.steps.spend(REPORT_STEPS)?;
        let path = template(self.place.steps().iter());
        self.findings.add(Difference { location: Location::Body, path, kind, classes, relation });
        Ok(())
    }

    /// Notes that only one side has something, one step below the current place.
    pub(super) fn alone(
        &mut self,
        side: Side,
        step: Step<'j>,
        value: &Json<'_>,
    ) -> Result<(), Stop> {
        self.steps.spend(1)?;
        self.place.enter(step);
        if !self.place.is_ignored() {
            let relation = matches!(value, Json::Null).then_some(Relation::NullVsMissing);
            let (absent, class) = (ValueClass::Absent, class(value));
            match side {
                Side::Left => self.report(DifferenceKind::Missing, (class, absent), relation)?,
                Side::Right => self.report(DifferenceKind::Extra, (absent, class), relation)?,
            }
        }
        self.place.leave();
        Ok(())
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

    fn differ(&mut self, left: &'j Json<'j>, right: &'j Json<'j>) -> Result<(), Stop> {
        if self.is_asking() {
            return Err(Stop::Differs);
        }
        let kind = if std::mem::discriminant(left) == std::mem::discriminant(right) {
            DifferenceKind::Value
        } else {
            DifferenceKind::Type
        };
        let relation = match (left, right) {
            (Json::Array(array), other) | (other, Json::Array(array)) => match array.as_slice() {
                [single] if self.same(single, other)? => Some(Relation::SingletonWrap),
                _ => None,
            },
            _ => scalars(left, right),
        };
        self.report(kind, (class(left), class(right)), relation)
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
