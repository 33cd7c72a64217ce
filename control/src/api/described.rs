//! What is true of every operation, whatever it does? The answers of what stands before all of them, how problems are sent,
//! and how whoever asks is known: told once, here.

use axum::http::StatusCode;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, PathItem, Ref, RefOr, ResponseBuilder};

/// What problems are sent as (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// Answers that are given before an operation is begun.
const EVERY: [(StatusCode, &str); 4] = [
    (StatusCode::BAD_REQUEST, "A header, the path or a parameter cannot be understood"),
    (StatusCode::UNAUTHORIZED, "Nobody comes in without a good token or certificate"),
    (StatusCode::FORBIDDEN, "The scopes of who asks, the host or the origin do not allow it"),
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

/// Adds to a description what is true of all operations, where one does not say more of it.
pub(super) fn with_common_answers(mut description: OpenApi) -> OpenApi {
    for (path, item) in &mut description.paths.paths {
        let is_open = !path.starts_with("/v1/");
        let PathItem { get, put, post, delete, .. } = item;
        for operation in [&mut *get, put, post, delete].into_iter().flatten() {
            if is_open {
                operation.security = Some(Vec::new());
            } else {
                add(operation, &EVERY);
            }
        }
        for operation in [&mut *put, post, delete].into_iter().flatten().filter(|_| !is_open) {
            add(operation, &CHANGING);
        }
        for operation in [get, put, post, delete].into_iter().flatten() {
            send_problems(operation);
        }
    }
    say_who(&mut description);
    description
}

/// How whoever asks is known. On a loopback address it may be that nobody has to say.
fn say_who(description: &mut OpenApi) {
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token. One that is sent must be good, whatever certificate is shown"));
    let certificate = SecurityScheme::MutualTls {
        description: Some("The certificate of a subject that the configuration names".to_owned()),
        deprecated: None,
        extensions: None,
    };
    let components = description.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    components.add_security_scheme("certificate", certificate);
    let alone = |name: &str| SecurityRequirement::new(name, Vec::<String>::new());
    description.security =
        Some(vec![alone("token"), alone("certificate"), SecurityRequirement::default()]);
}

/// Problems are described as what they are sent as.
fn send_problems(operation: &mut Operation) {
    let problem: RefOr<Content> = Content::new(Some(Ref::from_schema_name("Problem"))).into();
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        if response.content.get("application/json") == Some(&problem) {
            response.content.clear();
            response.content.insert(PROBLEM.to_owned(), problem.clone());
        }
    }
}

fn add(operation: &mut Operation, answers: &[(StatusCode, &str)]) {
    for (status, description) in answers {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response =
            ResponseBuilder::new().description(*description).content(PROBLEM, problem).build();
        let said = &mut operation.responses.responses;
        said.entry(status.as_str().to_owned()).or_insert_with(|| response.into());
    }
}
