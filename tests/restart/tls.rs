//! Does a client over TLS notice? Handshakes and kept connections, while one process after the other takes over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::A;
use crate::kit::{
    Authority, Connection, Reply, Setup, TlsClient, Turnout, eventually, get, scripted,
};

const NAME: &str = "a.example";

/// One client, which keeps its connection or opens another for each request, until it is stopped; gives the number of
/// its requests.
async fn ask_on(
    client: TlsClient,
    to: std::net::SocketAddr,
    keep: bool,
    stop: Arc<AtomicBool>,
) -> u64 {
    let open = async || client.open(to, NAME).await.expect("no connection comes about");
    let (mut kept, mut ok): (Option<Connection>, u64) = (None, 0);
    while !stop.load(Ordering::Relaxed) {
        let ask = || get("/a").host(NAME);
        // One that is idle just when it is closed is no loss: clients ask again on another.
        let reused = match &mut kept {
            Some(connection) => connection.send(ask()).await.ok(),
            None => None,
        };
        let answer = match reused {
            Some(answer) => answer,
            None => {
                let connection = kept.insert(open().await);
                connection.send(ask()).await.expect("a request failed")
            }
        };
        let closes = answer.header("connection").is_some_and(|value| value == "close");
        answer.expect(200);
        ok += 1;
        if closes || !keep {
            kept = None;
        }
    }
    ok
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_fail_no_request_over_tls() {
    let (api, authority) = (scripted("api", |_| Reply::text("ok")).await, Authority::new("ca"));
    let tls = "{certificates: [{cert: {file: a.pem}, key: {file: a.key}}]}";
    let setup = Setup::new(A).upstream("api", api.address()).with_tls(tls).draining("20s");
    authority.certifies(&[NAME]).write(setup.folder(), "a");
    let mut turnout: Turnout = setup.start().await;
    let client = TlsClient::trusting(&authority).speaking("http/1.1");
    let (stop, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for keep in [true, true, false, false] {
        clients.spawn(ask_on(client.clone(), turnout.tls(), keep, Arc::clone(&stop)));
    }
    let mut old = Vec::new();
    for _ in 0..10 {
        let before = api.count();
        let next = turnout.upgrade().await;
        old.push(std::mem::replace(&mut turnout, next));
        // Each of them serves for a while.
        eventually("it serves", async || api.count() >= before + 20).await;
    }
    stop.store(true, Ordering::Relaxed);
    let ok: u64 = clients.join_all().await.into_iter().sum();
    println!("{ok} requests over 10 restarts");
    for mut old in old {
        assert_eq!(old.ended().await.code(), Some(0));
        old.output().complete().await;
        assert!(old.output().contains("\"cut_off\":0"), "{}", old.output().text());
    }
}
