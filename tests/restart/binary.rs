//! How is the new version started? By a signal from the binary on disk, or by hand; the supervisor hears of it.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::load::Clients;
use super::{A, serving};
use crate::kit::{
    BINARY, Client, Origin, Setup, Turnout, eventually, eventually_some, free_address, get, origin,
};

/// A copy of the binary that a test may replace, and a server that was started from it.
struct Installed {
    binary: PathBuf,
    turnout: Turnout,
}

impl Installed {
    async fn start() -> (Self, Origin) {
        let api = origin("api").await;
        let setup = Setup::new(A).upstream("api", api.address()).draining("5s");
        setup.write();
        let binary = setup.folder().join("turnout");
        install(BINARY.as_ref(), &binary);
        let mut turnout = setup.spawn_from(&binary, &[]);
        turnout.ready().await;
        (Self { binary, turnout }, api)
    }

    /// Puts another program into the place of the binary, as package managers do.
    fn replace(&self, program: &Path) {
        let beside = self.binary.with_extension("new");
        install(program, &beside);
        std::fs::rename(&beside, &self.binary).unwrap();
    }
}

/// Copies a program by another process: were it written by this one, what a test beside it starts in that moment
/// would inherit the file open for writing, and nobody could run it yet (ETXTBSY).
fn install(program: &Path, to: &Path) {
    let done =
        std::process::Command::new("install").args(["-m", "755"]).args([program, to]).status();
    assert!(done.unwrap().success());
}

/// A process that the product itself started: ended when the test is over.
struct Grandchild(u32);

impl Drop for Grandchild {
    fn drop(&mut self) {
        std::process::Command::new("kill").args(["-s", "KILL", &self.0.to_string()]).status().ok();
    }
}

#[tokio::test]
async fn a_signal_has_the_binary_on_disk_take_over() {
    let (mut installed, _api) = Installed::start().await;
    installed.replace(BINARY.as_ref());
    let clients = Clients::of(&installed.turnout);
    installed.turnout.signal("USR2");
    let turnout = &installed.turnout;
    let pid = eventually_some("another process has taken over", async || {
        let lines = turnout.output().lines();
        let line = lines.iter().find(|line| line.contains("another process has taken over"))?;
        serde_json::from_str::<Value>(line).unwrap()["pid"].as_u64()
    })
    .await;
    let _next = Grandchild(u32::try_from(pid).unwrap());
    assert_eq!(installed.turnout.ended().await.code(), Some(0));
    installed.turnout.get("/a").await.expect(200);
    clients.stop().await;
}

#[tokio::test]
async fn a_bad_binary_leaves_the_old_process_alone() {
    let (installed, _api) = Installed::start().await;
    let turnout = &installed.turnout;
    let bad: [(&str, &str); 2] = [
        ("#!/bin/sh\nexit 3\n", "the new process ended"),
        ("not a program at all", "cannot be started"),
    ];
    let program = turnout.setup().folder().join("bad");
    for (text, said) in bad {
        std::fs::write(&program, text).unwrap();
        installed.replace(&program);
        turnout.signal("USR2");
        eventually("it says so", async || turnout.output().contains(said)).await;
        turnout.get("/a").await.expect(200);
        turnout.shift("a", "5%").await;
        turnout.rollback("a").await;
    }
}

#[tokio::test]
async fn new_addresses_are_listened_on_and_old_ones_given_up() {
    let (old, _api) = serving("5s").await;
    let (kept, more) = (old.proxy(), free_address());
    let listeners = format!("listeners: [{{address: \"{kept}\"}}, {{address: \"{more}\"}}]\n");
    let text = old.setup().text();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(old.setup().file(), format!("{listeners}{rest}")).unwrap();
    let new = old.upgrade().await;
    let client = Client::new();
    for address in [kept, more] {
        client.send(address, get("/a")).await.unwrap().expect(200);
    }
    std::fs::write(new.setup().file(), format!("listeners: [{{address: \"{more}\"}}]\n{rest}"))
        .unwrap();
    let newest = new.upgrade().await;
    drop((old, new));
    Client::new().send(more, get("/a")).await.unwrap().expect(200);
    assert!(tokio::net::TcpStream::connect(kept).await.is_err());
    assert_eq!(newest.view("/v1/status").await["phase"], "serving");
}

#[tokio::test]
async fn the_supervisor_hears_who_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hears = || {
        let mut text = [0; 512];
        let length = supervisor.recv(&mut text).unwrap();
        String::from_utf8_lossy(&text[..length]).trim().to_owned()
    };
    let api = origin("api").await;
    let setup = Setup::new(A).upstream("api", api.address()).draining("5s");
    let old = setup.env("NOTIFY_SOCKET", path.to_str().unwrap()).start().await;
    assert_eq!(hears(), "READY=1");
    let mut new = old.upgrade().await;
    let mut heard = [hears(), hears()];
    heard.sort();
    assert_eq!(heard, [format!("MAINPID={}", new.pid()), "READY=1".to_owned()]);
    new.signal("TERM");
    assert_eq!(hears(), "STOPPING=1");
    assert_eq!(new.ended().await.code(), Some(0));
}

#[tokio::test]
async fn the_unit_file_starts_the_product_by_its_own_arguments() {
    let unit = include_str!("../../deploy/systemd/turnout.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let (program, arguments) = start.split_once(' ').unwrap();
    assert_eq!(program, "/usr/local/bin/turnout");
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    arguments.push("--help");
    crate::kit::turnout(&arguments).await.expect(0);
}
