//! How many fields were looked at, and what came of them? Counts that add up, of one exchange or of many.
//!
//! A field is a leaf of the aligned union of both bodies: a scalar, `{}` or `[]`. A missing subtree counts all its
//! leaves, another type the larger side's. The status is one field, as is each compared header, each order that is
//! found to differ, and a body that is not looked into. Where the statuses differ, stable's fields are all mismatched.

use std::iter::Sum;
use std::ops::{Add, AddAssign, SubAssign};

/// Fields by what came of them.
///
/// ```
/// use rules::compare::Fields;
/// let one = Fields { equal: 7, mismatched: 1, ignored: 2, masked: 0 };
/// assert_eq!((one.all(), one.compared()), (10, 8));
/// assert_eq!((one + one).mismatched, 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields {
    /// The same on both sides.
    pub equal: u64,
    /// Not the same.
    pub mismatched: u64,
    /// Not looked at, because a rule says so.
    pub ignored: u64,
    /// Looked at for their type only, because two answers of stable differ there too.
    pub masked: u64,
}

impl Fields {
    /// All fields.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.equal + self.mismatched + self.ignored + self.masked
    }

    /// The fields that count: what the field mismatch rate is a share of. Those compared, by those of all, are the
    /// coverage.
    #[must_use]
    pub const fn compared(self) -> u64 {
        self.equal + self.mismatched
    }

    /// The same with so many of the mismatched fields taken for noise: masked, after all.
    #[must_use]
    pub fn excusing(self, fields: u64) -> Self {
        let excused = fields.min(self.mismatched);
        Self { mismatched: self.mismatched - excused, masked: self.masked + excused, ..self }
    }
}

impl Add for Fields {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            equal: self.equal + more.equal,
            mismatched: self.mismatched + more.mismatched,
            ignored: self.ignored + more.ignored,
            masked: self.masked + more.masked,
        }
    }
}

impl AddAssign for Fields {
    fn add_assign(&mut self, more: Self) {
        *self = *self + more;
    }
}

impl SubAssign for Fields {
    fn sub_assign(&mut self, less: Self) {
        self.equal -= less.equal;
        self.mismatched -= less.mismatched;
        self.ignored -= less.ignored;
        self.masked -= less.masked;
    }
}

impl Sum for Fields {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// A rule's number among those of its route, and how many fields of one exchange it applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleUse {
    /// Which rule: its place in [`CompareRules::places`](super::CompareRules::places).
    pub rule: usize,
    /// Fields that it kept from being compared as they are; for a rule on arrays, the arrays.
    pub fields: u64,
}

/// A place where two answers of stable itself differ by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The part of the answer and the path, as a signature has them.
    pub location: super::Location,
    /// A path as in [`Difference::path`](super::Difference::path).
    pub path: Box<str>,
    /// How many fields were masked there.
    pub fields: u32,
    /// Whether the candidate's value differs there as well.
    pub candidate_differs: bool,
}
