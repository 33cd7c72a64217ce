//! When may a rollout go on? Windows of the week and freezes, each in a time zone, daylight saving included.

use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// How many times a search for an open moment goes on from the end of a freeze or to the start of a window.
const MOST_LEAPS: usize = 64;
/// A window opens at least once in so many days.
const A_WEEK: i64 = 8;

/// Why a text is not a window, a date or a time zone; Display says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Not of the form.
    #[error(
        "{0:?} is not a window: write days, hours and a time zone, such as `Mon-Thu 09:00-16:00 Europe/Berlin`"
    )]
    Form(String),
    /// Not a day of the week.
    #[error("{0:?} is not a day of the week: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")]
    Day(String),
    /// Not a time of day.
    #[error(
        "{0:?} is not a time of day: write hours and minutes, such as `09:00`, or `24:00` for the day's end"
    )]
    Clock(String),
    /// Not a time zone.
    #[error(
        "{0:?} is not a time zone: write a name of the IANA database, such as `Europe/Berlin` or `UTC`"
    )]
    Zone(String),
    /// Not a date.
    #[error("{0:?} is not a date: write `2026-12-20`, or with a time `2026-12-20T18:00`")]
    Date(String),
}

/// When a rollout may go on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calendar {
    /// In one of these; always where there are none.
    pub only: Vec<Window>,
    /// But in none of these.
    pub freezes: Vec<Freeze>,
}

/// Hours of some days of the week.
///
/// ```
/// use config::plan::Window;
/// let window: Window = "Mon-Thu 09:00-16:00 Europe/Berlin".parse().unwrap();
/// // Winter time on the Friday, summer time on the Monday after.
/// assert!(!window.is_open("2026-03-27T10:00:00Z".parse().unwrap()));
/// assert!(window.is_open("2026-03-30T07:00:00Z".parse().unwrap()));
/// assert!(!window.is_open("2026-03-30T14:00:00Z".parse().unwrap()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    /// None is the day's end.
    until: Option<Time>,
    zone: TimeZone,
}

/// A time in which nothing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freeze {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl Calendar {
    /// Whether a rollout may go on at this moment.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.frozen_until(now).is_none() && self.is_within(now)
    }

    fn is_within(&self, now: Timestamp) -> bool {
        self.only.is_empty() || self.only.iter().any(|window| window.is_open(now))
    }

    /// The end of the freeze that this moment is in.
    #[must_use]
    pub fn frozen_until(&self, now: Timestamp) -> Option<Timestamp> {
        let holds = |freeze: &&Freeze| (freeze.from..freeze.until).contains(&now);
        self.freezes.iter().filter(holds).map(|freeze| freeze.until).max()
    }

    /// The first moment from now on at which a rollout may go on; none where there is none for years.
    #[must_use]
    pub fn next_open(&self, now: Timestamp) -> Option<Timestamp> {
        let mut at = now;
        for _ in 0..MOST_LEAPS {
            if let Some(until) = self.frozen_until(at) {
                at = until;
            } else if self.is_within(at) {
                return Some(at);
            } else {
                at = self.only.iter().filter_map(|window| window.next_start(at)).min()?;
            }
        }
        None
    }

    /// The longest time, in the weeks to come, for which it is closed without a break.
    #[must_use]
    pub fn longest_closed(&self, now: Timestamp) -> SignedDuration {
        let mut longest = SignedDuration::ZERO;
        let mut closings: Vec<Timestamp> = self.freezes.iter().map(|freeze| freeze.from).collect();
        closings.extend(self.only.iter().flat_map(|window| window.ends(now)));
        closings.retain(|closing| *closing >= now);
        closings.push(now);
        for closing in closings {
            let Some(open) = self.next_open(closing) else { return SignedDuration::MAX };
            longest = longest.max(open.duration_since(closing));
        }
        longest
    }
}

impl Window {
    /// Whether this moment is within.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned(self.zone.clone());
        let (day, time) = (local.weekday(), local.time());
        let today = self.days.contains(&day);
        match self.until {
            None => today && time >= self.from,
            Some(until) if until > self.from => today && (self.from..until).contains(&time),
            // Past midnight it belongs to the day that it began on.
            Some(until) => {
                let yesterday = self.days.contains(&day.previous());
                (today && time >= self.from) || (yesterday && time < until)
            }
        }
    }

    fn dates(&self, after: Timestamp) -> impl Iterator<Item = Date> + use<'_> {
        let today = after.to_zoned(self.zone.clone()).date();
        let dates = (-1..=A_WEEK).filter_map(move |days| today.checked_add(days.days()).ok());
        dates.filter(|date| self.days.contains(&date.weekday()))
    }

    fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        let starts = self.dates(after).filter_map(|date| self.moment(date.to_datetime(self.from)));
        starts.filter(|start| *start > after).min()
    }

    fn ends(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + use<'_> {
        self.dates(after).filter_map(|date| {
            let next = date.tomorrow().ok()?;
            let end = match self.until {
                None => next.to_datetime(Time::midnight()),
                Some(until) if until > self.from => date.to_datetime(until),
                Some(until) => next.to_datetime(until),
            };
            self.moment(end)
        })
    }

    /// A local time that daylight saving leaves out is the moment at which the clock leaps.
    fn moment(&self, local: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(local);
        if let AmbiguousOffset::Gap { .. } = ambiguous.offset() {
            let leap = self.zone.following(ambiguous.earlier().ok()?).next()?;
            return Some(leap.timestamp());
        }
        ambiguous.compatible().ok()
    }
}

impl FromStr for Window {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let form = || CalendarError::Form(text.to_owned());
        let [days, hours, zone] = words.as_slice() else { return Err(form()) };
        let (from, until) = hours.split_once('-').ok_or_else(form)?;
        let until = if until == "24:00" { None } else { Some(clock(until)?) };
        Ok(Self { days: weekdays(days)?, from: clock(from)?, until, zone: time_zone(zone)? })
    }
}

impl Freeze {
    /// A freeze between two local dates, or dates and times.
    ///
    /// # Errors
    /// When one of them is not a date, or the zone none.
    pub fn parse(from: &str, until: &str, zone: &str) -> Result<Self, CalendarError> {
        let zone = time_zone(zone)?;
        Ok(Self { from: moment(from, &zone)?, until: moment(until, &zone)? })
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

/// `Mon-Thu`, `Sat`, or `Mon,Wed,Fri`; a range may go over the week's end.
fn weekdays(text: &str) -> Result<Vec<Weekday>, CalendarError> {
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (weekday(first)?, weekday(last)?);
        days.push(day);
        while day != last {
            day = day.next();
            days.push(day);
        }
    }
    Ok(days)
}

fn weekday(text: &str) -> Result<Weekday, CalendarError> {
    let known = DAYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, day)| *day).ok_or_else(|| CalendarError::Day(text.to_owned()))
}

fn clock(text: &str) -> Result<Time, CalendarError> {
    let wrong = || CalendarError::Clock(text.to_owned());
    let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<i8>().ok().filter(|_| text.len() == 2);
    let (hours, minutes) = (number(hours).ok_or_else(wrong)?, number(minutes).ok_or_else(wrong)?);
    Time::new(hours, minutes, 0, 0).ok().ok_or_else(wrong)
}

fn time_zone(text: &str) -> Result<TimeZone, CalendarError> {
    TimeZone::get(text).ok().ok_or_else(|| CalendarError::Zone(text.to_owned()))
}

fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, CalendarError> {
    let wrong = || CalendarError::Date(text.to_owned());
    let date = || text.parse::<Date>().map(|date| date.to_datetime(Time::midnight()));
    let local = if text.contains('T') { text.parse::<DateTime>() } else { date() };
    let local = local.ok().ok_or_else(wrong)?;
    Ok(zone.to_zoned(local).ok().ok_or_else(wrong)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calendar(only: &[&str], freezes: &[(&str, &str)]) -> Calendar {
        let only = only.iter().map(|text| text.parse().unwrap()).collect();
        let freeze =
            |(from, until): &(&str, &str)| Freeze::parse(from, until, "Europe/Berlin").unwrap();
        Calendar { only, freezes: freezes.iter().map(freeze).collect() }
    }

    #[test]
    fn windows_follow_the_local_clock_over_daylight_saving() {
        let working = calendar(&["Mon-Fri 09:00-16:00 Europe/Berlin"], &[]);
        // Summer time ends on 25 October 2026.
        assert_eq!(working.next_open(at("2026-10-23T14:00:00Z")), Some(at("2026-10-26T08:00:00Z")));
        assert_eq!(working.next_open(at("2026-10-22T14:00:00Z")), Some(at("2026-10-23T07:00:00Z")));
        assert_eq!(
            working.longest_closed(at("2026-10-19T00:00:00Z")),
            SignedDuration::from_hours(66)
        );
        let night =
            calendar(&["Sat 02:30-03:30 Europe/Berlin", "Sun 02:30-03:30 Europe/Berlin"], &[]);
        // On 29 March 2026 there is no half past two.
        assert_eq!(night.next_open(at("2026-03-28T12:00:00Z")), Some(at("2026-03-29T01:00:00Z")));
    }

    #[test]
    fn a_window_past_midnight_belongs_to_the_day_it_began_on() {
        let night = calendar(&["Fri 22:00-04:00 UTC"], &[]);
        for (moment, open) in [
            ("2026-11-20T21:59:59Z", false),
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T03:59:59Z", true),
            ("2026-11-21T04:00:00Z", false),
            ("2026-11-21T23:00:00Z", false),
        ] {
            assert_eq!(night.is_open(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn a_freeze_stands_before_every_window() {
        let frozen = calendar(&["Mon-Sun 00:00-24:00 UTC"], &[("2026-12-20", "2027-01-04")]);
        assert!(frozen.is_open(at("2026-12-19T22:59:59Z")));
        assert!(!frozen.is_open(at("2026-12-19T23:00:00Z")));
        assert_eq!(frozen.next_open(at("2026-12-24T00:00:00Z")), Some(at("2027-01-03T23:00:00Z")));
        assert_eq!(
            frozen.longest_closed(at("2026-12-01T00:00:00Z")),
            SignedDuration::from_hours(15 * 24)
        );
    }

    #[test]
    fn without_a_word_it_is_always_open() {
        let always = Calendar::default();
        assert_eq!(always.next_open(at("2026-12-24T00:00:00Z")), Some(at("2026-12-24T00:00:00Z")));
        assert_eq!(always.longest_closed(at("2026-12-01T00:00:00Z")), SignedDuration::ZERO);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, says) in [
            ("Mon-Thu 09:00-16:00", "is not a window"),
            ("Mon-Thu 09:00 Europe/Berlin", "is not a window"),
            ("Mo-Thu 09:00-16:00 UTC", "\"Mo\" is not a day"),
            ("Mon 9:00-16:00 UTC", "\"9:00\" is not a time of day"),
            ("Mon 09:00-25:00 UTC", "\"25:00\" is not a time of day"),
            ("Mon 09:00-16:00 Berlin", "\"Berlin\" is not a time zone"),
        ] {
            let error = text.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(
            Freeze::parse("20.12.", "2026-12-21", "UTC").unwrap_err().to_string().contains("date")
        );
    }
}
