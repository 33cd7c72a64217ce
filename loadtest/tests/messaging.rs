//! The two messaging services differ as the demo tells it, and in nothing else.

use std::time::Duration;

use loadtest::load::{Answer, Call, ask};
use loadtest::messaging::{Messaging, call};
use loadtest::origin::Origin;
use serde_json::Value;

async fn get(origin: &Origin, path: &str) -> Answer {
    let call = Call::get(path).with_header("x-tenant-id", "clinic-007");
    ask(origin.address(), call, Duration::from_secs(10)).await
}

async fn both(messaging: &Messaging, rest: &str) -> (Value, Value) {
    let old = get(&messaging.old, &format!("/v1/messaging{rest}")).await;
    let new = get(&messaging.new, &format!("/v1/communication{rest}")).await;
    let body = |answer: Answer| serde_json::from_slice(&answer.body).unwrap_or_default();
    (body(old), body(new))
}

#[tokio::test]
async fn lists_differ_in_order_and_stamp_only() {
    let messaging = Messaging::start().await.unwrap();
    let (mut old, mut new) = both(&messaging, "/threads").await;
    assert_ne!(old["generatedAt"], new["generatedAt"]);
    let orders = [&old, &new].map(|body| {
        let ids = body["threads"].as_array().into_iter().flatten().map(|thread| &thread["id"]);
        ids.cloned().collect::<Vec<Value>>()
    });
    assert_ne!(orders[0], orders[1]);
    let last = orders[0].len() - 1;
    assert_ne!(old["threads"][0]["participants"], new["threads"][last]["participants"]);
    for body in [&mut old, &mut new] {
        body["generatedAt"].take();
        let threads = body["threads"].as_array_mut().unwrap();
        threads.sort_by_key(|thread| thread["id"].to_string());
        for thread in threads {
            thread["participants"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
    }
    assert_eq!(old, new);
}

#[tokio::test]
async fn a_renamed_member_is_corrected_on_request() {
    let messaging = Messaging::start().await.unwrap();
    let (old, new) = both(&messaging, "/threads/t1/messages").await;
    assert!(old["items"][0]["sender"].is_string() && new["items"][0]["sender"].is_null());
    assert_eq!(old["items"][0]["sender"], new["items"][0]["author"]);
    messaging.correct_rename();
    let (old, new) = both(&messaging, "/threads/t1/messages").await;
    assert_eq!(old["items"], new["items"]);
}

#[tokio::test]
async fn the_new_service_searches_slowly_and_fails_when_told() {
    let messaging = Messaging::start().await.unwrap();
    let old = get(&messaging.old, "/v1/messaging/search?q=x").await;
    let new = get(&messaging.new, "/v1/communication/search?q=x").await;
    assert!(new.latency.as_millis() >= 80 && old.latency < new.latency);
    messaging.fail(true);
    let failed = get(&messaging.new, "/v1/communication/unread").await;
    assert_eq!(failed.status.unwrap().as_u16(), 503);
    messaging.fail(false);
    assert!(get(&messaging.new, "/v1/communication/unread").await.is_ok());
    assert_eq!(get(&messaging.new, "/v1/messaging/unread").await.status.unwrap().as_u16(), 404);
}

#[test]
fn the_traffic_is_repeatable_mixed_and_of_many_tenants() {
    let calls: Vec<Call> = (0..10_000).map(call).collect();
    assert_eq!(calls[17], call(17));
    let share = |fits: &dyn Fn(&Call) -> bool| {
        calls.iter().filter(|call| fits(call)).count() as f64 / calls.len() as f64
    };
    assert!((0.45..0.55).contains(&share(&|call| call.path.starts_with("/v1/messaging/"))));
    assert!((0.06..0.10).contains(&share(&|call| call.method == http::Method::POST)));
    assert!((0.08..0.12).contains(&share(&|call| call.path.contains("/search"))));
    let tenants: std::collections::BTreeSet<_> =
        calls.iter().map(|call| call.headers.last().unwrap().1.clone()).collect();
    assert_eq!(tenants.len(), 500);
}
