//! Does comparing come to an end for any two answers, and do its counts add up?
#![no_main]

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use rules::compare::{
    Answer, ArrayRule, CompareRules, Effect, Leniency, Pair, PlaceRule, compare, pinpoint,
};
use rules::exchange::Outcome;

/// Each reads bodies in another way.
const MEDIA: [&str; 7] = [
    "application/json",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=b",
    "text/plain",
    "",
];

fn headers(media: &'static str) -> HeaderMap {
    let there = Some(media).filter(|media| !media.is_empty());
    there.map(|media| (CONTENT_TYPE, HeaderValue::from_static(media))).into_iter().collect()
}

fn rules(choice: u8) -> CompareRules {
    let rule = |at: &str, effect| PlaceRule::always(at.parse().unwrap(), effect);
    let places = match choice % 4 {
        0 => Vec::new(),
        1 => vec![rule("/**", Effect::Array(ArrayRule::Set))],
        2 => vec![rule("/**", Effect::Array(ArrayRule::Keyed(["id".into(), "/a".into()].into())))],
        _ => vec![
            rule("/**/a", Effect::Ignore),
            rule("/*", Effect::PresenceOnly),
            rule("/**", Effect::Lenient(Leniency::CaseInsensitive)),
            rule("/**", Effect::Lenient(Leniency::Number { absolute: 1.0, relative: 0.1 })),
        ],
    };
    CompareRules { places: places.into(), ..CompareRules::default() }
}

// The first byte chooses how bodies are read, the second the rules. A zero byte stands between the bodies, and another
// one before a second answer of stable's.
fuzz_target!(|bytes: &[u8]| {
    let [class, choice, bodies @ ..] = bytes else { return };
    let mut parts = bodies.splitn(3, |byte| *byte == 0);
    let (left, right) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let media = MEDIA[usize::from(*class) % MEDIA.len()];
    let (headers, rules) = (headers(media), rules(*choice));
    let answer = |body| Answer::new(200, &headers, body);
    let (stable, candidate, twin) = (answer(left), answer(right), parts.next().map(answer));
    let pair = Pair { method: &Method::GET, stable, candidate, twin };

    let (comparison, places) = pinpoint(&rules, &pair);
    assert_eq!(comparison, compare(&rules, &pair));
    let listed: u64 = comparison.differences.iter().map(|found| u64::from(found.fields)).sum();
    match comparison.outcome {
        Outcome::NotComparable(_) => assert_eq!(comparison.fields.all(), 0),
        outcome => {
            assert_eq!(comparison.fields.mismatched, listed + comparison.unlisted);
            assert_eq!(outcome == Outcome::Match, comparison.differences.is_empty());
            assert_eq!(outcome == Outcome::Match, places.is_empty());
        }
    }
    // Either side may be called stable, and each answer is itself.
    let plain = Pair { twin: None, ..pair };
    let swapped = Pair { stable: candidate, candidate: stable, ..plain };
    let (forth, back) = (compare(&rules, &plain).outcome, compare(&rules, &swapped).outcome);
    if forth.is_compared() && back.is_compared() {
        assert_eq!(forth, back);
    }
    let itself = compare(&rules, &Pair { candidate: stable, ..plain });
    assert_eq!(itself.outcome, Outcome::Match);
});
