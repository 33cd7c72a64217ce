//! What does the API answer when something is wrong? Every status is chosen here. (RFC 9457)

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use config::Problems;
use rules::Revision;
use serde::Serialize;
use utoipa::ToSchema;

use super::site::etag;
use crate::desired::Refusal;
use crate::ledger::Declined;
use crate::store::StoreError;

/// What is wrong with a request, or went wrong.
#[derive(Debug)]
pub(crate) struct Problem(Box<ProblemView>);

/// What is wrong with a request, or went wrong (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView {
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What is wrong, for people.
    detail: String,
    /// What is wrong, for machines.
    #[schema(example = "unknown_route")]
    code: &'static str,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Everything that is wrong in what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// The present revision, where another one was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    /// Who made the present revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
}

/// One thing that is wrong in what was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where, as a JSON pointer.
    pointer: String,
    /// What.
    detail: String,
    /// What, for machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// The line in a configuration, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The column in that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemView {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            hint: None,
            errors: Vec::new(),
            revision: None,
            actor: None,
        }))
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.0.hint = hint;
        self
    }

    fn errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// 400: a field of the request is not what it should be.
    pub(super) fn field(code: &'static str, pointer: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let fault = Fault {
            pointer: pointer.to_owned(),
            detail: detail.clone(),
            code: None,
            hint: None,
            line: None,
            column: None,
        };
        Self::new(StatusCode::BAD_REQUEST, code, detail).errors(vec![fault])
    }

    /// 400: a header, parameter or the body as a whole cannot be understood.
    pub(super) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 404: there is no such thing; with the name that was perhaps meant.
    pub(super) fn unknown<'k>(
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Self {
        let hint = config::closest(name, known).map(str::to_owned);
        Refusal::Unknown { kind, name: name.to_owned(), hint }.into()
    }

    /// 404: there is no such revision.
    pub(super) fn unknown_revision(asked: &str, present: Revision) -> Self {
        let detail = format!("there is no revision {asked:?}");
        let hint = format!("the present one is {}", present.0);
        Self::new(StatusCode::NOT_FOUND, "unknown_revision", detail).hint(Some(hint))
    }

    /// 404: nothing is at this path.
    pub(super) fn no_such_path() -> Self {
        let detail = "there is nothing at this path; /openapi.json lists what there is";
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405: not with this method.
    pub(super) fn no_such_method() -> Self {
        let detail = "this path does not know this method; /openapi.json lists what there is";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// 403: the request was made for another host, perhaps by a web page that has its name resolve to this machine.
    pub(super) fn foreign_host() -> Self {
        let detail = "the control API answers only to localhost and loopback addresses";
        Self::new(StatusCode::FORBIDDEN, "host_not_allowed", detail)
    }

    /// 403: a web page of another origin made the request.
    pub(super) fn foreign_origin() -> Self {
        let detail = "the control API does not answer to web pages of other origins";
        Self::new(StatusCode::FORBIDDEN, "origin_not_allowed", detail)
    }

    /// 503: there is too much of this at once.
    pub(super) fn too_busy(what: &str) -> Self {
        let detail =
            format!("there are too many at once for one more {what}: ask again in a moment");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_busy", detail)
    }

    /// 422: the configuration's text cannot be added to.
    pub(super) fn cannot_ignore(error: &config::edit::EditError) -> Self {
        let code = match error {
            config::edit::EditError::Already => "already_ignored",
            config::edit::EditError::Unfit(_) => "unfit_configuration",
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
    }

    /// 413: the body is over the bound.
    pub(super) fn too_large() -> Self {
        let detail = "the body is too large: at most 1 MiB, and 16 MiB for a configuration";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 422: a configuration is not valid; with all that is wrong.
    pub(super) fn invalid(problems: &Problems) -> Self {
        let detail = "what this leads to is not valid; nothing has changed";
        let errors = problems.iter().map(|problem| Fault {
            pointer: problem.pointer.clone(),
            detail: problem.message.clone(),
            code: Some(problem.code),
            hint: problem.hint.clone(),
            line: Some(problem.line).filter(|line| *line > 0),
            column: Some(problem.column).filter(|column| *column > 0),
        });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).errors(errors.collect())
    }
}

impl From<Declined> for Problem {
    fn from(declined: Declined) -> Self {
        match declined {
            Declined::Refused(refusal) => refusal.into(),
            Declined::Invalid(problems) => Self::invalid(&problems),
            Declined::Store(error) => error.into(),
            Declined::HandedOver => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Self::new(status, "handed_over", declined.to_string())
            }
            Declined::Unresolved(_) => {
                let hint = "is the name right, and known where this runs?";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, "unresolved_targets", declined.to_string())
                    .hint(Some(hint.to_owned()))
            }
            Declined::Stale { present, ref actor } => {
                let status = StatusCode::PRECONDITION_FAILED;
                let mut problem = Self::new(status, "revision_conflict", declined.to_string());
                problem.0.revision = Some(present.0);
                problem.0.actor = Some(actor.clone());
                problem
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unknown { kind, hint, .. } => {
                let code = match kind {
                    "route" => "unknown_route",
                    "cohort" => "unknown_cohort",
                    "flag" => "unknown_flag",
                    "variant" => "unknown_variant",
                    "rollout" => "unknown_rollout",
                    "signature" => "unknown_signature",
                    _ => "unknown_upstream",
                };
                let hint = hint.map(|name| format!("did you mean {name:?}?"));
                Self::new(StatusCode::NOT_FOUND, code, detail).hint(hint)
            }
            Refusal::RolloutRuns { .. } => Self::new(StatusCode::CONFLICT, "rollout_runs", detail),
            Refusal::Rollout { .. } => Self::new(StatusCode::CONFLICT, "rollout_refused", detail),
            Refusal::NoCandidate { .. } => Self::new(StatusCode::CONFLICT, "no_candidate", detail),
            Refusal::ArchivedFlag { .. } => {
                Self::new(StatusCode::CONFLICT, "archived_flag", detail)
            }
            Refusal::ShareOfTenant => Self::field("bad_share", "/share", detail),
            Refusal::NothingAbove => Self::field("share_required", "/share", detail),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        // What exactly failed is for the operator's log, not for whoever asks.
        tracing::error!(error = &error as &dyn std::error::Error, "the store does not serve");
        let detail = "the store does not serve: nothing has changed, and traffic goes on as it was";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "json_required",
                "send JSON, with Content-Type: application/json",
            ),
            _ => Self::bad_request("bad_body", rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request("bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request("bad_path", rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(view) = self;
        let status = StatusCode::from_u16(view.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let present = view.revision.map(Revision);
        let mut response = (status, Json(view)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(revision) = present {
            response.headers_mut().insert(header::ETAG, etag(revision));
        }
        response
    }
}
