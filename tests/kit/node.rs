//! The product itself: the built binary, started with a configuration of its own, watched, and ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::client::{Answer, Ask, Client, get};
use super::{eventually_some, free_address, within};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_turnout");

/// A configuration to be served, and the place where its file and its state live.
#[derive(Clone)]
pub(crate) struct Setup {
    folder: Arc<TempDir>,
    yaml: String,
    upstreams: Vec<(String, String)>,
    drain: &'static str,
    env: Vec<(String, String)>,
    control: String,
    probes: String,
    store: String,
    by_env: bool,
    addresses: Addresses,
    /// Listeners besides the one that all tests have, with what the file says of them.
    listeners: Vec<(SocketAddr, String)>,
    /// The one for HTTP/2 without TLS, and the one for TLS, if there are any.
    h2c: Option<SocketAddr>,
    tls: Option<SocketAddr>,
}

#[derive(Clone, Copy)]
struct Addresses {
    proxy: SocketAddr,
    control: SocketAddr,
    status: SocketAddr,
}

impl Addresses {
    fn free() -> Self {
        Self { proxy: free_address(), control: free_address(), status: free_address() }
    }
}

impl Setup {
    /// The configuration in `yaml`, without listeners, control, status and upstreams: those the harness writes.
    pub(crate) fn new(yaml: &str) -> Self {
        Self {
            folder: Arc::new(tempfile::tempdir().unwrap()),
            yaml: yaml.to_owned(),
            upstreams: Vec::new(),
            drain: "10s",
            env: Vec::new(),
            control: String::new(),
            probes: String::new(),
            store: String::new(),
            by_env: false,
            addresses: Addresses::free(),
            listeners: Vec::new(),
            h2c: None,
            tls: None,
        }
    }

    /// One more listener, for HTTP/2 without TLS.
    pub(crate) fn with_h2c(self) -> Self {
        let (setup, address) = self.listening("h2c: true");
        Self { h2c: Some(address), ..setup }
    }

    /// One more listener, for TLS as the file writes it.
    pub(crate) fn with_tls(self, yaml: &str) -> Self {
        let (setup, address) = self.listening(&format!("tls: {yaml}"));
        Self { tls: Some(address), ..setup }
    }

    /// One more listener, as the file writes what it is like; and its address.
    pub(crate) fn listening(mut self, yaml: &str) -> (Self, SocketAddr) {
        let address = free_address();
        self.listeners.push((address, yaml.to_owned()));
        (self, address)
    }

    pub(crate) fn upstream(self, name: &str, address: SocketAddr) -> Self {
        self.upstream_with(name, address, "{}")
    }

    /// An upstream with one target, its limits being patient for slow machines unless said otherwise.
    pub(crate) fn upstream_with(self, name: &str, address: SocketAddr, timeouts: &str) -> Self {
        self.upstream_as(
            name,
            &format!("{{targets: [{{address: \"{address}\"}}], timeouts: {timeouts}}}"),
        )
    }

    /// An upstream as the file writes it.
    pub(crate) fn upstream_as(mut self, name: &str, yaml: &str) -> Self {
        self.upstreams.retain(|(known, _)| known != name);
        self.upstreams.push((name.to_owned(), yaml.to_owned()));
        self
    }

    pub(crate) fn draining(mut self, limit: &'static str) -> Self {
        self.drain = limit;
        self
    }

    /// One node of a fleet: its own addresses come from the environment, so that all nodes have the same file. It reaches the
    /// Redis by an address of its own.
    pub(crate) fn node_of_fleet(&self, redis: SocketAddr) -> Self {
        let mut node = self.clone();
        node.folder = Arc::new(tempfile::tempdir().unwrap());
        node.addresses = Addresses::free();
        node.by_env = true;
        node.store =
            "store: {redis: {address: \"${FLEET_REDIS}\"}}\ninsecure_control: true\n".into();
        node.env("FLEET_REDIS", &redis.to_string())
    }

    /// The same, by the name of another node of this machine: with the port of its control API, at another address.
    pub(crate) fn called_as(mut self, other: &Turnout) -> Self {
        self.addresses.control = ([127, 0, 0, 2], other.control().port()).into();
        self
    }

    /// What stands in `control:` beside the address, beginning with a comma.
    pub(crate) fn controlled(&self, more: &str) -> Self {
        Self { control: more.to_owned(), ..self.clone() }
    }

    /// The same, with a control API that the network reaches.
    pub(crate) fn beyond_loopback(mut self) -> Self {
        self.addresses.control.set_ip([0, 0, 0, 0].into());
        self
    }

    /// What stands in `status:` beside the address, beginning with a comma. What waits for it to be ready speaks no TLS.
    pub(crate) fn probed(&self, more: &str) -> Self {
        Self { probes: more.to_owned(), ..self.clone() }
    }

    /// The whole file with another line before it.
    pub(crate) fn with_line(mut self, line: &str) -> Self {
        self.yaml = format!("{line}\n{}", self.yaml);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same upstreams and places with another text for the rest.
    pub(crate) fn rewritten(&self, yaml: &str) -> Self {
        Self { yaml: yaml.to_owned(), ..self.clone() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("turnout.yaml")
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let Addresses { proxy, control, status } = self.addresses;
        let more = self.listeners.iter();
        let more: String =
            more.map(|(address, yaml)| format!(", {{address: \"{address}\", {yaml}}}")).collect();
        let [proxy, control, status] = match self.by_env {
            true => ["${FLEET_PROXY}", "${FLEET_CONTROL}", "${FLEET_STATUS}"].map(str::to_owned),
            false => [proxy, control, status].map(|address| address.to_string()),
        };
        let mut text = format!(
            "listeners: [{{address: \"{proxy}\"}}{more}]\ncontrol: {{address: \"{control}\"{}}}\nstatus: {{address: \"{status}\"{}}}\n\
             trusted_proxies: [127.0.0.1/32]\ndrain: {}\n",
            self.control, self.probes, self.drain
        );
        text.push_str(&self.store);
        if !self.upstreams.is_empty() {
            text.push_str("upstreams:\n");
        }
        for (name, yaml) in &self.upstreams {
            text.push_str(&format!("  {name}: {yaml}\n"));
        }
        text + &self.yaml
    }

    /// Writes the file as editors do: beside it first, then in its place.
    pub(crate) fn write(&self) -> PathBuf {
        let (file, beside) = (self.file(), self.folder.path().join(".turnout.yaml.new"));
        let mut text = std::fs::File::create(&beside).unwrap();
        text.write_all(self.text().as_bytes()).unwrap();
        std::fs::rename(beside, &file).unwrap();
        file
    }

    /// Starts the product and waits until it is ready. A port that somebody else took meanwhile is exchanged for another.
    pub(crate) async fn start(mut self) -> Turnout {
        for _ in 0..5 {
            self.write();
            let mut turnout = self.spawn();
            match turnout.ready_or_over().await {
                Started::Ready => return turnout,
                Started::Over(status) if turnout.output.contains("in use") => {
                    eprintln!("a port was taken ({status}), trying others");
                    self.addresses = Addresses::free();
                }
                Started::Over(status) => {
                    panic!("ended at once: {status}\n{}", turnout.output.text())
                }
            }
        }
        panic!("no free ports")
    }

    /// Starts the product with the file as it stands, and waits for nothing.
    pub(crate) fn spawn(&self) -> Turnout {
        self.spawn_from(Path::new(BINARY), &[])
    }

    /// The same for a binary at another place, with more arguments.
    pub(crate) fn spawn_from(&self, binary: &Path, more: &[&str]) -> Turnout {
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(self.file())
            .env("FLEET_PROXY", self.addresses.proxy.to_string())
            .env("FLEET_CONTROL", self.addresses.control.to_string())
            .env("FLEET_STATUS", self.addresses.status.to_string())
            .args(more)
            .env("RUST_LOG", "info")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env_remove("TURNOUT_SERVER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Output::default();
        output.collect(child.stdout.take().unwrap());
        output.collect(child.stderr.take().unwrap());
        Turnout { setup: self.clone(), child, output, client: Client::new() }
    }
}

enum Started {
    Ready,
    Over(ExitStatus),
}

/// A running product; killed when it is dropped, and its log shown when the test fails.
pub(crate) struct Turnout {
    setup: Setup,
    child: Child,
    output: Output,
    pub(crate) client: Client,
}

impl Turnout {
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    pub(crate) fn proxy(&self) -> SocketAddr {
        self.setup.addresses.proxy
    }

    pub(crate) fn control(&self) -> SocketAddr {
        self.setup.addresses.control
    }

    pub(crate) fn status(&self) -> SocketAddr {
        self.setup.addresses.status
    }

    /// Where it speaks TLS, if it was told to.
    pub(crate) fn tls(&self) -> SocketAddr {
        self.setup.tls.unwrap()
    }

    /// Where it speaks HTTP/2 without TLS, if it was told to.
    pub(crate) fn h2c(&self) -> SocketAddr {
        self.setup.h2c.unwrap()
    }

    /// Memory that it holds (resident set), in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Sends a request through the proxy; the answer must come.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        self.try_send(ask).await.unwrap()
    }

    pub(crate) async fn try_send(&self, ask: Ask) -> Result<Answer, String> {
        self.client.send(self.proxy(), ask).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// What `/metrics` says.
    pub(crate) async fn metrics(&self) -> String {
        self.client.send(self.status(), get("/metrics")).await.unwrap().expect(200).text()
    }

    /// Ends it the hard way, at once.
    pub(crate) fn kill(mut self) -> Setup {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.setup.clone()
    }

    /// Sends a signal by its name: `TERM`, `HUP`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts another process that takes over from this one, and waits until it has.
    pub(crate) async fn upgrade(&self) -> Self {
        let mut next = self.setup.spawn_from(Path::new(BINARY), &["--upgrade"]);
        next.has_taken_over().await;
        next
    }

    /// Waits until it has taken over from another process.
    pub(crate) async fn has_taken_over(&mut self) {
        eventually_some("it has taken over", async || {
            if let Some(over) = self.has_ended() {
                panic!("ended instead of taking over: {over}\n{}", self.output.text());
            }
            self.output.contains("\"taken over\"").then_some(())
        })
        .await;
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&mut self) {
        if let Started::Over(status) = self.ready_or_over().await {
            panic!("ended at once: {status}\n{}", self.output.text());
        }
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually_some("the process ends", async || self.child.try_wait().unwrap()).await
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    async fn ready_or_over(&mut self) -> Started {
        let status = self.status();
        let Self { child, client, .. } = self;
        let look = async || {
            if let Some(over) = child.try_wait().unwrap() {
                return Some(Started::Over(over));
            }
            let answer = client.send(status, get("/readyz")).await.ok()?;
            answer.status.is_success().then_some(Started::Ready)
        };
        match within(Duration::from_secs(20), look).await {
            Some(Started::Over(status)) => {
                self.output.complete().await;
                Started::Over(status)
            }
            Some(ready) => ready,
            None => panic!("never ready\n{}", self.output.text()),
        }
    }
}

impl Drop for Turnout {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.setup.folder().display(), self.output.text());
        }
    }
}

/// Everything a process has written so far.
#[derive(Clone, Default)]
pub(crate) struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    open: Arc<()>,
}

impl Output {
    fn collect(&self, from: impl Read + Send + 'static) {
        let Self { lines, open } = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
            drop(open);
        });
    }

    /// Waits until both streams are closed.
    pub(crate) async fn complete(&self) {
        let only_ours = async || (Arc::strong_count(&self.open) == 1).then_some(());
        within(Duration::from_secs(5), only_ours).await;
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.text().contains(text)
    }
}
