//! How are two arrays compared? As lists, as sets, or by their elements' keys.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::align::{self, MOST_ALIGNED, Pair};
use super::json::Json;
use super::place::Step;
use super::place::Verdict;
use super::rules::{ArrayRule, Numbers};
use super::walk::{PATTERNS_PER_STEP, Side, Stop, Walk};
use super::{DifferenceKind, Relation, ValueClass, lenient, number};

/// Members by which the elements of a list are told apart where all have one, and no two the same.
const NATURAL_KEYS: [&str; 3] = ["id", "uuid", "key"];
/// Cells of an alignment's table that are filled in the time of one step.
const CELLS_PER_STEP: usize = 16;
/// What a value's print costs, in steps, and what pairing it with another by its print does.
const PRINT_STEPS: usize = 3;
const ARRAYS: (ValueClass, ValueClass) = (ValueClass::Array, ValueClass::Array);

type Elements<'j> = &'j [Json<'j>];
/// The prints of the left and the right elements' keys.
type KeyPrints = (Vec<u64>, Vec<u64>);

impl<'j> Walk<'j, '_> {
    /// Positions matter. Which elements belong together decides only what is to blame.
    pub(super) fn lists(&mut self, left: Elements<'j>, right: Elements<'j>) -> Result<(), Stop> {
        if self.is_asking() {
            return self.pairs(left, right, &align::by_position(left.len(), right.len()));
        }
        if self.is_same_by_position(left, right)? {
            return Ok(());
        }
        if let Some((left_keys, right_keys)) = self.natural_keys(left, right)? {
            let (pairs, is_reordered) = align::by_key(&left_keys, &right_keys);
            self.pairs(left, right, &pairs)?;
            return if is_reordered { self.reordered(None) } else { Ok(()) };
        }
        let (left_prints, right_prints) = (self.prints(left)?, self.prints(right)?);
        if align::is_reordered(&left_prints, &right_prints) {
            self.pairs(left, right, &align::by_key(&left_prints, &right_prints).0)?;
            return self.reordered(Some(Relation::SortedEqual));
        }
        let pairs = if left.len().max(right.len()) <= MOST_ALIGNED {
            self.spend(left.len() * right.len() / CELLS_PER_STEP)?;
            align::by_sequence(&left_prints, &right_prints)
        } else {
            align::by_position(left.len(), right.len())
        };
        self.pairs(left, right, &pairs)
    }

    /// Only which elements there are matters, and how often.
    pub(super) fn sets(&mut self, left: Elements<'j>, right: Elements<'j>) -> Result<(), Stop> {
        let (left_prints, right_prints) = (self.prints(left)?, self.prints(right)?);
        self.pairs(left, right, &align::by_key(&left_prints, &right_prints).0)
    }

    /// Elements belong together that have the same key. Where one has none, the rule cannot be applied, which is a
    /// difference unless all are the same by position; their fields are counted by position then.
    pub(super) fn keyed(
        &mut self,
        members: &'j [Box<str>],
        left: Elements<'j>,
        right: Elements<'j>,
    ) -> Result<(), Stop> {
        if let Some((left_keys, right_keys)) =
            self.keys(members, left)?.zip(self.keys(members, right)?)
        {
            return self.pairs(left, right, &align::by_key(&left_keys, &right_keys).0);
        }
        if self.is_same_by_position(left, right)? {
            return Ok(());
        }
        if self.is_asking() {
            return Err(Stop::Differs);
        }
        let pairs = align::by_position(left.len(), right.len());
        let mismatched = self.sum(|walk| walk.pairs(left, right, &pairs))?;
        self.report(DifferenceKind::KeyMissing, ARRAYS, None, mismatched.max(1))
    }

    fn pairs(
        &mut self,
        left: Elements<'j>,
        right: Elements<'j>,
        pairs: &[Pair],
    ) -> Result<(), Stop> {
        for pair in pairs {
            match *pair {
                Pair::Both(one, other) => {
                    if let Some((left, right)) = left.get(one).zip(right.get(other)) {
                        self.below(Step::Index(one, other), left, right)?;
                    }
                }
                Pair::Left(one) => {
                    if let Some(value) = left.get(one) {
                        self.alone(Side::Left, Step::Index(one, one), value)?;
                    }
                }
                Pair::Right(other) => {
                    if let Some(value) = right.get(other) {
                        self.alone(Side::Right, Step::Index(other, other), value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn reordered(&mut self, relation: Option<Relation>) -> Result<(), Stop> {
        self.report(DifferenceKind::Order, ARRAYS, relation, 1)
    }

    fn is_same_by_position(
        &mut self,
        left: Elements<'j>,
        right: Elements<'j>,
    ) -> Result<bool, Stop> {
        let pairs = align::by_position(left.len(), right.len());
        self.ask(|walk| walk.pairs(left, right, &pairs))
    }

    /// Keys that nobody declared: only where they single out every element, and some are on both sides.
    fn natural_keys(
        &mut self,
        left: Elements<'j>,
        right: Elements<'j>,
    ) -> Result<Option<KeyPrints>, Stop> {
        for name in NATURAL_KEYS {
            let Some(keys) = self.keys(&[name], left)?.zip(self.keys(&[name], right)?) else {
                continue;
            };
            let (left, right) = (sorted(&keys.0), sorted(&keys.1));
            let is_unique = |keys: &[u64]| keys.is_sorted_by(|one, next| one < next);
            let is_shared = left.iter().any(|key| right.binary_search(key).is_ok());
            if is_unique(&left) && is_unique(&right) && is_shared {
                return Ok(Some(keys));
            }
        }
        Ok(None)
    }

    /// The prints of the elements' keys, or none where an element lacks a scalar in one of these places.
    fn keys<M: AsRef<str>>(
        &mut self,
        members: &[M],
        elements: Elements<'j>,
    ) -> Result<Option<Vec<u64>>, Stop> {
        self.spend(elements.len() * members.len())?;
        Ok(elements.iter().map(|element| key_print(element, members)).collect())
    }

    fn prints(&mut self, elements: Elements<'j>) -> Result<Vec<u64>, Stop> {
        let mut prints = Vec::with_capacity(elements.len());
        for (place, element) in elements.iter().enumerate() {
            self.place.enter(Step::Index(place, place));
            prints.push(self.print(element)?);
            self.place.leave();
        }
        Ok(prints)
    }

    /// A value's print: the same for all values that are the same at this place, under its rules.
    fn print(&mut self, value: &'j Json<'j>) -> Result<u64, Stop> {
        self.spend(PRINT_STEPS + self.place.patterns() / PATTERNS_PER_STEP)?;
        match self.place.verdict() {
            Verdict::LookedAt => {}
            Verdict::Ignored(_) | Verdict::PresenceOnly(_) => return Ok(0),
        }
        let mut hasher = DefaultHasher::new();
        match value {
            Json::Array(elements) => {
                let mut prints = self.prints(elements)?;
                if self.place.array_rule().is_some_and(|(_, rule)| *rule != ArrayRule::List) {
                    prints.sort_unstable();
                }
                (b'[', prints).hash(&mut hasher);
            }
            Json::Object(members) => {
                hasher.write_u8(b'{');
                for (key, member) in members {
                    self.place.enter(Step::Key(key));
                    if !matches!(self.place.verdict(), Verdict::Ignored(_)) {
                        (key, self.print(member)?).hash(&mut hasher);
                    }
                    self.place.leave();
                }
            }
            scalar => return self.scalar_print(scalar),
        }
        Ok(hasher.finish())
    }

    fn scalar_print(&mut self, value: &'j Json<'j>) -> Result<u64, Stop> {
        let rules = self.place.rules();
        let mut hasher = DefaultHasher::new();
        if !(rules.hosts.is_empty() && self.place.is_free()) {
            self.spend(lenient::price(value))?;
            std::mem::discriminant(value).hash(&mut hasher);
            if lenient::hash(rules, self.place.leniencies(), value, &mut hasher) {
                return Ok(hasher.finish());
            }
        }
        Ok(match (value, rules.numbers) {
            (Json::Number(literal), Numbers::Lexical) => {
                literal.hash(&mut hasher);
                hasher.finish()
            }
            _ => scalar_print(value),
        })
    }
}

fn key_print<M: AsRef<str>>(element: &Json<'_>, members: &[M]) -> Option<u64> {
    let scalar = |member: &M| {
        let key = pointed(element, member.as_ref())?;
        let is_key = matches!(key, Json::String(_) | Json::Number(_) | Json::Bool(_));
        is_key.then(|| scalar_print(key))
    };
    match members {
        [single] => scalar(single),
        several => {
            let prints = several.iter().map(scalar).collect::<Option<Vec<u64>>>()?;
            let mut hasher = DefaultHasher::new();
            prints.hash(&mut hasher);
            Some(hasher.finish())
        }
    }
}

fn scalar_print(value: &Json<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(value).hash(&mut hasher);
    match value {
        Json::Bool(value) => value.hash(&mut hasher),
        Json::Number(literal) => number::hash_value(literal, &mut hasher),
        Json::String(text) => text.hash(&mut hasher),
        Json::Null | Json::Array(_) | Json::Object(_) => {}
    }
    hasher.finish()
}

/// What a member's name, or a JSON pointer below it, leads to.
fn pointed<'j, 'b>(element: &'j Json<'b>, member: &str) -> Option<&'j Json<'b>> {
    let Some(pointer) = member.strip_prefix('/') else { return self::member(element, member) };
    pointer.split('/').try_fold(element, |value, segment| {
        let name = segment.replace("~1", "/").replace("~0", "~");
        match value {
            Json::Array(elements) => elements.get(name.parse::<usize>().ok()?),
            other => self::member(other, &name),
        }
    })
}

fn member<'j, 'b>(value: &'j Json<'b>, name: &str) -> Option<&'j Json<'b>> {
    let Json::Object(members) = value else { return None };
    let place = members.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
    members.get(place).map(|(_, value)| value)
}

fn sorted(keys: &[u64]) -> Vec<u64> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}
