//! A running control plane on free ports, and a client that speaks to it over real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control::{Links, Listeners, Node, Opening, Phase};
use prometheus_client::registry::Registry;
use rules::SnapshotCell;
use rules::exchange::ExchangeReport;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long anything may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Two routes, two upstreams, tenants and a cohort.
pub(crate) const YAML: &str = r#"# two services
control: {address: "127.0.0.1:0"}
status: {address: "127.0.0.1:0"}
trusted_proxies: [127.0.0.0/8]
tenants: {acme: {residency: AF}, b2: {residency: EU}, c3: {residency: AF}}
cohorts: {africa: {attribute: {residency: AF}}, pilots: {tenants: [b2]}}
flags: {report: {requires: {base: on}}, base: {start: {share: 100%}}, gone: {archived: true}}
upstreams:
  old: {targets: [{address: "127.0.0.1:3001"}]}
  new: {targets: [{address: "127.0.0.1:3002"}]}
routes:
  sms:
    canonical: /v1/sms
    aliases: [{path: /v1/messaging/sms, deprecated: 2026-01-31, sunset: 2037-03-31}]
    stable: {upstream: old}
    candidate: {upstream: new}
    tenant: {header: X-Tenant-Id}
  billing:
    canonical: /v1/billing
    stable: {upstream: old}
"#;

/// A control plane that runs.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) control: SocketAddr,
    pub(crate) status: SocketAddr,
    pub(crate) cell: Arc<SnapshotCell>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) reports: mpsc::Sender<ExchangeReport>,
    pub(crate) reload: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// The `code` of a problem, after a look at the rest of it.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        problem["code"].as_str().unwrap().to_owned()
    }

    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }
}

pub(crate) fn opening(folder: &Path) -> Opening {
    Opening { config: folder.join("turnout.yaml"), store: None }
}

pub(crate) fn folder_with(yaml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("turnout.yaml"), yaml).unwrap();
    folder
}

impl Running {
    pub(crate) async fn start(yaml: &str) -> Self {
        Self::start_in(folder_with(yaml)).await
    }

    pub(crate) async fn start_in(folder: TempDir) -> Self {
        let node = Node::open(&opening(folder.path())).unwrap();
        let listeners = Listeners::on(socket().await, socket().await, None).unwrap();
        let (reports, take_reports) = mpsc::channel(16);
        let (phase, watch_phase) = watch::channel(Phase::Starting);
        let (reload, take_reload) = mpsc::channel(1);
        let links = Links {
            reports: take_reports,
            phase: watch_phase,
            metrics: Registry::default(),
            reload: take_reload,
        };
        let (control, status, cell) = (listeners.control(), listeners.status(), node.cell());
        let task = tokio::spawn(node.serve(listeners, links));
        Self { folder, control, status, cell, phase, reports, reload, task }
    }

    /// Stops it and gives back its folder.
    pub(crate) async fn stop(self) -> TempDir {
        self.phase.send_replace(Phase::Stopped);
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap();
        self.folder
    }

    pub(crate) fn write(&self, yaml: &str) {
        std::fs::write(self.folder.path().join("turnout.yaml"), yaml).unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(self.control, &format!("GET {path} HTTP/1.1"), &["Host: localhost"], "").await
    }

    pub(crate) async fn send(&self, line: &str, headers: &[&str], body: &str) -> Answer {
        let mut all = vec!["Host: localhost", "X-Turnout-Actor: ann"];
        if !headers.iter().any(|header| header.starts_with("Content-Type")) {
            all.push("Content-Type: application/json");
        }
        all.extend(headers);
        ask(self.control, &format!("{line} HTTP/1.1"), &all, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.send(&format!("POST {path}"), &[], body).await
    }

    pub(crate) async fn shift(&self, share: &str) -> Value {
        let body = format!(r#"{{"share": "{share}", "why": "a test"}}"#);
        self.post("/v1/routes/sms/shift", &body).await.ok()
    }

    pub(crate) async fn revision(&self) -> u64 {
        self.get("/v1/status").await.ok()["revision"].as_u64().unwrap()
    }
}

async fn socket() -> std::net::TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap().into_std().unwrap()
}

/// Sends one request and takes the whole answer.
pub(crate) async fn ask(address: SocketAddr, line: &str, headers: &[&str], body: &str) -> Answer {
    tokio::time::timeout(DEADLINE, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = headers.join("\r\n");
        let length = body.len();
        let request =
            format!("{line}\r\n{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // A server that refuses a large body closes before it has all of it.
        stream.write_all(body.as_bytes()).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    })
    .await
    .unwrap()
}

/// A listener to server-sent events.
pub(crate) struct Listening(BufReader<TcpStream>);

impl Listening {
    pub(crate) async fn to(running: &Running, last_event_id: Option<u64>) -> Self {
        Self::at(running, "/v1/events", last_event_id).await
    }

    /// Listens to another stream of events.
    pub(crate) async fn at(running: &Running, path: &str, last_event_id: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(running.control).await.unwrap();
        let known = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{known}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut listening = Self(BufReader::new(stream));
        while !listening.line().await.unwrap().starts_with(": listening") {}
        listening
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = tokio::time::timeout(DEADLINE, self.0.read_line(&mut line)).await.unwrap();
        (read.unwrap_or(0) > 0).then(|| line.trim_end().to_owned())
    }

    /// The next event: its id, name and data. None when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<(u64, String, Value)> {
        let (mut id, mut name) = (0, String::new());
        loop {
            let line = self.line().await?;
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().unwrap();
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((id, name, serde_json::from_str(text).unwrap()));
            }
        }
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
