//! Where and how do two answers differ? Positions, kinds and hints: never a value. (INV-12)

use std::fmt;

/// Which part of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// The status code.
    Status,
    /// A header field.
    Header,
    /// The body.
    Body,
}

/// In which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// Another value of the same type.
    Value,
    /// Another type.
    Type,
    /// Only stable has it.
    Missing,
    /// Only the candidate has it.
    Extra,
    /// The same elements in another order.
    Order,
    /// An element lacks the member that its array is keyed by.
    KeyMissing,
    /// Only one side can be parsed.
    Unparseable,
    /// Another number of elements or bytes.
    Length,
}

/// A hint at what the two values have to do with each other, which gives neither away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// Equal but for upper and lower case.
    CaseOnly,
    /// Equal but for blanks.
    WhitespaceOnly,
    /// Two spellings of the same moment.
    SameInstant,
    /// Two moments at most two seconds apart.
    DatetimeClose,
    /// Two timestamps.
    BothDatetime,
    /// Equal when rounded.
    NumberRounding,
    /// A number, and the same number as a string.
    NumberVsNumericString,
    /// `null` on one side, nothing on the other.
    NullVsMissing,
    /// Two UUIDs.
    BothUuid,
    /// Two URLs that differ in scheme or host only.
    UrlHostOnly,
    /// One is how the other begins.
    Truncated,
    /// The same elements in another order.
    SortedEqual,
    /// One is an array that holds just the other.
    SingletonWrap,
}

/// What sort of value stands somewhere, as far as may be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueClass {
    /// Nothing.
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string, none of the below.
    String,
    /// A string that is a timestamp or a date.
    Datetime,
    /// A string that is a UUID.
    Uuid,
    /// A string that is an absolute URL.
    Url,
    /// A string of digits.
    NumericString,
    /// An array.
    Array,
    /// An object.
    Object,
    /// Bytes or text that were not looked into.
    Opaque,
}

macro_rules! names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// The name that API, reports and metrics write.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names!(Location { Status => "status", Header => "header", Body => "body" });
names!(DifferenceKind {
    Value => "value",
    Type => "type",
    Missing => "missing",
    Extra => "extra",
    Order => "order",
    KeyMissing => "key_missing",
    Unparseable => "unparseable",
    Length => "length",
});
names!(Relation {
    CaseOnly => "case_only",
    WhitespaceOnly => "whitespace_only",
    SameInstant => "same_instant",
    DatetimeClose => "datetime_close",
    BothDatetime => "both_datetime",
    NumberRounding => "number_rounding",
    NumberVsNumericString => "number_vs_numeric_string",
    NullVsMissing => "null_vs_missing",
    BothUuid => "both_uuid",
    UrlHostOnly => "url_host_only",
    Truncated => "truncated",
    SortedEqual => "sorted_equal",
    SingletonWrap => "singleton_wrap",
});
names!(ValueClass {
    Absent => "absent",
    Null => "null",
    Bool => "bool",
    Number => "number",
    String => "string",
    Datetime => "datetime",
    Uuid => "uuid",
    Url => "url",
    NumericString => "numeric_string",
    Array => "array",
    Object => "object",
    Opaque => "opaque",
});

/// One difference, as a signature: many exchanges that differ in the same way yield the same one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Difference {
    /// Which part.
    pub location: Location,
    /// A header's name, or a JSON pointer (RFC 6901) in which an array's index is `*` and a key that looks like data is
    /// `{*}`.
    pub path: Box<str>,
    /// In which way.
    pub kind: DifferenceKind,
    /// What stable has there, and what the candidate has.
    pub classes: (ValueClass, ValueClass),
    /// What the two have to do with each other.
    pub relation: Option<Relation>,
}
