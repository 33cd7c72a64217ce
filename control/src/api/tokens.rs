//! Which tokens are there, and how are they made and revoked?

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use config::{AccessScope, TokenSpec};
use jiff::Timestamp;
use rules::{TenantId, TokenName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Parameters, Path, why};
use super::site::Site;
use super::view::Answered;
use crate::access::{Identity, token};
use crate::command::Command;

/// What a token is good for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequest {
    /// The token's hash: `sha256:` and 64 hexadecimal digits. The token itself is never sent.
    hash: String,
    /// What it is good for: `read`, `shift`, `rollback`, `approve`, `apply`, `admin`.
    #[schema(example = json!(["read", "rollback"]))]
    scopes: Vec<String>,
    /// Only these routes, for what changes something.
    routes: Option<Vec<String>>,
    /// Only these tenants, for what changes something.
    tenants: Option<Vec<String>>,
    /// Until when (RFC 3339).
    expires: Option<String>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Why a token is revoked.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RevokeQuery {
    /// Why; kept with the revision.
    #[serde(default)]
    #[param(required)]
    why: String,
}

/// A token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenView {
    /// Its name.
    name: String,
    /// What it is good for.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<AccessScope>,
    /// Only these routes, for what changes something.
    routes: Option<Vec<String>>,
    /// Only these tenants, for what changes something.
    tenants: Option<Vec<String>>,
    /// Until when (RFC 3339).
    expires: Option<String>,
    /// Whether that time is over.
    expired: bool,
    /// Where it stands: `configuration`, or `command`.
    from: &'static str,
}

/// All tokens, without their hashes.
#[utoipa::path(get, path = "/v1/tokens", tag = "access", responses((status = 200, body = [TokenView]), (status = 403, body = ProblemView)))]
pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Extension(identity): Extension<Identity>,
) -> Result<Json<Vec<TokenView>>, Problem> {
    identity.may(AccessScope::Admin)?;
    let present = site.present();
    let written = &present.desired.configuration.document.control.tokens;
    let written = written.iter().map(|(name, token)| view(name, token, "configuration"));
    let made = present.desired.live.tokens.iter();
    let made = made.map(|(name, token)| view(name.as_str(), token, "command"));
    Ok(Json(written.chain(made).collect()))
}

fn view(name: &str, token: &TokenSpec, from: &'static str) -> TokenView {
    let TokenSpec { scopes, routes, tenants, expires, .. } = token.clone();
    let expired = token::is_over(token.expires.as_deref(), Timestamp::now());
    TokenView { name: name.to_owned(), scopes, routes, tenants, expires, expired, from }
}

/// Makes a token, or puts another one in its place.
#[utoipa::path(
    put,
    path = "/v1/tokens/{token}",
    tag = "access",
    params(
        ("token" = String, Path, description = "The token's name, by which its holder is known"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = TokenRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 403, body = ProblemView),
        (status = 409, body = ProblemView, description = "The configuration has a token of that name"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn make(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    caller: Caller,
    Body(asked): Body<TokenRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let name = not_written(&site, &name)?;
    let command = Command::Token { name, token: Some(spec(&site, asked)?) };
    caller.have(&site, command, why).await
}

/// Revokes a token.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{token}",
    tag = "access",
    params(
        ("token" = String, Path, description = "The token's name"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`"),
        RevokeQuery
    ),
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 403, body = ProblemView),
        (status = 409, body = ProblemView, description = "It stands in the configuration"),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn revoke(
    State(site): State<Arc<Site>>,
    Path(name): Path<String>,
    caller: Caller,
    Parameters(asked): Parameters<RevokeQuery>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let command = Command::Token { name: not_written(&site, &name)?, token: None };
    caller.have(&site, command, why).await
}

/// A name that no token of the configuration has.
fn not_written(site: &Site, name: &str) -> Result<TokenName, Problem> {
    if site.present().desired.configuration.document.control.tokens.contains_key(name) {
        return Err(Problem::token_is_written(name));
    }
    name.parse::<TokenName>()
        .map_err(|error| Problem::field("bad_token_name", "/name", error.to_string()))
}

fn spec(site: &Site, asked: TokenRequest) -> Result<TokenSpec, Problem> {
    let TokenRequest { hash, scopes, routes, tenants, expires, .. } = asked;
    if !token::is_hash(&hash) {
        let detail = "write `sha256:` and the 64 hexadecimal digits of the token's hash";
        return Err(Problem::field("bad_hash", "/hash", detail));
    }
    for name in routes.iter().flatten() {
        site.route(name)?;
    }
    for id in tenants.iter().flatten() {
        id.parse::<TenantId>().map_err(|error| super::request::bad_tenant(&error))?;
    }
    if expires.as_deref().is_some_and(|at| at.parse::<Timestamp>().is_err()) {
        let detail = "write a moment such as 2027-01-31T00:00:00Z";
        return Err(Problem::field("bad_moment", "/expires", detail));
    }
    let scopes = scopes.iter().map(|text| scope(text)).collect::<Result<BTreeSet<_>, _>>()?;
    if scopes.is_empty() {
        return Err(Problem::field("no_scopes", "/scopes", "a token is good for something"));
    }
    Ok(TokenSpec { hash, scopes: scopes.into_iter().collect(), routes, tenants, expires })
}

fn scope(text: &str) -> Result<AccessScope, Problem> {
    let all = AccessScope::ALL;
    all.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("{text:?} is no scope; there are {}", names.join(", "));
        Problem::field("bad_scope", "/scopes", detail)
    })
}
