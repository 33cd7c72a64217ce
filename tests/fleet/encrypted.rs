//! Is the way to Redis encrypted, and only to the one that a trusted authority vouches for?

use super::kit::{at, degraded};
use crate::kit::{Authority, Redis, Setup, eventually, origin, turnout};

const SMS: &str =
    "routes:\n  sms: {canonical: /v1/sms, stable: {upstream: old}, candidate: {upstream: new}}\n";

/// A node whose Redis must show a certificate of the authority in `ca.pem`.
fn encrypted(redis: &Redis, upstreams: [std::net::SocketAddr; 2]) -> Setup {
    let address = redis.tls();
    let store =
        format!("store: {{redis: {{address: \"{address}\", tls: {{ca: {{file: ca.pem}}}}}}}}");
    Setup::new(SMS)
        .with_line(&format!("{store}\ninsecure_control: true"))
        .upstream("old", upstreams[0])
        .upstream("new", upstreams[1])
}

#[tokio::test]
async fn nodes_share_a_redis_over_tls() {
    let (old, new) = (origin("old").await, origin("new").await);
    let authority = Authority::new("fleet");
    let redis = Redis::start_with_tls(&authority.certifies(&["127.0.0.1"])).await;
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let setup = encrypted(&redis, [old.address(), new.address()]);
        authority.write(setup.folder(), "ca.pem");
        nodes.push(setup.start().await);
    }
    nodes[0].shift("sms", "35%").await;
    at(&nodes[1], "35%").await;
    degraded(&nodes[1], &[]).await;
    let setup = nodes.remove(0).kill();
    let config = setup.file().display().to_string();
    let exported = turnout(&["store", "export", "-", "--config", &config]).await.expect(0);
    assert!(exported.stderr.contains("the newest r"), "{exported:?}");
}

#[tokio::test]
async fn a_redis_that_nobody_trusted_vouches_for_is_not_talked_to() {
    let (old, new) = (origin("old").await, origin("new").await);
    let (trusted, another) = (Authority::new("fleet"), Authority::new("somebody else"));
    let redis = Redis::start_with_tls(&another.certifies(&["127.0.0.1"])).await;
    let setup = encrypted(&redis, [old.address(), new.address()]);
    trusted.write(setup.folder(), "ca.pem");
    let node = setup.start().await;
    degraded(&node, &["store"]).await;
    eventually("the log says why", async || node.output().contains("UnknownIssuer")).await;
    let setup = node.kill();
    let config = setup.file().display().to_string();
    let refused = turnout(&["store", "export", "-", "--config", &config]).await.expect(1);
    assert!(refused.stderr.contains("certificate"), "{refused:?}");
}
