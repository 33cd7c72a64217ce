//! Who signs tokens? Issuers with keys that can be used, and what routes ask of them.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use jsonwebtoken::Algorithm;
use rules::token::{Issuer, IssuerId, KeySource, KeyUrl, MissingToken, TokenRule};
use rules::upstream::{Address, UpstreamTls};

use super::certificates::authorities;
use super::findings::{Findings, Pointer};
use crate::closest;
use crate::document::Document;
use crate::document::issuer::{IssuerSpec, KeysFromSpec, MissingJwtSpec};
use crate::document::route::{RouteSpec, StickySpec, TenantSourceSpec};
use crate::document::secret::SecretRef;
use crate::jwks::verifying_keys;

/// Clocks are not further apart than this.
const MOST_LEEWAY: Duration = Duration::from_secs(60);
/// Fetched more often, an issuer would take it for an attack.
const OFTENEST: Duration = Duration::from_secs(1);
/// The algorithms of public keys (RFC 7518, RFC 8037).
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The issuers in the order of the file.
pub(super) fn issuers(document: &Document, findings: &mut Findings<'_>) -> Vec<Issuer> {
    let at = Pointer::root().key("issuers");
    let each = document.issuers.iter();
    each.filter_map(|(name, spec)| issuer(document, name, spec, &at.key(name), findings)).collect()
}

fn issuer(
    document: &Document,
    name: &str,
    spec: &IssuerSpec,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Issuer> {
    let claims = claims(document, name);
    let name = findings.parsed(at, "bad_name", name.parse());
    if spec.issuer.is_empty() {
        let hint = "write what tokens have as `iss`, for example `https://login.example.org/`";
        let message = "every token would be from nobody";
        findings.error_with_hint(&at.key("issuer"), "empty_issuer", message, hint.to_owned());
    }
    if spec.audience.is_empty() || spec.audience.iter().any(String::is_empty) {
        let hint = "write what tokens for these services have as `aud`, for example `[api]`";
        let message = "tokens that are meant for other services would be taken";
        findings.error_with_hint(&at.key("audience"), "empty_audience", message, hint.to_owned());
    }
    if spec.leeway.0 > MOST_LEEWAY {
        let message = format!("{} lets tokens live on that have ended", spec.leeway);
        findings.error_with_hint(
            &at.key("leeway"),
            "bad_leeway",
            message,
            "write at most 60s".to_owned(),
        );
    }
    let algorithms = algorithms(spec, &at.key("algorithms"), findings);
    let keys = match (&spec.keys, &spec.keys_from) {
        (Some(keys), None) => key_set(keys, &algorithms, &at.key("keys"), findings),
        (None, Some(from)) => key_url(from, &at.key("keys_from"), findings).map(KeySource::Url),
        (None, None) | (Some(_), Some(_)) => {
            let hint = "write `keys: {file: jwks.json}` or `keys_from: {url: https://..}`";
            let message = "exactly one place with its keys is needed";
            if !findings.lost_below(at) {
                findings.error_with_hint(at, "issuer_keys", message, hint.to_owned());
            }
            None
        }
    };
    Some(Issuer {
        name: name?,
        issuer: spec.issuer.as_str().into(),
        audiences: spec.audience.iter().map(|audience| audience.as_str().into()).collect(),
        algorithms: spec.algorithms.iter().map(|name| name.as_str().into()).collect(),
        leeway: spec.leeway.0,
        keys: keys?,
        claims,
    })
}

fn algorithms(spec: &IssuerSpec, at: &Pointer, findings: &mut Findings<'_>) -> Vec<Algorithm> {
    let mut known = Vec::new();
    for (place, name) in spec.algorithms.iter().enumerate() {
        match Algorithm::from_str(name) {
            Ok(algorithm) if ALGORITHMS.contains(&name.as_str()) => known.push(algorithm),
            _ => {
                let message = format!("{name:?} is not an algorithm of public keys");
                let hint = format!("use {}", ALGORITHMS.join(", "));
                findings.error_with_hint(&at.item(place), "bad_algorithm", message, hint);
            }
        }
    }
    known
}

fn key_set(
    keys: &SecretRef,
    algorithms: &[Algorithm],
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<KeySource> {
    // Where it could not be fetched, that was told while reading.
    let text = findings.secret(keys)?;
    if let Err(error) = verifying_keys(text, algorithms) {
        findings.error(at, "bad_keys", format!("{keys} cannot be used: {error}"));
        return None;
    }
    std::str::from_utf8(text).ok().map(|text| KeySource::Set(text.into()))
}

fn key_url(spec: &KeysFromSpec, at: &Pointer, findings: &mut Findings<'_>) -> Option<KeyUrl> {
    let roots = spec.ca.as_ref().and_then(|ca| authorities(ca, &at.key("ca"), findings));
    if spec.every.0 < OFTENEST {
        let message = format!("{} is too often", spec.every);
        findings.error_with_hint(
            &at.key("every"),
            "too_often",
            message,
            "write at least 1s".to_owned(),
        );
    }
    let at = at.key("url");
    let url = spec.url.parse::<Uri>().ok();
    let parts = url.as_ref().and_then(|url| Some((url.scheme()?, address(url)?, url)));
    let Some((scheme, address, url)) =
        parts.filter(|(scheme, ..)| **scheme == Scheme::HTTPS || **scheme == Scheme::HTTP)
    else {
        let hint = "write it like `https://login.example.org/.well-known/jwks.json`".to_owned();
        let message = format!("{:?} is not the address of a key set", spec.url);
        findings.error_with_hint(&at, "bad_url", message, hint);
        return None;
    };
    let encrypted = *scheme == Scheme::HTTPS;
    if !encrypted {
        let message = "keys come unencrypted: whoever is in between can put in their own";
        findings.warning(&at, "insecure_keys", message, "write `https://`".to_owned());
    }
    let tls = || UpstreamTls {
        server_name: None,
        roots: roots.map(Arc::new),
        client: None,
        skip_verify: false,
    };
    Some(KeyUrl {
        address,
        tls: encrypted.then(tls),
        path: url.path_and_query().map_or("/", |path| path.as_str()).into(),
        every: spec.every.0,
    })
}

/// The host and port of a URL without credentials.
fn address(url: &Uri) -> Option<Address> {
    let authority = url.authority().filter(|authority| !authority.as_str().contains('@'))?;
    let usual = if url.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let written = authority.port();
    let port = if written.is_some() { authority.port_u16()? } else { usual };
    format!("{}:{port}", authority.host()).parse().ok()
}

/// The claims that routes read of an issuer's tokens.
fn claims(document: &Document, issuer: &str) -> Box<[Box<str>]> {
    let routes = document.routes.values();
    let asking = routes.filter(|route| route.jwt.as_ref().is_some_and(|jwt| jwt.issuer == issuer));
    let names: BTreeSet<&str> = asking.flat_map(claims_of).collect();
    names.into_iter().map(Into::into).collect()
}

fn claims_of(route: &RouteSpec) -> Vec<&str> {
    let tenant = route.tenant.iter();
    let listed = tenant.clone().flat_map(|tenant| tenant.from.iter().flatten());
    let listed = listed.filter_map(|source| match source {
        TenantSourceSpec::Claim(name) => Some(name.as_str()),
        _ => None,
    });
    let single = tenant.filter_map(|tenant| tenant.claim.as_deref());
    let sticky = match &route.sticky {
        Some(StickySpec::Claim(name)) => Some(name.as_str()),
        _ => None,
    };
    listed.chain(single).chain(sticky).collect()
}

/// What a route asks of tokens.
pub(super) fn token_rule(
    document: &Document,
    route: &RouteSpec,
    route_at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<TokenRule> {
    let spec = route.jwt.as_ref()?;
    let at = route_at.key("jwt").key("issuer");
    let Some(place) = document.issuers.get_index_of(&spec.issuer) else {
        let known = document.issuers.keys().map(String::as_str);
        let hint = closest(&spec.issuer, known).map(|name| format!("did you mean `{name}`?"));
        let message = format!("issuer `{}` is not declared under `issuers`", spec.issuer);
        if !findings.lost_below(&Pointer::root().key("issuers")) {
            findings.error_with_hint(&at, "unknown_issuer", message, hint);
        }
        return None;
    };
    let missing = match spec.missing {
        MissingJwtSpec::Reject => MissingToken::Reject,
        MissingJwtSpec::Pass => MissingToken::Pass,
    };
    u32::try_from(place).ok().map(|place| TokenRule { issuer: IssuerId(place), missing })
}

/// A claim that a route reads; an error where it asks for no token.
pub(super) fn claim(
    route: &RouteSpec,
    name: &str,
    at: &Pointer,
    findings: &mut Findings<'_>,
) -> Option<Box<str>> {
    if name.is_empty() {
        findings.error(at, "bad_name", "a claim needs a name");
        return None;
    }
    if route.jwt.is_none() {
        let hint = "write whose token the route takes: `jwt: {issuer: login}`".to_owned();
        let message = "the route asks for no token, so there is nothing to read a claim from";
        findings.error_with_hint(at, "claim_without_token", message, hint);
    }
    Some(name.into())
}
