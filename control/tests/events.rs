//! Events as they happen, and again for those who were away.

use control::Phase;
use serde_json::json;

use crate::kit::{Listening, Running, YAML, ask, eventually};

#[tokio::test]
async fn events_come_as_they_happen() {
    let running = Running::start(YAML).await;
    let mut listening = Listening::to(&running, None).await;
    running.shift("5%").await;
    let (id, name, event) = listening.next().await.unwrap();
    assert_eq!(
        (id, name.as_str(), &event["summary"]),
        (2, "revision", &json!("sms: off -> canary 5%"))
    );
    running.phase.send_replace(Phase::Serving);
    let (id, name, event) = listening.next().await.unwrap();
    assert_eq!((id, name.as_str(), &event["phase"]), (2, "phase", &json!("serving")));
    running.write("routes: {sms: 7}");
    running.reload.send(()).await.unwrap();
    let (id, name, event) = listening.next().await.unwrap();
    assert_eq!((id, name.as_str()), (2, "reload_failed"));
    assert!(!event["errors"].as_array().unwrap().is_empty(), "{event}");
    running.phase.send_replace(Phase::Stopped);
    while listening.next().await.is_some() {}
    running.stop().await;
}

#[tokio::test]
async fn whoever_comes_back_hears_what_was_missed() {
    let running = Running::start(YAML).await;
    for n in 1..=450 {
        running.shift(&format!("{}.{:02}%", n / 100, n % 100)).await;
    }
    let mut listening = Listening::to(&running, Some(3)).await;
    for expected in 4..=451 {
        assert_eq!(listening.next().await.unwrap().0, expected);
    }
    running.shift("50%").await;
    assert_eq!(listening.next().await.unwrap().0, 452);
    // A listener that claims to know the future hears what comes.
    let mut ahead = Listening::to(&running, Some(9_999)).await;
    running.shift("51%").await;
    assert_eq!(ahead.next().await.unwrap().0, 453);
    running.stop().await;
}

#[tokio::test]
async fn only_so_many_may_listen() {
    let running = Running::start(YAML).await;
    let mut all = Vec::new();
    for _ in 0..64 {
        all.push(Listening::to(&running, None).await);
    }
    assert_eq!(running.get("/v1/events").await.problem(503), "too_busy");
    let metrics = ask(running.status, "GET /metrics HTTP/1.1", &["Host: x"], "").await;
    assert!(metrics.body.contains(r#"turnout_control_refused_total{what="listener"} 1"#));
    drop(all);
    eventually("their places are free", async || {
        // The head is all there is: an answer without an end.
        let mut stream = tokio::net::TcpStream::connect(running.control).await.unwrap();
        let request = b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
        let mut head = [0; 12];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head).await.unwrap();
        head == *b"HTTP/1.1 200"
    })
    .await;
    running.stop().await;
}
