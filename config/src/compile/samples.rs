//! Which values of differences may be kept, and with which key are they encrypted? Nothing is kept without one. (INV-12)

use std::sync::Arc;
use std::time::Duration;

use rules::compare::{CompareRules, Effect, PlaceRule, SamplePolicy};

use super::conditions::header_name;
use super::findings::{Findings, Pointer};
use super::upstreams::not_zero;
use crate::document::Document;
use crate::document::samples::RouteSamplesSpec;
use crate::document::secret::Secret;

/// Shorter keys can be guessed: the hash of one is 32 bytes, whatever went in.
const FEWEST_KEY_BYTES: usize = 32;
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The key that samples are encrypted with, where there is one.
pub(super) fn key(document: &Document, findings: &mut Findings<'_>) -> Option<Secret> {
    let reference = &document.samples.as_ref()?.key;
    let key = findings.secret(reference)?;
    if key.len() < FEWEST_KEY_BYTES {
        let at = Pointer::root().key("samples").key("key");
        let message = format!("{reference} holds less than {FEWEST_KEY_BYTES} bytes");
        let hint = "let it hold what `openssl rand -hex 32` prints".to_owned();
        findings.error_with_hint(&at, "weak_key", message, hint);
    }
    Some(Secret::of(key))
}

/// What a route keeps of its differences.
pub(super) fn samples(
    document: &Document,
    spec: &RouteSamplesSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Arc<SamplePolicy> {
    if document.samples.is_none() && !findings.lost(&Pointer::root().key("samples")) {
        let message = "samples hold values of answers, and there is no key to encrypt them with";
        let hint = "write `samples: {key: {env: TURNOUT_SAMPLE_KEY}}` at the top of the file, and set the variable to what `openssl rand -hex 32` prints".to_owned();
        findings.error_with_hint(at, "no_sample_key", message, hint);
    }
    not_zero(spec.ttl, &at.key("ttl"), findings);
    if spec.ttl.0 > LONGEST {
        let message = format!("values are not kept for {}", spec.ttl);
        findings.error_with_hint(
            &at.key("ttl"),
            "too_long",
            message,
            "write at most `7d`".to_owned(),
        );
    }
    let mut redacted = CompareRules::default();
    let (mut places, mut headers) = (Vec::new(), Vec::new());
    for (i, text) in spec.redact.iter().enumerate() {
        let at = at.key("redact").item(i);
        if text.is_empty() || text.starts_with('/') {
            let pattern = findings.parsed(&at, "bad_pointer", text.parse());
            places.extend(pattern.map(|pattern| PlaceRule::always(pattern, Effect::Ignore)));
        } else {
            headers.extend(header_name(text, &at, findings));
        }
    }
    (redacted.places, redacted.ignore_headers) = (places.into(), headers.into());
    Arc::new(SamplePolicy { time_to_live: spec.ttl.0, redacted })
}
