//! Which values of a difference may be kept? Of routes that opted in, some, short, and without what is redacted. (INV-12)

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::findings::Findings;
use super::headers::joined;
use super::json::Json;
use super::place::{Place, Step, Verdict};
use super::{CompareRules, Difference, DifferenceKind, Location, Pinpoint};

/// Samples of one exchange. Other exchanges show the other differences.
const MOST_SAMPLES: usize = 16;
/// Bytes of one value, as it is written; the rest is cut off.
const MOST_VALUE_BYTES: usize = 512;
/// Bytes of one place. A longer one is told by its signature.
const MOST_PLACE_BYTES: usize = 1_024;
/// What stands where a value was.
const REDACTED: &str = "\"[redacted]\"";
/// What stands where the rest was.
const CUT: &str = "\u{2026}";

/// What a route that opted in keeps of its differences.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplePolicy {
    /// How long a sample is kept.
    pub time_to_live: Duration,
    /// What is not kept: the places and headers that these rules would not look at.
    pub redacted: CompareRules,
}

/// The values of one difference in one exchange.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    /// The signature.
    pub difference: Difference,
    /// What stable had there; none where it had nothing.
    pub stable: Option<SampledValue>,
    /// What the candidate had.
    pub candidate: Option<SampledValue>,
}

/// One side of a sample.
#[derive(Clone, PartialEq, Eq)]
pub struct SampledValue {
    /// A JSON pointer, or a header's name; the signature's path where the value is redacted.
    pub place: Box<str>,
    /// The value: of a body as JSON, of a header as it came; none where it is redacted. What is too long ends in `…`.
    pub value: Option<Box<str>>,
}

/// Values are for whoever opens a sealed sample, and for no log. (INV-12)
impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample").field("difference", &self.difference).finish_non_exhaustive()
    }
}

impl fmt::Debug for SampledValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[value]")
    }
}

/// The samples of one exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// By which policy they were taken.
    pub policy: Arc<SamplePolicy>,
    /// One per signature.
    pub taken: Vec<Sample>,
    /// Signatures that there was no room for. (INV-7)
    pub left_out: u64,
}

impl Samples {
    pub(super) const fn by(policy: Arc<SamplePolicy>) -> Self {
        Self { policy, taken: Vec::new(), left_out: 0 }
    }

    fn add(
        &mut self,
        pinpoint: &Pinpoint,
        look: impl FnOnce(&SamplePolicy) -> [Option<SampledValue>; 2],
    ) {
        if self.taken.iter().any(|taken| taken.difference == pinpoint.difference) {
            return;
        }
        if self.taken.len() >= MOST_SAMPLES {
            self.left_out += 1;
            return;
        }
        let [stable, candidate] = look(&self.policy);
        let difference = pinpoint.difference.clone();
        self.taken.push(Sample { difference, stable, candidate });
    }
}

/// Takes what fields of header and trailer differ in.
pub(super) fn of_fields(
    location: Location,
    (stable, candidate): (&HeaderMap, &HeaderMap),
    findings: &mut Findings,
) {
    findings.sample(location, |pinpoint, samples| {
        let name = &*pinpoint.difference.path;
        // A cookie's path is no header's name: its value is nobody's business, whatever the policy says.
        if name.contains(':') {
            return;
        }
        samples.add(pinpoint, |policy| {
            let is_redacted = is_credential(name)
                || policy.redacted.ignore_headers.iter().any(|redacted| redacted == name);
            [stable, candidate].map(|headers| {
                let value = joined(headers, name)?;
                let value = (!is_redacted).then(|| cut(value).into());
                Some(SampledValue { place: name.into(), value })
            })
        });
    });
}

/// Takes what two trees differ in.
pub(super) fn of_trees(stable: &Json<'_>, candidate: &Json<'_>, findings: &mut Findings) {
    findings.sample(Location::Body, |pinpoint, samples| {
        samples.add(pinpoint, |policy| {
            let sides = [(stable, &pinpoint.stable), (candidate, &pinpoint.candidate)];
            let written = sides.map(|(tree, pointer)| {
                let pointer = pointer.as_deref()?;
                Some((pointer, written(tree, pointer, &policy.redacted)))
            });
            // Where one side may not be told, nor may the other: it is the same member of another element.
            let is_redacted = written.iter().flatten().any(|(_, value)| value.is_none());
            // A value of another type is not built as the patterns expect: what they leave out could stand anywhere in it.
            let is_unlike = pinpoint.difference.kind == DifferenceKind::Type;
            let is_redacted = is_redacted || is_unlike && !policy.redacted.places.is_empty();
            written.map(|side| {
                let (pointer, value) = side?;
                let is_place = !is_redacted && pointer.len() <= MOST_PLACE_BYTES;
                let place = if is_place { pointer } else { &pinpoint.difference.path };
                Some(SampledValue { place: place.into(), value: value.filter(|_| !is_redacted) })
            })
        });
    });
}

/// The value at a pointer as JSON, with what is redacted below it left out; none where it is redacted itself.
fn written(tree: &Json<'_>, pointer: &str, redacted: &CompareRules) -> Option<Box<str>> {
    let mut here = tree;
    let mut place = Place::root(redacted, &Method::GET, 200);
    if is_ignored(&place) {
        return None;
    }
    for segment in pointer.split('/').skip(1) {
        let name = segment.replace("~1", "/").replace("~0", "~");
        let step;
        (step, here) = match here {
            Json::Array(elements) => {
                let index = name.parse().ok()?;
                (Step::Index(index, index), elements.get(index)?)
            }
            Json::Object(members) => {
                let found = members.binary_search_by(|(key, _)| (**key).cmp(&*name)).ok()?;
                let (key, member) = members.get(found)?;
                if is_credential(key) {
                    return None;
                }
                (Step::Key(key), member)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return None,
        };
        place.enter(step);
        if is_ignored(&place) {
            return None;
        }
    }
    let mut text = String::new();
    write(here, &mut place, &mut text);
    Some(cut(text).into())
}

/// Writes as much of a value as is kept of it.
fn write<'j>(value: &'j Json<'j>, place: &mut Place<'j>, text: &mut String) {
    if text.len() > MOST_VALUE_BYTES {
        return;
    }
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Number(literal) => text.push_str(literal),
        Json::String(value) => quote(value, text),
        Json::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                separate(index, text);
                below(Step::Index(index, index), false, element, place, text);
                if text.len() > MOST_VALUE_BYTES {
                    return;
                }
            }
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                separate(index, text);
                quote(key, text);
                text.push(':');
                below(Step::Key(key), is_credential(key), member, place, text);
                if text.len() > MOST_VALUE_BYTES {
                    return;
                }
            }
            text.push('}');
        }
    }
}

fn below<'j>(
    step: Step<'j>,
    is_credential: bool,
    value: &'j Json<'j>,
    place: &mut Place<'j>,
    text: &mut String,
) {
    place.enter(step);
    if is_credential || is_ignored(place) {
        text.push_str(REDACTED);
    } else {
        write(value, place, text);
    }
    place.leave();
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

/// A string as JSON writes it (RFC 8259 section 7), as far as it is kept.
fn quote(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            control if control.is_control() => {
                text.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            other => text.push(other),
        }
        if text.len() > MOST_VALUE_BYTES {
            return;
        }
    }
    text.push('"');
}

fn cut(mut text: String) -> String {
    if text.len() > MOST_VALUE_BYTES {
        text.truncate(text.floor_char_boundary(MOST_VALUE_BYTES));
        text.push_str(CUT);
    }
    text
}

fn is_ignored(place: &Place<'_>) -> bool {
    matches!(place.verdict(), Verdict::Ignored(_))
}

/// Whether a member or header is named as credentials are. Its value is never kept: a name too many costs a value, one
/// too few would cost a secret.
fn is_credential(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "authorization",
        "authenticat",
        "cookie",
        "credential",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "session",
        "signature",
        "token",
        "apikey",
        "privatekey",
    ];
    let letters = name.chars().filter(|character| !matches!(character, '-' | '_' | '.' | ' '));
    let bare: String = letters.flat_map(char::to_lowercase).collect();
    NAMES.iter().any(|credential| bare.contains(credential))
}
