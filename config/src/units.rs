//! How are shares, times and sizes written? `5%`, `250ms`, `64KiB`, never a bare number.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rules::Share;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

/// Why a text is not a time or a size; Display says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a time.
    #[error("a time is a whole number with its unit, such as `250ms`, `30s`, `5m`, `12h` or `3d`")]
    Time,
    /// Not a size.
    #[error("a size is a whole number with its unit, such as `512B`, `64KiB`, `8MiB` or `1GiB`")]
    Size,
}

/// A length of time: a whole number of `ms`, `s`, `m`, `h` or `d`.
///
/// ```
/// use config::units::Time;
/// let time: Time = "250ms".parse().unwrap();
/// assert_eq!(time.0.as_millis(), 250);
/// assert_eq!("1500ms".parse::<Time>().unwrap().to_string(), "1500ms");
/// assert!("30".parse::<Time>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub Duration);

const TIME_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl FromStr for Time {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let ms = in_units(text, &TIME_UNITS).ok_or(UnitError::Time)?;
        Ok(Self(Duration::from_millis(ms)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_in_units(f, ms, &TIME_UNITS)
    }
}

/// A number of bytes: a whole number of `B`, `KiB`, `MiB` or `GiB`.
///
/// ```
/// use config::units::ByteSize;
/// assert_eq!("64KiB".parse::<ByteSize>().unwrap().0, 65_536);
/// assert!("64kb".parse::<ByteSize>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        in_units(text, &SIZE_UNITS).map(Self).ok_or(UnitError::Size)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, &SIZE_UNITS)
    }
}

/// The text's number times its unit; none where either is wrong or the product is beyond all bounds.
fn in_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(*factor)
        .filter(|total| *total <= u64::from(u32::MAX) * 1_000)
}

fn write_in_units(f: &mut fmt::Formatter<'_>, total: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| total.is_multiple_of(*factor) && total > 0;
    match units.iter().find(fits).or(units.last()) {
        Some((unit, factor)) => write!(f, "{}{unit}", total / factor),
        None => write!(f, "{total}"),
    }
}

/// A share of the traffic, as a percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Percent(pub Share);

impl FromStr for Percent {
    type Err = rules::ShareError;

    fn from_str(text: &str) -> Result<Self, rules::ShareError> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! written_as_text {
    ($type:ident, $right:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct AsText;

                impl Visitor<'_> for AsText {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($right)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
                    }
                }

                deserializer.deserialize_str(AsText)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $right, "pattern": $pattern })
            }
        }
    };
}

written_as_text!(
    Time,
    "a time with its unit, such as `250ms`, `30s`, `5m`, `12h` or `3d`",
    r"^\s*\d+\s*(ms|s|m|h|d)\s*$|\$\{"
);
written_as_text!(
    ByteSize,
    "a size with its unit, such as `512B`, `64KiB`, `8MiB` or `1GiB`",
    r"^\s*\d+\s*(B|KiB|MiB|GiB)\s*$|\$\{"
);
written_as_text!(
    Percent,
    "a share between `0%` and `100%` in steps of `0.01%`, such as `5%`",
    r"^\s*(\d{1,2}(\.\d{1,2}0*)?|100(\.0+)?)\s*%\s*$|\$\{"
);

/// For `#[serde(with = "crate::units::share")]` on a [`Share`].
pub(crate) mod share {
    use super::{Deserialize, Deserializer, Percent, Serialize, Serializer, Share};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(
        share: &Share,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Percent(*share).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Share, D::Error> {
        Percent::deserialize(d).map(|percent| percent.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_has_no_unit_or_a_wrong_one_is_refused() {
        for bad in
            ["", "30", "s", "-1s", "1.5s", "30 seconds", "30S", "1w", "1s2", "99999999999d", "١s"]
        {
            assert_eq!(bad.parse::<Time>(), Err(UnitError::Time), "{bad}");
        }
        for bad in ["", "64", "64kb", "64KB", "64 kib", "KiB", "-1B", "9999999999GiB"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(UnitError::Size), "{bad}");
        }
        assert_eq!(" 2 s ".parse::<Time>().unwrap().0, Duration::from_secs(2));
        assert_eq!("0s".parse::<Time>().unwrap().to_string(), "0ms");
    }

    proptest! {
        #[test]
        fn times_and_sizes_survive_the_way_through_text(number in 0_u64..=u64::from(u32::MAX)) {
            let time = Time(Duration::from_millis(number));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
            let size = ByteSize(number);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
