//! What is read off a request: who asks, on which revision, why, whose traffic, which share?

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::{Json, extract};
use config::AccessScope;
use jiff::Timestamp;
use rules::{CohortName, Revision, Share};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::site::Site;
use super::view::{Accepted, Answered};
use super::wait::Wait;
use crate::access::Identity;
use crate::audit::{Record, Via};
use crate::command::{Command, Scope};
use crate::ledger::{Approver, Once, Order};

/// Names who asks. Nobody verifies it.
pub(super) const ACTOR: &str = "x-turnout-actor";
const MAX_ACTOR_CHARS: usize = 128;
const MAX_WHY_CHARS: usize = 2_000;
const MAX_ID_CHARS: usize = 64;

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(body) = Json::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The parameters in the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extract::Path(path) = extract::Path::from_request_parts(parts, state).await?;
        Ok(Self(path))
    }
}

/// The parameters in the query.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let extract::Query(query) = extract::Query::from_request_parts(parts, state).await?;
        Ok(Self(query))
    }
}

/// Who asks, and on which revision.
pub(super) struct Caller {
    identity: Identity,
    actor: String,
    via: Via,
    expected: Option<Revision>,
    dry_run: bool,
    wait: Wait,
    id: Option<String>,
    once: Option<Once>,
}

/// How a command is carried out: only tried, or waited for.
#[derive(Deserialize)]
struct Manner {
    #[serde(default)]
    dry_run: bool,
    wait: Option<String>,
    timeout: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let (claimed, expected) = (actor(&parts.headers)?, expected(&parts.headers)?);
        let address = parts.extensions.get::<Peer>().map(|Peer(address)| *address);
        // Where nobody looked, nobody is let do anything.
        let identity = parts.extensions.get::<Identity>().cloned();
        let identity = identity.ok_or_else(Problem::token_required)?;
        let (actor, via) = who(&identity, claimed, address);
        let extract::Query(Manner { dry_run, wait, timeout }) =
            extract::Query::try_from_uri(&parts.uri)?;
        let once = parts.extensions.get::<Once>().cloned();
        let wait = Wait::read(wait.as_deref(), timeout.as_deref())?;
        Ok(Self { identity, actor, via, expected, dry_run, wait, id: None, once })
    }
}

impl Caller {
    /// The same, on this revision where the caller named none.
    pub(super) fn on(self, revision: Revision) -> Self {
        Self { expected: self.expected.or(Some(revision)), ..self }
    }

    /// The same, with what their rollback is known by.
    pub(super) fn known_by(self, id: Option<String>) -> Result<Self, Problem> {
        let is_one = |id: &String| {
            let letters = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            letters && (1..=MAX_ID_CHARS).contains(&id.len())
        };
        if id.as_ref().is_some_and(|id| !is_one(id)) {
            let detail = "an id is 1 to 64 letters, digits and hyphens";
            return Err(Problem::field("bad_id", "/id", detail));
        }
        Ok(Self { id, ..self })
    }

    /// Who asks.
    pub(super) fn name(&self) -> &str {
        &self.actor
    }

    /// Has a command carried out, or tried, as the caller asks.
    pub(super) async fn have(
        self,
        site: &Arc<Site>,
        command: Command,
        why: String,
    ) -> Result<Answered, Problem> {
        let (dry_run, wait) = (self.dry_run, self.wait);
        let order = self.order(command, &why)?;
        if !dry_run {
            let done = site.desk().command(order).await?;
            let fleet = wait.served(site, &done).await;
            return Ok(Answered::Accepted(Accepted::from(done).served_by(fleet)));
        }
        let tried = site.blocking(move |site| {
            let desk = site.desk();
            desk.ledger().preview(&order, desk.hour())
        });
        Ok(Answered::Preview(tried.await??.into()))
    }

    /// A command in the caller's name. A rollback is carried out whatever revision the caller knew.
    fn order(self, command: Command, why: &str) -> Result<Order, Problem> {
        self.identity.may_command(&command)?;
        let expected = match command {
            Command::Rollback { .. } => None,
            _ => self.expected,
        };
        let is_admin = self.identity.may(AccessScope::Admin).is_ok();
        let Self { actor, via, id, once, .. } = self;
        Ok(Order {
            actor,
            via,
            once,
            is_admin,
            expected,
            id,
            ..Order::by_process(command, "", why)
        })
    }

    /// What the audit keeps of a look at something that not everybody may see.
    pub(super) fn looks(&self, at: &str, now: Timestamp, present: Revision) -> Record {
        Record::new(now, &self.actor, &self.via, at, present)
    }

    /// The caller, as one who approves.
    pub(super) fn approver(self, why: String) -> Approver {
        Approver { actor: self.actor, via: self.via, why }
    }
}

/// Who acts, and how that is known: who is known by their name, and anybody by the one that they give.
pub(super) fn who(
    identity: &Identity,
    claimed: Option<String>,
    address: Option<IpAddr>,
) -> (String, Via) {
    match identity {
        Identity::Anybody => {
            let actor = claimed.unwrap_or_else(|| "anonymous".to_owned());
            (actor, Via { auth: "none", address, claimed: None })
        }
        Identity::Holder { name, by, .. } => {
            let claimed = claimed.filter(|claimed| claimed != name);
            (name.clone(), Via { auth: by.as_str(), address, claimed })
        }
    }
}

/// The name that whoever asks gives.
fn actor(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(ACTOR) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).unwrap_or_default().trim();
    let length = text.chars().count();
    if length == 0 || length > MAX_ACTOR_CHARS || text.chars().any(char::is_control) {
        let detail = "X-Turnout-Actor is a name of 1 to 128 characters";
        return Err(Problem::bad_request("bad_actor", detail));
    }
    Ok(Some(text.to_owned()))
}

fn expected(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let quoted = text.strip_prefix("\"r").and_then(|rest| rest.strip_suffix('"'));
    let revision = quoted.and_then(|number| number.parse().ok()).map(Revision);
    let detail = "If-Match is the ETag of an answer, for example \"r42\"";
    revision.map(Some).ok_or_else(|| Problem::bad_request("bad_if_match", detail))
}

/// The reason, which must be given.
pub(super) fn why(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        let detail = "say why: it is kept with the revision";
        return Err(Problem::field("why_required", "/why", detail));
    }
    bounded(text)
}

/// The reason, which may be left out.
pub(super) fn optional_why(text: Option<&str>) -> Result<String, Problem> {
    bounded(text.unwrap_or_default().trim())
}

fn bounded(text: &str) -> Result<String, Problem> {
    if text.chars().count() > MAX_WHY_CHARS {
        return Err(Problem::field("why_too_long", "/why", "the reason has over 2,000 characters"));
    }
    Ok(text.to_owned())
}

/// Whose traffic: the route's, or that of one tenant or cohort.
pub(super) fn scope(tenant: Option<&str>, cohort: Option<&str>) -> Result<Scope, Problem> {
    match (tenant, cohort) {
        (None, None) => Ok(Scope::Route),
        (Some(tenant), None) => match tenant.parse() {
            Ok(tenant) => Ok(Scope::Tenant(tenant)),
            Err(error) => Err(bad_tenant(&error)),
        },
        (None, Some(name)) => match name.parse::<CohortName>() {
            Ok(cohort) => Ok(Scope::Cohort(cohort)),
            Err(_) => Err(Problem::unknown("cohort", name, [])),
        },
        (Some(_), Some(_)) => {
            let detail = "name a tenant or a cohort, not both";
            Err(Problem::field("one_scope", "/cohort", detail))
        }
    }
}

/// 400 for what is no tenant's id.
pub(super) fn bad_tenant(error: &rules::NameError) -> Problem {
    Problem::field("bad_tenant", "/tenant", error.to_string())
}

/// A share such as `25%`.
pub(super) fn share(text: &str) -> Result<Share, Problem> {
    text.parse::<Share>().map_err(|error| Problem::field("bad_share", "/share", error.to_string()))
}
