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

/// What is wrong with a request, or went wrong.
#[derive(Debug)]
pub(crate) struct Problem(pub(super) Box<ProblemView>);

/// Marks the answer to what was refused before it was a command, so that the audit still learns of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RefusedEarly(pub(super) &'static str);

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
    pub(super) revision: Option<u64>,
    /// Who made the present revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) actor: Option<String>,
    /// The hash of the plan that others have to approve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<String>,
    /// Whether the audit has it already.
    #[serde(skip)]
    #[schema(ignore)]
    accounted_for: bool,
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
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemView {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            hint: None,
            errors: Vec::new(),
            revision: None,
            actor: None,
            plan: None,
            accounted_for: false,
        }))
    }

    pub(super) fn accounted_for(mut self) -> Self {
        self.0.accounted_for = true;
        self
    }

    pub(super) fn hint(mut self, hint: Option<String>) -> Self {
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

    /// 409: the same request is under way.
    pub(super) fn under_way() -> Self {
        let detail = "a request with this Idempotency-Key is under way: ask again in a moment";
        Self::new(StatusCode::CONFLICT, "under_way", detail)
    }

    /// 422: the key was used for something else.
    pub(super) fn other_request() -> Self {
        let detail = "this Idempotency-Key was used for another request: take a new one";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "key_used_before", detail)
    }

    /// 401: nobody comes in without a token, or the certificate of somebody who is known.
    pub(super) fn token_required() -> Self {
        let detail = "this takes a token, or the certificate of a subject: send `Authorization: Bearer` and the token";
        Self::new(StatusCode::UNAUTHORIZED, "token_required", detail)
    }

    /// 401: there is no such token, or not any more.
    pub(super) fn unknown_token() -> Self {
        let detail = "this token is not known: it was revoked, or is of another place";
        Self::new(StatusCode::UNAUTHORIZED, "unknown_token", detail)
    }

    /// 401: the token's time is over.
    pub(super) fn expired_token(name: &str) -> Self {
        let detail = format!("the time of token {name:?} is over");
        Self::new(StatusCode::UNAUTHORIZED, "expired_token", detail)
    }

    /// 401: the certificate is nobody's who is known here.
    pub(super) fn unknown_subject() -> Self {
        let detail = "this certificate is of nobody who is named under `control.subjects`";
        Self::new(StatusCode::UNAUTHORIZED, "unknown_subject", detail)
    }

    /// 401: the certificate was good when the connection began, and is no more.
    pub(super) fn outdated_certificate() -> Self {
        let detail = "the certificate of this connection is over, or nobody vouches for it any more: connect again with a new one";
        Self::new(StatusCode::UNAUTHORIZED, "outdated_certificate", detail)
    }

    /// 429: this address has failed too often.
    pub(super) fn too_many_failures() -> Self {
        let detail = "too many requests from this address came without a good token or certificate: wait a moment";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", detail)
    }

    /// 409: the configuration has a token of that name, which only the configuration can change.
    pub(super) fn token_is_written(name: &str) -> Self {
        let detail = format!("token {name:?} stands in the configuration: change it there");
        Self::new(StatusCode::CONFLICT, "token_in_configuration", detail)
    }

    /// 503: there is too much of this at once.
    pub(super) fn too_busy(what: &str) -> Self {
        let detail =
            format!("there are too many at once for one more {what}: ask again in a moment");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_busy", detail)
    }

    /// 409: there are no values of a difference to be shown.
    pub(super) fn no_values(code: &'static str, detail: String, hint: &str) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail).hint(Some(hint.to_owned()))
    }

    /// 503: the audit cannot take who looked, so that nothing is shown.
    pub(super) fn not_accounted_for() -> Self {
        let detail = "the store does not take who looked, and without that nothing is shown";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_unavailable", detail)
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
        let detail = "the body is too large: at most 1 MiB, and 16 MiB for a configuration or a list of tenants";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 422: a list is not valid; with all that is wrong, by its place and what is wrong there.
    pub(super) fn invalid_list(wrong: Vec<(String, String)>) -> Self {
        let detail = "the list is not valid; nothing has changed";
        let fault = |(pointer, detail)| Fault {
            pointer,
            detail,
            code: None,
            hint: None,
            line: None,
            column: None,
        };
        let errors = wrong.into_iter().map(fault).collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_list", detail).errors(errors)
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
        let (present, view_code) = (view.revision.map(Revision), view.code);
        let early = (!view.accounted_for).then_some(RefusedEarly(view.code));
        let mut response = (status, Json(view)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::SERVICE_UNAVAILABLE || view_code == "under_way" {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(revision) = present {
            response.headers_mut().insert(header::ETAG, etag(revision));
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                let bearer = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = HeaderValue::from_static("6");
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        if let Some(early) = early {
            response.extensions_mut().insert(early);
        }
        response
    }
}
