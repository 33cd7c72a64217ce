//! When does nobody take over? Then the old process serves on as if nothing had been, and both say why.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::{place, serving};
use crate::kit::{BINARY, Client, Gate, Memory, eventually, get, status};

#[tokio::test]
async fn a_bad_configuration_leaves_the_old_process_alone() {
    let (turnout, _api) = serving("5s").await;
    turnout.setup().rewritten("routes: {a: {canonical: nowhere}}\n").write();
    let mut bad = turnout.setup().spawn_from(BINARY.as_ref(), &["--upgrade"]);
    assert_eq!(bad.ended().await.code(), Some(1));
    bad.output().complete().await;
    assert!(bad.output().contains("the configuration is not valid"), "{}", bad.output().text());
    turnout.get("/a").await.expect(200);
    turnout.shift("a", "5%").await;
}

#[tokio::test]
async fn without_a_server_there_is_nothing_to_take_over() {
    let (turnout, _api) = serving("5s").await;
    let setup = turnout.kill();
    let mut next = setup.spawn_from(BINARY.as_ref(), &["--upgrade"]);
    assert_eq!(next.ended().await.code(), Some(1));
    next.output().complete().await;
    assert!(next.output().contains("without --upgrade"), "{}", next.output().text());
}

#[tokio::test]
async fn nobody_else_can_reach_the_place_where_sockets_are_passed() {
    let (turnout, _api) = serving("5s").await;
    let place = place(turnout.setup());
    let mode = |path: PathBuf| std::fs::symlink_metadata(path).unwrap().mode() & 0o777;
    eventually("it can be taken over from", async || place.join("socket").exists()).await;
    assert_eq!((mode(place.clone()), mode(place.join("socket"))), (0o700, 0o600));
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut next = turnout.setup().spawn_from(BINARY.as_ref(), &["--upgrade"]);
    assert_eq!(next.ended().await.code(), Some(1));
    next.output().complete().await;
    assert!(next.output().contains("only this user can enter"), "{}", next.output().text());
    // Nor does a server listen in such a place. It serves all the same.
    let setup = turnout.kill();
    let again = setup.start().await;
    eventually("it says so", async || again.output().contains("no other process can take over"))
        .await;
    again.get("/a").await.expect(200);
}

#[tokio::test]
async fn one_that_is_leaving_hands_nothing_over() {
    let (turnout, api) = serving("20s").await;
    let gate = Gate::closed();
    api.behave({
        let gate = gate.clone();
        move |_| status(200).held_by(&gate)
    });
    let (client, proxy) = (Client::new(), turnout.proxy());
    let held = tokio::spawn(async move { client.send(proxy, get("/a")).await });
    api.was_asked(1).await;
    turnout.signal("TERM");
    eventually("new connections are refused", async || {
        tokio::net::TcpStream::connect(turnout.proxy()).await.is_err()
    })
    .await;
    let mut next = turnout.setup().spawn_from(BINARY.as_ref(), &["--upgrade"]);
    assert_eq!(next.ended().await.code(), Some(1));
    next.output().complete().await;
    assert!(next.output().contains("this process is leaving"), "{}", next.output().text());
    gate.open();
    held.await.unwrap().unwrap().expect(200);
}
