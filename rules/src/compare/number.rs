//! Are two numbers the same? By their exact value, read off their text: nothing is rounded on the way.

use std::hash::{Hash, Hasher};

use super::Relation;

/// Literals with a larger exponent are compared as text.
const MOST_EXPONENT: i64 = 10_000;

/// Two numbers are close that differ by less than this part of the larger one.
const CLOSE: f64 = 1e-6;

/// A JSON number's value: `0.digits * 10^power`, with neither leading nor trailing zeros.
#[derive(Debug, Clone, Copy)]
struct Decimal<'t> {
    is_negative: bool,
    power: i64,
    /// The digits, in two parts as the point divides them.
    digits: (&'t str, &'t str),
}

impl<'t> Decimal<'t> {
    /// None for an exponent beyond the bound.
    fn read(literal: &'t str) -> Option<Self> {
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let exponent: i64 = exponent.parse().ok().filter(|e: &i64| e.abs() <= MOST_EXPONENT)?;
        let (is_negative, mantissa) =
            mantissa.strip_prefix('-').map_or((false, mantissa), |positive| (true, positive));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.is_empty() {
            let digits = fraction.trim_start_matches('0');
            let power = exponent - length(fraction) + length(digits);
            let is_zero = digits.is_empty();
            let power = if is_zero { 0 } else { power };
            return Some(Self {
                is_negative: is_negative && !is_zero,
                power,
                digits: ("", digits),
            });
        }
        let power = exponent + length(whole);
        let whole = if fraction.is_empty() { whole.trim_end_matches('0') } else { whole };
        Some(Self { is_negative, power, digits: (whole, fraction) })
    }

    fn digits(self) -> impl Iterator<Item = u8> {
        self.digits.0.bytes().chain(self.digits.1.bytes())
    }

    /// The value as an integer of 10^-scale units, where it is small enough.
    fn scaled(self) -> Option<(i128, i64)> {
        let count = length(self.digits.0) + length(self.digits.1);
        let add = |sum: i128, digit: u8| sum.checked_mul(10)?.checked_add(i128::from(digit - b'0'));
        let magnitude = self.digits().try_fold(0, add)?;
        Some((if self.is_negative { -magnitude } else { magnitude }, count - self.power))
    }
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX / 4)
}

/// Whether two literals stand for the same number: 1 = 1.0 = 10e-1.
pub(super) fn same(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let (Some(left), Some(right)) = (Decimal::read(left), Decimal::read(right)) else {
        return false;
    };
    left.is_negative == right.is_negative
        && left.power == right.power
        && left.digits().eq(right.digits())
}

/// Feeds a literal's value to a hasher: equal for all literals of the same number.
pub(super) fn hash_value(literal: &str, hasher: &mut impl Hasher) {
    match Decimal::read(literal) {
        Some(number) => {
            (number.is_negative, number.power).hash(hasher);
            number.digits().for_each(|digit| hasher.write_u8(digit));
        }
        None => literal.hash(hasher),
    }
}

/// Whether one is the other rounded to as many decimals as it has, halves either way.
pub(super) fn is_rounded(left: &str, right: &str) -> bool {
    let scaled = |literal| Decimal::read(literal).and_then(Decimal::scaled);
    let (Some(left), Some(right)) = (scaled(left), scaled(right)) else { return false };
    let (coarse, fine) = if left.1 <= right.1 { (left, right) } else { (right, left) };
    // Trailing zeros of a whole number say nothing of its precision: it is taken to be exact to the unit.
    let coarse_scale = coarse.1.max(0);
    let unit = |scale: i64| 10_i128.checked_pow(u32::try_from(scale).ok()?);
    let off = || {
        let step = unit(fine.1 - coarse_scale)?;
        let coarse = coarse.0.checked_mul(unit(fine.1 - coarse.1)?)?;
        Some((coarse.checked_sub(fine.0)?.checked_abs()?.checked_mul(2)?, step))
    };
    fine.1 > coarse_scale && off().is_some_and(|(twice_off, step)| twice_off <= step)
}

/// What two different numbers have to do with each other.
pub(super) fn relation(left: &str, right: &str) -> Option<Relation> {
    if same(left, right) {
        return Some(Relation::EqualLexicallyDifferent);
    }
    let (one, other) = (left.parse::<f64>().ok()?, right.parse::<f64>().ok()?);
    let is_finite = one.is_finite() && other.is_finite();
    if is_finite && one.to_bits() == other.to_bits() {
        return Some(Relation::NumberEqualAsF64);
    }
    if left.strip_prefix('-').is_some_and(|left| same(left, right))
        || right.strip_prefix('-').is_some_and(|right| same(left, right))
    {
        return Some(Relation::NumberSign);
    }
    if is_within(left, right, 0.0, CLOSE) {
        return Some(Relation::NumberClose);
    }
    if is_rounded(left, right) {
        return Some(Relation::NumberRounding);
    }
    let (left, right) = (Decimal::read(left)?, Decimal::read(right)?);
    let is_scaled = left.is_negative == right.is_negative && left.digits().eq(right.digits());
    match (is_scaled, left.power.abs_diff(right.power)) {
        (true, 3) => Some(Relation::NumberScale1000),
        (true, 2) => Some(Relation::NumberScale100),
        _ => None,
    }
}

/// Whether two numbers are at most so far apart: absolutely, or as a part of the larger magnitude. A distance is a
/// matter of measure, so binary floating point is exact enough; a hair is added for what it cannot hold.
pub(super) fn is_within(left: &str, right: &str, absolute: f64, relative: f64) -> bool {
    let (Ok(left), Ok(right)) = (left.parse::<f64>(), right.parse::<f64>()) else { return false };
    let larger = left.abs().max(right.abs());
    let allowed = absolute.max(relative * larger) + larger * 4.0 * f64::EPSILON;
    larger.is_finite() && (left - right).abs() <= allowed
}

/// Whether a text is a JSON number (RFC 8259 section 6).
pub(super) fn is_literal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        }
        None => (unsigned, "0"),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && digits(fraction)
        && digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A literal, and its value in units of 10^-20: exact, in another way than the code's.
    fn literal() -> impl Strategy<Value = (String, i128)> {
        let zeros = || 0_usize..3;
        (any::<bool>(), 0_u32..30_000, 0_usize..5, -4_i32..5, zeros(), any::<bool>()).prop_map(
            |(negative, digits, decimals, exponent, zeros, capital)| {
                let sign = if negative { "-" } else { "" };
                let text = format!("{digits:0>width$}", width = decimals + 1);
                let (whole, fraction) = text.split_at(text.len() - decimals);
                let whole = whole.trim_start_matches('0');
                let whole = if whole.is_empty() { "0" } else { whole };
                let fraction = format!("{fraction}{}", "0".repeat(zeros));
                let point = if fraction.is_empty() { "" } else { "." };
                let e = if capital { "E" } else { "e" };
                let exponent_text = match exponent {
                    0 => String::new(),
                    _ if capital => format!("{e}{exponent:+}"),
                    _ => format!("{e}{exponent}"),
                };
                let scale =
                    u32::try_from(20 - i32::try_from(decimals).unwrap() + exponent).unwrap();
                let value = i128::from(digits) * 10_i128.pow(scale);
                let value = if negative { -value } else { value };
                (format!("{sign}{whole}{point}{fraction}{exponent_text}"), value)
            },
        )
    }

    fn hash(literal: &str) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        hash_value(literal, &mut hasher);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn equality_is_that_of_exact_rationals(a in literal(), b in literal()) {
            prop_assert!(is_literal(&a.0), "{}", a.0);
            prop_assert_eq!(same(&a.0, &b.0), a.1 == b.1, "{} {}", a.0, b.0);
            prop_assert_eq!(hash(&a.0) == hash(&b.0), a.1 == b.1, "{} {}", a.0, b.0);
        }

        #[test]
        fn other_spellings_are_the_same_number(a in literal(), shift in 1_i32..6) {
            let zeros = "0".repeat(usize::try_from(shift).unwrap());
            let whole = a.1.to_string();
            let text = if a.1 == 0 { format!("0.{zeros}e-7") } else { format!("{whole}{zeros}e-{}", 20 + shift) };
            prop_assert!(same(&a.0, &text), "{} {}", a.0, text);
        }
    }

    #[test]
    fn exponents_beyond_the_bound_are_text() {
        assert!(same("1e10000", "10e9999"));
        assert!(!same("1e10001", "10e10000"));
        assert!(same("1e10001", "1e10001"));
        assert!(!same("1e99999999999999999999", "1e99999999999999999998"));
    }

    #[test]
    fn what_rounds_to_what() {
        for (left, right, rounded) in [
            ("12.345", "12.35", true),
            ("12.345", "12.34", true),
            ("12.344", "12.34", true),
            ("12.346", "12.34", false),
            ("100", "99.6", true),
            ("100", "130", false),
            ("99.99", "9999", false),
            ("1", "2", false),
            ("1e300", "1e-300", false),
            ("-0.5", "0", true),
        ] {
            assert_eq!(is_rounded(left, right), rounded, "{left} {right}");
            assert_eq!(is_rounded(right, left), rounded, "{right} {left}");
        }
    }
}
