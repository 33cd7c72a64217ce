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
    /// A field after the body.
    Trailer,
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
    /// A timestamp and a date.
    DatetimeVsDate,
    /// The same time of the same day, once with an offset from UTC and once without.
    MissingTimezone,
    /// The same number, written in another way.
    EqualLexicallyDifferent,
    /// Two numbers that binary floating point (IEEE 754, 64 bits) cannot tell apart.
    NumberEqualAsF64,
    /// Equal when rounded.
    NumberRounding,
    /// Two numbers less than a millionth apart.
    NumberClose,
    /// Equal but for the sign.
    NumberSign,
    /// One is a thousand times the other: seconds and milliseconds, grams and kilograms.
    NumberScale1000,
    /// One is a hundred times the other: units and cents, shares and percentages.
    NumberScale100,
    /// A number, and the same number as a string.
    NumberVsNumericString,
    /// A truth value, and the same as a string.
    BoolVsString,
    /// `null` on one side, nothing on the other.
    NullVsMissing,
    /// An empty text on one side, words on the other.
    EmptyVsValue,
    /// Two UUIDs.
    BothUuid,
    /// Two URLs that differ in their host only.
    UrlHostOnly,
    /// Two URLs that differ in their scheme only.
    UrlSchemeOnly,
    /// Two URLs with the same parameters in another order.
    UrlQueryOrder,
    /// Equal when percent-encoding (RFC 3986 section 2.1) is undone.
    PercentEncoding,
    /// Equal when HTML's character references are resolved.
    HtmlEntity,
    /// Equal but for the padding of Base64.
    Base64Padding,
    /// Equal but for how lines end.
    NewlineStyle,
    /// The same text in another normal form of Unicode (UAX 15: NFC).
    UnicodeNormalForm,
    /// Texts that only compatibility tells apart (UAX 15: NFKC).
    UnicodeCompatForm,
    /// Two JSON texts in one string each that say the same.
    EmbeddedJsonEqual,
    /// One is how the other begins.
    Truncated,
    /// The same elements in another order.
    SortedEqual,
    /// One is an array that holds just the other.
    SingletonWrap,
    /// Two texts of different sorts.
    ClassChanged,
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

            /// The one of this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names!(Location { Status => "status", Header => "header", Body => "body", Trailer => "trailer" });
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
    DatetimeVsDate => "datetime_vs_date",
    MissingTimezone => "missing_timezone",
    EqualLexicallyDifferent => "equal_lexically_different",
    NumberEqualAsF64 => "number_equal_as_f64",
    NumberRounding => "number_rounding",
    NumberClose => "number_close",
    NumberSign => "number_sign",
    NumberScale1000 => "number_scale_1000",
    NumberScale100 => "number_scale_100",
    NumberVsNumericString => "number_vs_numeric_string",
    BoolVsString => "bool_vs_string",
    NullVsMissing => "null_vs_missing",
    EmptyVsValue => "empty_vs_value",
    BothUuid => "both_uuid",
    UrlHostOnly => "url_host_only",
    UrlSchemeOnly => "url_scheme_only",
    UrlQueryOrder => "url_query_order",
    PercentEncoding => "percent_encoding",
    HtmlEntity => "html_entity",
    Base64Padding => "base64_padding",
    NewlineStyle => "newline_style",
    UnicodeNormalForm => "unicode_normal_form",
    UnicodeCompatForm => "unicode_compat_form",
    EmbeddedJsonEqual => "embedded_json_equal",
    Truncated => "truncated",
    SortedEqual => "sorted_equal",
    SingletonWrap => "singleton_wrap",
    ClassChanged => "class_changed",
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

/// A signature as one exchange showed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The signature.
    pub difference: Difference,
    /// How many of the exchange's mismatched fields it stands for: a missing subtree is as many as it had leaves.
    pub fields: u32,
}

/// A difference with its very places. They may hold ids of anybody, so this is for whoever has both answers before
/// them anyway; it never goes into a report. (INV-12)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinpoint {
    /// The signature.
    pub difference: Difference,
    /// The place in stable's answer: a JSON pointer, a header's name, or nothing where it is missing there.
    pub stable: Option<Box<str>>,
    /// The place in the candidate's answer.
    pub candidate: Option<Box<str>>,
}

impl Difference {
    /// Which sides have something there: stable, the candidate.
    #[must_use]
    pub fn sides(&self) -> (bool, bool) {
        (self.classes.0 != ValueClass::Absent, self.classes.1 != ValueClass::Absent)
    }
}
