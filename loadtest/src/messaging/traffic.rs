//! What do the tenants' clients ask? Mostly reads, some writes, half of them still by the old paths.

use http::Method;

use super::inbox::{mix, threads};
use crate::load::Call;

/// How many tenants there are.
pub const TENANTS: u64 = 500;

/// A tenant's name by its number, from 0; numbers beyond [`TENANTS`] begin anew.
#[must_use]
pub fn tenant(number: u64) -> String {
    format!("clinic-{:03}", number % TENANTS)
}

/// The request with a number: always the same for the same number. Of 100 requests 8 are writes and 10 search (the new
/// service's slow endpoint).
#[must_use]
pub fn call(number: u64) -> Call {
    let dice = mix(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let tenant = tenant(dice / 200);
    let base = if dice.is_multiple_of(2) { "/v1/messaging" } else { "/v1/communication" };
    let thread = threads(&tenant).into_iter().next().map(|thread| thread.id).unwrap_or_default();
    let call = match dice / 2 % 100 {
        0..30 => Call::get(format!("{base}/threads?page=1")),
        30..50 => Call::get(format!("{base}/threads/{thread}")),
        50..72 => Call::get(format!("{base}/threads/{thread}/messages")),
        72..82 => Call::get(format!("{base}/unread")),
        82..92 => Call::get(format!("{base}/search?q=visit")),
        _ => Call::new(Method::POST, format!("{base}/threads/{thread}/messages"))
            .with_header("content-type", "application/json")
            .with_body(r#"{"text":"On my way."}"#),
    };
    call.with_header("x-tenant-id", tenant)
}
