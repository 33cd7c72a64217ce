//! Which service asks on the listener that is there for services, and which flags may it see?

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use config::document::ofrep::FlagTokenSpec;
use jiff::Timestamp;

use super::answer::Failure;
use crate::access::token;
use crate::api::guard;
use crate::api::request::Peer;
use crate::api::site::Site;
use crate::meters::AuthFailure;

/// Which flags whoever asks may see: all where nothing limits it.
#[derive(Debug, Clone, Default)]
pub(in crate::api) struct Sight(Option<Arc<FlagTokenSpec>>);

impl Sight {
    /// Whether a flag may be seen. One that may not is answered as one that is not there.
    pub(super) fn reaches(&self, flag: &str) -> bool {
        self.0.as_ref().is_none_or(|token| token.may_see(flag))
    }

    /// What it is limited to.
    pub(super) fn limits(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|token| token.flags.as_ref()).flatten().map(String::as_str)
    }
}

/// Finds out what whoever asks may see; who does not say who they are is turned away here, before anything is looked up.
pub(in crate::api) async fn authenticate(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&site, &request) {
        Ok(sight) => {
            request.extensions_mut().insert(sight);
            next.run(request).await
        }
        Err(failure) => failure.into_response(),
    }
}

fn identify(site: &Site, request: &Request) -> Result<Sight, Failure> {
    let present = site.present();
    // A file that does not speak of this listener any more has closed it: it only ends with the process.
    let spec = present.desired.configuration.document.ofrep.as_ref();
    let started_with = site.desk().ledger().started_with().ofrep;
    let is_reached = started_with.is_some_and(|at| !at.ip().to_canonical().is_loopback());
    if spec.is_some_and(|spec| spec.tokens.is_empty()) && !is_reached {
        return match guard::is_local(request) {
            true => Ok(Sight::default()),
            false => Err(Failure::foreign()),
        };
    }
    let presented = bearer(request.headers());
    let presented = presented.ok_or_else(|| failed(site, request, AuthFailure::Missing))?;
    let kept = spec.into_iter().flat_map(|spec| spec.tokens.values());
    let kept = kept.map(|token| (&*token.hash, token));
    let found = token::find(&token::hash(presented), kept);
    let found = found.ok_or_else(|| failed(site, request, AuthFailure::Unknown))?;
    if token::is_over(found.expires.as_deref(), Timestamp::now()) {
        return Err(failed(site, request, AuthFailure::Expired));
    }
    Ok(Sight(Some(Arc::new(found.clone()))))
}

/// The token of a request that has one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // The scheme's case does not matter (RFC 9110 section 11.1).
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Counts a failure; who fails too often hears only that.
fn failed(site: &Site, request: &Request, why: AuthFailure) -> Failure {
    site.desk().ledger().meters().flags_denied(why);
    let address = request.extensions().get::<Peer>().map(|Peer(address)| *address);
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let may_hear = site.failures().count(address, Instant::now());
    if may_hear { Failure::unknown_asker() } else { Failure::too_many_failures() }
}
