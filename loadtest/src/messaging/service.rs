//! The two services: the same inboxes, told in two dialects.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::inbox::{Message, Thread, messages, thread_of, threads};
use crate::origin::{Origin, Recorded, Reply};

/// How long either service takes for most answers.
const USUAL: Duration = Duration::from_millis(3);
/// How long the new service takes to search.
const SLOW: Duration = Duration::from_millis(80);

/// The old messaging service, all under `/v1/messaging`, and the new one, all under `/v1/communication`.
///
/// The new one differs as new services do: it calls a message's `sender` its `author`, lists threads and participants in
/// another order, and searches slowly. Both stamp every answer with `generatedAt`.
pub struct Messaging {
    /// The old service, `x-origin: old`.
    pub old: Origin,
    /// The new service, `x-origin: new`.
    pub new: Origin,
    state: Arc<NewState>,
}

/// What can be told to the new service while it runs.
#[derive(Debug, Default)]
struct NewState {
    failing: AtomicBool,
    says_sender: AtomicBool,
}

impl Messaging {
    /// Starts both on free ports, on the caller's tokio runtime.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> io::Result<Self> {
        let state = Arc::new(NewState::default());
        let told = Arc::clone(&state);
        let old = Origin::start("old", |request| {
            answer(request, &Dialect { base: "/v1/messaging", sender: "sender", new: false })
        });
        let new = Origin::start("new", move |request| {
            if told.failing.load(Ordering::Relaxed) {
                return Reply::json(&json!({"error": "database unreachable"}))
                    .with_status(StatusCode::SERVICE_UNAVAILABLE);
            }
            let sender = if told.says_sender.load(Ordering::Relaxed) { "sender" } else { "author" };
            answer(request, &Dialect { base: "/v1/communication", sender, new: true })
        });
        Ok(Self { old: old.await?, new: new.await?, state })
    }

    /// Makes the new service answer everything with 503, or ends that.
    pub fn fail(&self, failing: bool) {
        self.state.failing.store(failing, Ordering::Relaxed);
    }

    /// Ships the new service's correction: a message has a `sender` again.
    pub fn correct_rename(&self) {
        self.state.says_sender.store(true, Ordering::Relaxed);
    }
}

/// In which a service differs from the other.
struct Dialect {
    base: &'static str,
    sender: &'static str,
    new: bool,
}

fn answer(request: &Recorded, dialect: &Dialect) -> Reply {
    let tenant = request.header("x-tenant-id").unwrap_or("nobody");
    let Some(rest) = request.path().strip_prefix(dialect.base) else { return not_found() };
    let segments: Vec<&str> = rest.split('/').skip(1).collect();
    let reply = match (&request.method, segments.as_slice()) {
        (&Method::GET, ["threads"]) => dialect.list(&threads(tenant)),
        (&Method::GET, ["threads", id]) => {
            Reply::json(&stamped(dialect.thread(&thread_of(tenant, id))))
        }
        (&Method::GET, ["threads", id, "messages"]) => dialect.messages(&messages(id)),
        (&Method::GET, ["unread"]) => {
            let unread: u64 = threads(tenant).iter().map(|thread| thread.unread).sum();
            Reply::json(&json!({"unread": unread}))
        }
        (&Method::GET, ["search"]) => dialect.list(&threads(tenant)),
        (&Method::POST, ["threads", id, "messages"]) => dialect.created(id, request.number),
        _ => return not_found(),
    };
    reply.after(if dialect.new && segments == ["search"] { SLOW } else { USUAL })
}

impl Dialect {
    fn list(&self, threads: &[Thread]) -> Reply {
        let mut list: Vec<Value> = threads.iter().map(|thread| self.thread(thread)).collect();
        if self.new {
            list.reverse();
        }
        Reply::json(&stamped(json!({"total": list.len(), "threads": list})))
    }

    fn thread(&self, thread: &Thread) -> Value {
        let mut participants = thread.participants.clone();
        if self.new {
            participants.reverse();
        }
        json!({
            "id": thread.id,
            "subject": thread.subject,
            "participants": participants,
            "unread": thread.unread,
        })
    }

    fn messages(&self, messages: &[Message]) -> Reply {
        let message = |message: &Message| {
            json!({
                "id": message.id,
                self.sender: message.sender,
                "text": message.text,
                "sentAt": message.sent_at,
            })
        };
        let items: Vec<Value> = messages.iter().map(message).collect();
        Reply::json(&stamped(json!({"items": items})))
    }

    fn created(&self, thread: &str, number: u64) -> Reply {
        let id = format!("{thread}-n{number}");
        let reply = Reply::json(&json!({"id": id})).with_status(StatusCode::CREATED);
        match HeaderValue::from_str(&format!("{}/threads/{thread}/messages/{id}", self.base)) {
            Ok(location) => reply.with_header(HeaderName::from_static("location"), location),
            Err(_) => not_found(),
        }
    }
}

fn stamped(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.insert("generatedAt".to_owned(), jiff::Timestamp::now().to_string().into());
    }
    body
}

fn not_found() -> Reply {
    Reply::json(&json!({"error": "no such resource"})).with_status(StatusCode::NOT_FOUND)
}
