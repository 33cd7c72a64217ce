//! Commands over HTTP, and what they leave.

use crate::kit::{Running, YAML};

#[tokio::test]
async fn a_shift_is_a_revision_that_serves() {
    let running = Running::start(YAML).await;
    let done = running.shift("5%").await;
    assert_eq!(done["revision"], 2);
    assert_eq!(done["changed"], true);
    assert_eq!(done["summary"], "sms: off -> canary 5%");
    assert_eq!(running.cell.load().revision.0, 2);
    let again = running.shift("5%").await;
    assert_eq!((again["revision"].as_u64(), again["changed"].as_bool()), (Some(2), Some(false)));
    let route = running.get("/v1/routes/sms").await;
    assert_eq!(route.header("etag"), Some("\"r2\""));
    let route = route.ok();
    assert_eq!((&route["stage"], &route["share"]), (&"canary".into(), &"5%".into()));
    assert_eq!(running.shift("25%").await["summary"], "sms: canary 5% -> 25%");
    running.stop().await;
}
