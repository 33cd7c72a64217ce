//! Which moment does a text name? RFC 3339, as far as telling two spellings apart needs it.

/// A date, perhaps with a time, perhaps with an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Nanoseconds since 1970-01-01T00:00:00, in UTC where an offset is given.
    pub(super) nanoseconds: i128,
    pub(super) precision: Precision,
}

/// How exactly a moment is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// A day.
    Date,
    /// A time of a day, somewhere.
    Local,
    /// A time of a day with an offset from UTC: one moment for everybody.
    Instant,
}

const NANOS: i128 = 1_000_000_000;

/// Reads `2024-05-06`, `2024-05-06T07:08:09`, `2024-05-06T07:08:09.123+02:00` and the like.
pub(super) fn read(text: &str) -> Option<Moment> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = days(date)?;
    if rest.is_empty() {
        let nanoseconds = days * 86_400 * NANOS;
        return Some(Moment { nanoseconds, precision: Precision::Date });
    }
    let (time, rest) = rest.strip_prefix(['T', 't', ' '])?.split_at_checked(8)?;
    let seconds = seconds(time)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    let offset = match zone {
        "" => None,
        "Z" | "z" => Some(0),
        _ => Some(offset_seconds(zone)?),
    };
    let whole = days * 86_400 + seconds - offset.unwrap_or(0);
    Some(Moment {
        nanoseconds: whole * NANOS + nanoseconds(fraction)?,
        precision: if offset.is_some() { Precision::Instant } else { Precision::Local },
    })
}

/// How many nanoseconds lie between two moments, where both texts name one of the same kind.
pub(super) fn apart(left: &str, right: &str) -> Option<u128> {
    let (left, right) = (read(left)?, read(right)?);
    let is_alike = left.precision == right.precision;
    is_alike.then(|| left.nanoseconds.abs_diff(right.nanoseconds))
}

fn number(text: &str, most: i128) -> Option<i128> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_digits && *number <= most)
}

fn seconds(time: &str) -> Option<i128> {
    let mut parts = time.split(':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let is_time = [hours, minutes, seconds].iter().all(|part| part.len() == 2);
    let hours = number(hours, 23)?;
    let seconds = number(seconds, 60)?;
    let total = hours * 3_600 + number(minutes, 59)? * 60 + seconds;
    (is_time && parts.next().is_none()).then_some(total)
}

fn offset_seconds(zone: &str) -> Option<i128> {
    let (sign, offset) = match zone.strip_prefix('-') {
        Some(offset) => (-1, offset),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = offset.split_once(':').or_else(|| offset.split_at_checked(2))?;
    let minutes = if minutes.is_empty() { "0" } else { minutes };
    Some(sign * (number(hours, 23)? * 3_600 + number(minutes, 59)? * 60))
}

fn nanoseconds(fraction: &str) -> Option<i128> {
    let nine = fraction.get(..9).unwrap_or(fraction);
    number(&format!("{nine:0<9}"), NANOS)
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days(date: &str) -> Option<i128> {
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 || month.len() != 2 || day.len() != 2 {
        return None;
    }
    let (year, month, day) = (number(year, 9_999)?, number(month, 12)?, number(day, 31)?);
    if month == 0 || day == 0 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_moment_are_one_moment() {
        let second = 1_704_164_645 * NANOS;
        for (text, nanoseconds, precision) in [
            ("2024-01-02T03:04:05Z", second, Precision::Instant),
            ("2024-01-02t03:04:05.000z", second, Precision::Instant),
            ("2024-01-02 05:04:05+02:00", second, Precision::Instant),
            ("2024-01-01T22:34:05.25-0430", second + NANOS / 4, Precision::Instant),
            ("2024-01-02T03:04:05.123456789123Z", second + 123_456_789, Precision::Instant),
            ("2024-01-02T03:04:05", second, Precision::Local),
            ("2024-01-02", 1_704_153_600 * NANOS, Precision::Date),
            ("1970-01-01", 0, Precision::Date),
            ("2000-02-29T00:00:00Z", 951_782_400 * NANOS, Precision::Instant),
            ("1969-12-31T23:59:59Z", -NANOS, Precision::Instant),
        ] {
            assert_eq!(read(text), Some(Moment { nanoseconds, precision }), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_moments() {
        for text in [
            "",
            "2024",
            "2024-1-2",
            "2024-13-01",
            "2024-00-01",
            "2024-01-02T",
            "2024-01-02T3:4:5Z",
            "2024-01-02T24:00:00Z",
            "2024-01-02T03:04:05X",
            "2024-01-02T03:04:05+2:x",
            "123-45-678",
            "2024-01-02é",
            "+024-01-02",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
