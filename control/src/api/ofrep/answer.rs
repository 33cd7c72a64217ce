//! How is an evaluation answered, and what is said when there is none? In the protocol's own words.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rules::Revision;
use rules::flag::{Evaluation, FlagReason};
use serde_json::{Map, Value, json};

/// How long whoever came at a bad moment should wait, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");
/// The challenge that a 401 carries (RFC 6750 section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer");

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    key: Option<String>,
    code: &'static str,
    details: &'static str,
}

impl Failure {
    const fn new(status: StatusCode, code: &'static str, details: &'static str) -> Self {
        Self { status, key: None, code, details }
    }

    /// 400: the request cannot be read.
    pub(super) const fn parse(details: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "PARSE_ERROR", details)
    }

    /// 400: the context is not one.
    pub(super) const fn context(details: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_CONTEXT", details)
    }

    /// 400: a share of tenants has the flag, and the context names no tenant.
    pub(super) const fn no_tenant() -> Self {
        let details =
            "a share of tenants has this flag: the context needs a targetingKey, or a tenant";
        Self::new(StatusCode::BAD_REQUEST, "TARGETING_KEY_MISSING", details)
    }

    /// 400: what is asked for cannot be a flag's key.
    pub(super) const fn bad_key() -> Self {
        let details = "a key is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter or a digit";
        Self::new(StatusCode::BAD_REQUEST, "GENERAL", details)
    }

    /// 404: nobody gets a value of it, for whatever reason.
    pub(super) const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "FLAG_NOT_FOUND", "there is no such flag")
    }

    /// 404: nothing is at this path.
    pub(super) const fn no_such_path() -> Self {
        let details = "POST /ofrep/v1/evaluate/flags, with a key or without, is what there is";
        Self::new(StatusCode::NOT_FOUND, "GENERAL", details)
    }

    /// 401: nobody gets a flag without a good token, and it is not said what is wrong with this one.
    pub(super) const fn unknown_asker() -> Self {
        let details = "flags are told to whoever sends a good token: `Authorization: Bearer ..`";
        Self::new(StatusCode::UNAUTHORIZED, "GENERAL", details)
    }

    /// 403: it is asked for by another host's name, or from a web page.
    pub(super) const fn foreign() -> Self {
        let details = "without tokens flags are told on this machine only, by a loopback name";
        Self::new(StatusCode::FORBIDDEN, "GENERAL", details)
    }

    /// 429: too many requests of this address came without a good token.
    pub(super) const fn too_many_failures() -> Self {
        let details = "too many requests came without a good token: ask again in a moment";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "GENERAL", details)
    }

    /// 429: there is too much to do.
    pub(super) const fn too_busy() -> Self {
        let details = "there are too many at once: ask again in a moment";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "GENERAL", details)
    }

    /// The failure to tell the value of one flag.
    pub(super) fn of(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// What it says, as an answer or as a part of one.
    pub(super) fn told(&self) -> Value {
        let mut told = Map::new();
        if let Some(key) = &self.key {
            told.insert("key".to_owned(), key.as_str().into());
        }
        told.insert("errorCode".to_owned(), self.code.into());
        told.insert("errorDetails".to_owned(), self.details.into());
        told.into()
    }

    #[cfg(test)]
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.told())).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        }
        response
    }
}

/// What a flag gave: its value with its variant, and why.
pub(super) fn told(found: &Evaluation<'_>, revision: Revision) -> Result<Value, Failure> {
    if matches!(found.reason, FlagReason::NoTenant(_)) {
        return Err(Failure::no_tenant().of(found.flag.as_str()));
    }
    // It is JSON that was written out while compiling.
    let value: Value = serde_json::from_str(&found.variant.value.json).unwrap_or_default();
    Ok(json!({
        "key": found.flag.as_str(),
        "value": value,
        "variant": found.variant.name,
        "reason": found.reason.standard(),
        "metadata": {"revision": revision.0, "because": found.reason.to_string()},
    }))
}
