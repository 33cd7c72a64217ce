//! A Redis of a test's own: a real server on a port that nobody else has, ended with the test.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use config::{RedisAddress, RedisServers, RedisSettings};
use redis::cmd;
use tempfile::TempDir;

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl Server {
    /// A server with these arguments more, as soon as it answers.
    pub(crate) fn start(more: &[&str]) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let folder = tempfile::tempdir().unwrap();
            let child = Command::new("redis-server")
                .args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"])
                .args(more)
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| {
                    panic!("redis-server is needed, see `make packages`: {error}")
                });
            let mut server = Self { child, port, _folder: folder };
            if server.answers() {
                return server;
            }
        }
        panic!("no redis-server came up");
    }

    /// A Sentinel that reads, and rewrites, this file.
    pub(crate) fn start_sentinel(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        for _ in 0..5 {
            let port = free_port();
            std::fs::write(file, format!("port {port}\nbind 127.0.0.1\n{text}")).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let child = Command::new("redis-server")
                .arg(file)
                .arg("--sentinel")
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Self { child, port, _folder: folder };
            if server.answers() {
                return server;
            }
        }
        panic!("no Sentinel came up");
    }

    /// Waits until it answers, and not another one that was quicker to take the port.
    fn answers(&mut self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        let who = format!("process_id:{}\r\n", self.child.id());
        while Instant::now() < deadline && self.child.try_wait().unwrap().is_none() {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
            let told = client
                .get_connection_with_timeout(Duration::from_millis(200))
                .and_then(|mut connection| cmd("INFO").arg("server").query(&mut connection));
            if told.is_ok_and(|told: String| told.contains(&who)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// A connection for what only a test does.
    pub(crate) fn connection(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}/", self.port)).unwrap();
        client.get_connection_with_timeout(Duration::from_secs(5)).unwrap()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> RedisAddress {
        RedisAddress { host: "127.0.0.1".into(), port: self.port }
    }

    pub(crate) fn settings(&self) -> RedisSettings {
        settings(RedisServers::One(self.address()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Settings with nothing special but the servers.
pub(crate) fn settings(servers: RedisServers) -> RedisSettings {
    RedisSettings {
        servers,
        prefix: "turnout".into(),
        username: None,
        password: None,
        tls: None,
        keep_revisions: 1_000,
        keep_audit: 100_000,
    }
}

fn free_port() -> u16 {
    // A cluster's nodes speak to one another ten thousand ports above.
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if port < 55_000 {
            return port;
        }
    }
}
