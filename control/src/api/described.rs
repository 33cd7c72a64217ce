//! Which answers may every operation give, whatever it does? Those of what stands before all of them: told once, here.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, ResponseBuilder};

/// Answers that are given before an operation is begun.
const EVERY: [(StatusCode, &str); 4] = [
    (StatusCode::BAD_REQUEST, "A header, the path or a parameter cannot be understood"),
    (StatusCode::UNAUTHORIZED, "Nobody comes in without a good token"),
    (StatusCode::FORBIDDEN, "The token's scopes, the host or the origin do not allow it"),
    (StatusCode::TOO_MANY_REQUESTS, "This address has failed too often"),
];

/// Those of what changes something.
const CHANGING: [(StatusCode, &str); 5] = [
    (StatusCode::CONFLICT, "The same request is under way, or another node drives this by now"),
    (StatusCode::PAYLOAD_TOO_LARGE, "The body is over the bound"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is of another type"),
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        "The body has another form, what would come of it is not valid, or the key was used for something else",
    ),
    (StatusCode::SERVICE_UNAVAILABLE, "The store does not serve"),
];

/// Adds them to a description, where an operation does not say more of them.
pub(super) fn with_common_answers(mut description: OpenApi) -> OpenApi {
    let paths = description.paths.paths.iter_mut();
    for (_, item) in paths.filter(|(path, _)| path.starts_with("/v1/")) {
        let PathItem { get, put, post, delete, .. } = item;
        for operation in [&mut *get, put, post, delete].into_iter().flatten() {
            add(operation, &EVERY);
        }
        for operation in [put, post, delete].into_iter().flatten() {
            add(operation, &CHANGING);
        }
    }
    description
}

fn add(operation: &mut Operation, answers: &[(StatusCode, &str)]) {
    for (status, description) in answers {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(*description)
            .content("application/problem+json", problem)
            .build();
        let said = &mut operation.responses.responses;
        said.entry(status.as_str().to_owned()).or_insert_with(|| response.into());
    }
}
