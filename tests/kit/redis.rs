//! The Redis that a fleet shares in a test: real servers on free ports, and a wire to them that a test can cut.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Certified, free_address, within};

/// A running server, killed when it is dropped.
pub(crate) struct Redis {
    child: Child,
    address: SocketAddr,
    tls: SocketAddr,
    folder: Arc<TempDir>,
}

impl Redis {
    /// A server that syncs every write to disk.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with a second port for TLS, with this certificate.
    pub(crate) async fn start_with_tls(certificate: &Certified) -> Self {
        let files = tempfile::tempdir().unwrap();
        certificate.write(files.path(), "redis");
        let file = |name: &str| files.path().join(name).display().to_string();
        let (certificate, key) = (file("redis.pem"), file("redis.key"));
        let arguments =
            ["--tls-cert-file", &*certificate, "--tls-key-file", &*key, "--tls-auth-clients", "no"];
        // They are read when it starts.
        Self::start_with(&arguments).await
    }

    async fn start_with(more: &[&str]) -> Self {
        // Syncs to a disk that others keep busy would make commands late.
        let memory = tempfile::tempdir_in("/dev/shm");
        let folder = Arc::new(memory.unwrap_or_else(|_| tempfile::tempdir().unwrap()));
        for _ in 0..5 {
            let started = Self::start_at(free_address(), Arc::clone(&folder), more).await;
            if let Some(redis) = started {
                return redis;
            }
        }
        panic!("no redis-server came up");
    }

    async fn start_at(address: SocketAddr, folder: Arc<TempDir>, more: &[&str]) -> Option<Self> {
        let tls = free_address();
        let tls_port = if more.is_empty() { 0 } else { tls.port() };
        let child = Command::new("redis-server")
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--tls-port", &tls_port.to_string()])
            .args(more)
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server is needed, see `make packages`: {error}"));
        let mut redis = Self { child, address, tls, folder };
        let answers = async || {
            if redis.child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            (redis.say("PING").await?.starts_with("+PONG")).then_some(true)
        };
        within(Duration::from_secs(10), answers).await.filter(|up| *up).map(|_| redis)
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks TLS, if it was started so.
    pub(crate) const fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// What it answers to a command in one line.
    pub(crate) async fn say(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 4_096];
        let length = stream.read(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Ends it the hard way. It can come back with what it had written.
    pub(crate) fn kill(mut self) -> Killed {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Killed { address: self.address, folder: Arc::clone(&self.folder) }
    }

    /// Stops it without ending it (`STOP`), or lets it go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A server that was killed.
pub(crate) struct Killed {
    address: SocketAddr,
    folder: Arc<TempDir>,
}

impl Killed {
    /// Starts it again where it was.
    pub(crate) async fn start(self) -> Redis {
        Redis::start_at(self.address, self.folder, &[]).await.expect("it comes back")
    }

    /// Starts it without anything of what it knew.
    pub(crate) async fn start_empty(self) -> Redis {
        std::fs::remove_dir_all(self.written()).unwrap();
        self.start().await
    }

    /// A copy of what it knows.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(&self.written(), copy.path());
        copy
    }

    /// Starts it with what it knew when that was copied.
    pub(crate) async fn start_with(self, copy: &TempDir) -> Redis {
        std::fs::remove_dir_all(self.written()).unwrap();
        std::fs::create_dir(self.written()).unwrap();
        copy_files(copy.path(), &self.written());
        self.start().await
    }

    fn written(&self) -> PathBuf {
        self.folder.path().join("appendonlydir")
    }
}

fn copy_files(from: &Path, to: &Path) {
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// A wire to a server, which can be cut and mended.
pub(crate) struct Wire {
    address: SocketAddr,
    is_whole: watch::Sender<bool>,
}

impl Wire {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_whole, state) = watch::channel(true);
        tokio::spawn(async move {
            loop {
                let Ok((mut here, _)) = listener.accept().await else { return };
                let mut state = state.clone();
                tokio::spawn(async move {
                    // While it is cut, nothing comes back, and nobody is told why.
                    if !*state.borrow() {
                        return until(&mut state, true).await;
                    }
                    let Ok(mut there) = TcpStream::connect(server).await else { return };
                    let cut = tokio::select! {
                        _ = copy_bidirectional(&mut here, &mut there) => false,
                        () = until(&mut state, false) => true,
                    };
                    if cut {
                        until(&mut state, true).await;
                    }
                });
            }
        });
        Self { address, is_whole }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn cut(&self) {
        self.is_whole.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.is_whole.send_replace(true);
    }
}

async fn until(state: &mut watch::Receiver<bool>, wanted: bool) {
    drop(state.wait_for(|is| *is == wanted).await);
}
