//! Who hears of what happens? The stream of events, and how it is taken up again.

use crate::control::sms;
use crate::kit::{RawConnection, Turnout};

/// The events of a stream, one after the other.
struct Events(RawConnection);

impl Events {
    async fn of(turnout: &Turnout, last: Option<u64>) -> Self {
        let mut connection = RawConnection::open(turnout.control()).await;
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!(
            "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{last}\r\n"
        );
        connection.write(request).await;
        let head = connection.read_until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        Self(connection)
    }

    async fn until(&mut self, text: &str) -> String {
        self.0.read_until(text).await
    }
}

#[tokio::test]
async fn events_tell_of_every_revision() {
    let (turnout, _old, _new) = sms().await;
    let mut events = Events::of(&turnout, None).await;
    let revision = turnout.shift("sms", "5%").await["revision"].as_u64().unwrap();
    let told = events.until(&format!("id: {revision}\n")).await + &events.until("\n\n").await;
    assert!(told.contains("event: revision"), "{told}");
    assert!(told.contains("5%"), "{told}");

    turnout.setup().rewritten("routes: [").write();
    turnout.signal("HUP");
    events.until("event: reload_failed").await;
}

#[tokio::test]
async fn events_resume_where_a_listener_left() {
    let (turnout, _old, _new) = sms().await;
    let first = turnout.shift("sms", "5%").await["revision"].as_u64().unwrap();
    for share in ["10%", "15%"] {
        turnout.shift("sms", share).await;
    }
    let mut events = Events::of(&turnout, Some(first)).await;
    let told = events.until("15%").await;
    assert!(told.contains(&format!("id: {}\n", first + 1)), "{told}");
    assert!(!told.contains(&format!("id: {first}\n")), "{told}");
}

#[tokio::test]
async fn many_listeners_do_not_keep_the_node_from_leaving() {
    let (mut turnout, _old, _new) = sms().await;
    let mut listeners = Vec::new();
    for _ in 0..20 {
        listeners.push(Events::of(&turnout, None).await);
    }
    turnout.signal("TERM");
    assert_eq!(turnout.ended().await.code(), Some(0));
    drop(listeners);
}
