//! Are the targets well? Asked from time to time, over connections of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rules::SnapshotCell;
use rules::upstream::{HealthCheck, Target};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// How often the list of targets is looked at anew.
const TICK: Duration = Duration::from_millis(250);

/// What the last checks of a target found.
#[derive(Default)]
struct Streak {
    next: Option<Instant>,
    good: u32,
    bad: u32,
}

/// Checks every target of every upstream that asks for it, again and again.
pub(crate) async fn keep_checking(cell: Arc<SnapshotCell>) {
    let mut streaks: HashMap<String, Streak> = HashMap::new();
    loop {
        let now = Instant::now();
        let due = due(&cell, &mut streaks, now);
        let mut checks: JoinSet<(String, Target, HealthCheck, bool)> = due
            .into_iter()
            .map(|(key, target, health, tls)| async move {
                let well = is_well(&target, &health, tls).await;
                (key, target, health, well)
            })
            .collect();
        while let Some(done) = checks.join_next().await {
            let Ok((key, target, health, well)) = done else { continue };
            let streak = streaks.entry(key).or_default();
            streak.next = Some(Instant::now() + health.interval);
            judge(streak, &target, &health, well);
        }
        sleep_until(now + TICK).await;
    }
}

type Due = (String, Target, HealthCheck, bool);

/// The targets whose next check is due; forgets those that are no longer there.
fn due(cell: &SnapshotCell, streaks: &mut HashMap<String, Streak>, now: Instant) -> Vec<Due> {
    let snapshot = cell.load();
    let mut all = Vec::new();
    for upstream in &snapshot.upstreams {
        let Some(health) = &upstream.health else { continue };
        for target in &upstream.targets {
            let key = format!("{} {}", upstream.name, target.address);
            all.push((key, target.clone(), health.clone(), upstream.tls.is_some()));
        }
    }
    streaks.retain(|known, _| all.iter().any(|(key, ..)| key == known));
    all.retain(|(key, ..)| {
        streaks.get(key).and_then(|streak| streak.next).is_none_or(|next| next <= now)
    });
    all
}

fn judge(streak: &mut Streak, target: &Target, health: &HealthCheck, well: bool) {
    (streak.good, streak.bad) =
        if well { (streak.good.saturating_add(1), 0) } else { (0, streak.bad.saturating_add(1)) };
    let was = target.state.is_healthy();
    let is =
        if was { streak.bad < health.unhealthy_after } else { streak.good >= health.healthy_after };
    if was != is {
        target.state.set_healthy(is);
        tracing::info!(target = %target.address, healthy = is, "a target's health changed");
    }
}

/// One check. A target that speaks TLS is only connected to: its certificate is the proxy's concern, not the check's.
async fn is_well(target: &Target, health: &HealthCheck, tls: bool) -> bool {
    let Some(address) = target.state.addresses().first().copied() else { return false };
    let ask = async {
        let stream = TcpStream::connect(address).await.ok()?;
        if tls {
            return Some(());
        }
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let request = Request::get(&*health.path)
            .header(http::header::HOST, target.address.to_string())
            .header(http::header::USER_AGENT, "turnout-health")
            .body(Empty::<bytes::Bytes>::new())
            .ok()?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.ok();
        driver.abort();
        let status = answer?.status();
        (status.is_success() || status.is_redirection()).then_some(())
    };
    timeout(health.timeout, ask).await.ok().flatten().is_some()
}
