//! How do tenants come to their attributes? One tenant's are set, or a whole list is taken as one revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use config::AttributeChanges;
use rules::TenantId;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problem::{Problem, ProblemView};
use super::request::{Body, Caller, Path, bad_tenant, why};
use super::site::Site;
use super::view::Answered;
use crate::command::Command;

/// An attribute's name or value is no longer than this, in bytes.
const MAX_BYTES: usize = 128;
/// So many attributes of one tenant are changed at once.
const MAX_ATTRIBUTES: usize = 64;
/// So many faults of a list are told; who mends them hears of the next.
const MAX_FAULTS: usize = 50;

/// Attributes of one tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AttributesRequest {
    /// Names with their values; null removes one. What is not named stays as it is.
    attributes: AttributeChanges,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Attributes of many tenants.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportRequest {
    /// Tenants with the names and values of their attributes; null removes one. What is not named stays as it is.
    tenants: BTreeMap<String, AttributeChanges>,
    /// Why; kept with the revision.
    #[serde(default)]
    #[schema(required)]
    why: String,
}

/// Sets attributes of one tenant, and with them the cohorts that it belongs to.
#[utoipa::path(
    put,
    path = "/v1/tenants/{tenant}/attributes",
    tag = "tenants",
    params(
        ("tenant" = String, Path, description = "The tenant's id"),
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = AttributesRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 422, body = ProblemView, description = "Not valid: every error with its place"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn set(
    State(site): State<Arc<Site>>,
    Path(tenant): Path<String>,
    caller: Caller,
    Body(asked): Body<AttributesRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let tenant: TenantId = tenant.parse().map_err(|error| bad_tenant(&error))?;
    let mut wrong = Vec::new();
    judge("/attributes", &asked.attributes, &mut wrong);
    if !wrong.is_empty() {
        return Err(Problem::invalid_list(wrong));
    }
    let command = Command::Attributes([(tenant, asked.attributes)].into());
    caller.have(&site, command, why).await
}

/// Takes attributes of many tenants as one revision, or none of them.
#[utoipa::path(
    post,
    path = "/v1/tenants/import",
    tag = "tenants",
    params(
        ("If-Match" = Option<String>, Header, description = "The revision that the caller knows, such as \"r42\""),
        ("X-Turnout-Actor" = Option<String>, Header, description = "Who asks"),
        ("Idempotency-Key" = Option<String>, Header, description = "Whoever sends it again with the same key hears the same answer, for a day"),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change, and who would notice"),
        ("wait" = Option<String>, Query, description = "`all` to be answered as soon as every node serves it"),
        ("timeout" = Option<String>, Query, description = "How long to wait, such as `5s`")
    ),
    request_body = ImportRequest,
    responses(
        (status = 200, body = Answered, description = "What came of it; with `dry_run`, what would"),
        (status = 400, body = ProblemView),
        (status = 412, body = ProblemView, description = "Another command came first"),
        (status = 422, body = ProblemView, description = "Not valid: every error with its place"),
        (status = 503, body = ProblemView, description = "The store does not serve")
    )
)]
pub(super) async fn import(
    State(site): State<Arc<Site>>,
    caller: Caller,
    Body(asked): Body<ImportRequest>,
) -> Result<Answered, Problem> {
    let why = why(&asked.why)?;
    let (mut tenants, mut wrong) = (BTreeMap::new(), Vec::new());
    for (id, changes) in asked.tenants {
        let at = format!("/tenants/{}", id.replace('~', "~0").replace('/', "~1"));
        judge(&at, &changes, &mut wrong);
        match id.parse::<TenantId>() {
            Ok(tenant) => drop(tenants.insert(tenant, changes)),
            Err(error) => wrong.push((at, error.to_string())),
        }
    }
    if tenants.is_empty() && wrong.is_empty() {
        wrong.push(("/tenants".to_owned(), "there is no tenant in it".to_owned()));
    }
    if !wrong.is_empty() {
        wrong.truncate(MAX_FAULTS);
        return Err(Problem::invalid_list(wrong));
    }
    caller.have(&site, Command::Attributes(tenants), why).await
}

/// Notes what is wrong with attributes, each by its place.
fn judge(at: &str, changes: &AttributeChanges, wrong: &mut Vec<(String, String)>) {
    if changes.is_empty() || changes.len() > MAX_ATTRIBUTES {
        wrong.push((at.to_owned(), format!("1 to {MAX_ATTRIBUTES} attributes are expected")));
    }
    for (name, value) in changes {
        let at = || format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if !is_printable(name) || name.contains('=') {
            let rule = "an attribute's name is 1 to 128 bytes without control characters and `=`";
            wrong.push((at(), rule.to_owned()));
        }
        if value.as_ref().is_some_and(|value| !is_printable(value)) {
            let rule = "an attribute's value is 1 to 128 bytes without control characters; null removes it";
            wrong.push((at(), rule.to_owned()));
        }
    }
}

fn is_printable(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_BYTES && !text.chars().any(char::is_control)
}
