//! What does a tenant have of one flag, and of all of them?

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use rules::flag::{Flag, FlagId, Subject};
use rules::{FlagName, Revision, Snapshot, TenantId};
use serde_json::{Value, json};

use super::answer::{Failure, told};
use super::asker::Sight;
use super::{changes, context};
use crate::api::problem::Problem;
use crate::api::request::Path;
use crate::api::site::Site;

/// How long a connection that tells of changes is worth keeping while nobody looks.
const INACTIVITY_SECONDS: u32 = 120;

/// One flag. It counts as a use of the flag.
pub(super) async fn one(
    State(site): State<Arc<Site>>,
    sight: Option<Extension<Sight>>,
    key: Result<Path<String>, Problem>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let Ok(Path(key)) = key else { return Err(Failure::bad_key()) };
    if key.parse::<FlagName>().is_err() {
        return Err(Failure::bad_key().of(&key));
    }
    let tenant = read(body).map_err(|failure| failure.of(&key))?;
    // Nothing tells a flag that may not be seen from one that is not there.
    if !sight.unwrap_or_default().reaches(&key) {
        return Err(Failure::not_found().of(&key));
    }
    let present = site.present();
    let snapshot = &present.compiled.snapshot;
    let id = snapshot.flags.find(&key).map_err(|_unavailable| Failure::not_found().of(&key))?;
    let found = snapshot.flags.evaluate(id, subject(snapshot, tenant.as_ref()));
    let found = found.ok_or_else(|| Failure::not_found().of(&key))?;
    let answer = told(&found, snapshot.revision)?;
    if let Some(flag) = snapshot.flags.get(id) {
        flag.definition.counters.count(found.id, Timestamp::now().as_second());
    }
    Ok(Json(answer).into_response())
}

/// All flags but the archived ones. Whoever asks for all uses none in particular, so that none is counted.
pub(super) async fn all(
    State(site): State<Arc<Site>>,
    sight: Option<Extension<Sight>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Failure> {
    let tenant = read(body)?;
    let Extension(sight) = sight.unwrap_or_default();
    let answered = site.blocking(move |site| {
        let present = site.present();
        let snapshot = &present.compiled.snapshot;
        let tag = tag(snapshot.revision, tenant.as_ref(), &sight);
        if knows(&headers, &tag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        ([(header::ETAG, tag)], Json(bulk(snapshot, tenant.as_ref(), &sight))).into_response()
    });
    answered.await.map_err(|_busy| Failure::too_busy())
}

fn read(body: Result<Bytes, BytesRejection>) -> Result<Option<TenantId>, Failure> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::context("a request has at most 16 KiB"),
        _ => Failure::parse("the body did not come in whole"),
    })?;
    context::tenant(&body)
}

fn subject<'s>(snapshot: &'s Snapshot, tenant: Option<&'s TenantId>) -> Subject<'s> {
    let known = tenant.and_then(|tenant| snapshot.tenants.get(tenant));
    let cohorts = known.map_or(&[][..], |tenant| &tenant.cohorts);
    Subject { tenant: tenant.map(TenantId::as_str), cohorts }
}

fn bulk(snapshot: &Snapshot, tenant: Option<&TenantId>, sight: &Sight) -> Value {
    let subject = subject(snapshot, tenant);
    let is_shown =
        |flag: &Flag| !flag.definition.archived && sight.reaches(flag.definition.name.as_str());
    let all = (0..).map(FlagId).zip(snapshot.flags.all());
    let flags = all.filter(|(_, flag)| is_shown(flag)).filter_map(|(id, _)| {
        let found = snapshot.flags.evaluate(id, subject)?;
        Some(told(&found, snapshot.revision).unwrap_or_else(|failure| failure.told()))
    });
    json!({
        "flags": flags.collect::<Vec<Value>>(),
        "eventStreams": [{
            "type": "sse",
            "endpoint": {"requestUri": changes::PATH},
            "inactivityDelaySec": INACTIVITY_SECONDS,
        }],
        "metadata": {"revision": snapshot.revision.0},
    })
}

/// What stays the same as long as the answer does: FNV-1a over the tenant and what the asker may see, beside the revision.
/// The tenant alone decides of a context, and two tenants or askers share no cache.
fn tag(revision: Revision, tenant: Option<&TenantId>, sight: &Sight) -> HeaderValue {
    let tenant = tenant.map_or("", TenantId::as_str);
    // A limit begins with a sign that no tenant's id has.
    let limits = sight.limits().flat_map(|limit| ["\n", limit]);
    let bytes = std::iter::once(tenant).chain(limits).flat_map(str::bytes);
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let text = format!("\"{revision}-{hash:016x}\"");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Whether the asker has the answer of this tag already (RFC 9110 section 13.1.2).
fn knows(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == "*" || known == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_of_one_revision_and_one_tenant() {
        let acme: TenantId = "acme".parse().unwrap();
        let all = Sight::default();
        let tags = [
            tag(Revision(1), None, &all),
            tag(Revision(2), None, &all),
            tag(Revision(1), Some(&acme), &all),
            tag(Revision(1), Some(&"acmf".parse().unwrap()), &all),
        ];
        for (place, one) in tags.iter().enumerate() {
            assert!(tags.iter().skip(place + 1).all(|other| other != one));
        }
        let known = tag(Revision(1), Some(&acme), &all);
        for (field, knows_it) in
            [(known.clone(), true), (HeaderValue::from_static("*"), true), (tags[0].clone(), false)]
        {
            let headers: HeaderMap = [(header::IF_NONE_MATCH, field)].into_iter().collect();
            assert_eq!(knows(&headers, &known), knows_it);
        }
        let weak = format!("\"other\", W/{}", known.to_str().unwrap()).parse().unwrap();
        let headers: HeaderMap = [(header::IF_NONE_MATCH, weak)].into_iter().collect();
        assert!(knows(&headers, &known));
    }
}
