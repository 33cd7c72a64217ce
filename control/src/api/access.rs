//! Whom does a request come from? By its token or its connection's certificate, before any handler; and what it may look at.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use config::AccessScope;
use jiff::Timestamp;

use super::problem::Problem;
use super::request::Peer;
use super::site::Site;
use crate::access::{Identity, Proof, Shown, token};
use crate::ledger::Present;
use crate::meters::AuthFailure;

/// What anybody may look at, as on the status listener; and what there is to ask for.
const OPEN: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/openapi.json"];

/// Finds out whom a request comes from; who does not say, or may not look, is turned away here.
pub(super) async fn authenticate(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    if OPEN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let identity = match identify(&site, &request) {
        Ok(identity) => identity,
        Err(problem) => return problem.into_response(),
    };
    if let Some(denied) =
        only_looks(&request).then(|| identity.may(AccessScope::Read)).and_then(Result::err)
    {
        return Problem::from(denied).into_response();
    }
    request.extensions_mut().insert(identity.clone());
    let mut response = next.run(request).await;
    // For the audit, which comes after.
    response.extensions_mut().insert(identity);
    response
}

/// Whether a request changes nothing. Services ask for flags by POST, which changes nothing, either.
pub(super) fn only_looks(request: &Request) -> bool {
    request.method().is_safe() || request.uri().path().starts_with("/ofrep/")
}

/// A token that is sent must be a good one, whatever certificate there is; without one, the certificate counts.
fn identify(site: &Site, request: &Request) -> Result<Identity, Problem> {
    let present = site.present();
    let shown = request.extensions().get::<Arc<Shown>>();
    let identified = match (bearer(request.headers())?, shown) {
        (Some(presented), _) => by_token(&present, presented),
        (None, Some(shown))
            if !present.desired.configuration.document.control.subjects.is_empty() =>
        {
            by_certificate(&present, shown)
        }
        (None, _) if site.desk().ledger().must_say_who() => {
            Err((AuthFailure::Missing, Problem::token_required()))
        }
        (None, _) => Ok(Identity::Anybody),
    };
    identified.map_err(|(why, problem)| failed(site, request, why, problem))
}

fn by_token(present: &Present, presented: &str) -> Result<Identity, (AuthFailure, Problem)> {
    let written = &present.desired.configuration.document.control.tokens;
    let written = written.iter().map(|(name, token)| (name.as_str(), token));
    let made = present.desired.live.tokens.iter().map(|(name, token)| (name.as_str(), token));
    let hash = token::hash(presented);
    let all = written.chain(made).map(|(name, token)| (&*token.hash, (name, token)));
    let Some((name, found)) = token::find(&hash, all) else {
        return Err((AuthFailure::Unknown, Problem::unknown_token()));
    };
    if token::is_over(found.expires.as_deref(), Timestamp::now()) {
        return Err((AuthFailure::Expired, Problem::expired_token(name)));
    }
    Ok(Identity::Holder { name: name.to_owned(), by: Proof::Token, rights: found.into() })
}

fn by_certificate(present: &Present, shown: &Shown) -> Result<Identity, (AuthFailure, Problem)> {
    // What TLS has found when the connection began may not be so any more.
    if shown.is_over(Timestamp::now().as_second())
        || !shown.is_vouched_for(present.compiled.control_tls.as_ref())
    {
        return Err((AuthFailure::Expired, Problem::outdated_certificate()));
    }
    let subjects = &present.desired.configuration.document.control.subjects;
    let Some((name, subject)) = shown.find(subjects) else {
        return Err((AuthFailure::Unknown, Problem::unknown_subject()));
    };
    Ok(Identity::Holder { name: name.to_owned(), by: Proof::Certificate, rights: subject.into() })
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    // RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() {
        return Ok(Some(token.trim()));
    }
    let detail = "the Authorization header is `Bearer` and a token";
    Err(Problem::bad_request("bad_authorization", detail))
}

/// Counts a failure; who fails too often hears only that.
fn failed(site: &Site, request: &Request, why: AuthFailure, problem: Problem) -> Problem {
    site.desk().ledger().meters().auth_failed(why);
    let address = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let may_hear = site.failures().count(address, Instant::now());
    if may_hear { problem } else { Problem::too_many_failures() }
}
