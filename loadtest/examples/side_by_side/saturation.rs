//! How much gets through at most? `wrk` asks as fast as it is answered.

use std::fs;
use std::process::{Command, Stdio};

use loadtest::load::Call;

use crate::contestant::Contestant;
use crate::outcome::Result;
use crate::stage::Stage;

/// CPU seconds per 100,000 requests and requests per second, with 16 connections for one turn.
pub(crate) async fn most(stage: &Stage, contestant: &Contestant, call: &Call) -> Result<Vec<f64>> {
    let script = contestant.folder().join("wrk.lua");
    let body = String::from_utf8_lossy(&call.body);
    fs::write(&script, format!("wrk.method = \"{}\"\nwrk.body = \"{body}\"\n", call.method))?;
    // It takes whole seconds.
    let seconds = stage.extent.turn.as_secs_f64().ceil();
    let before = contestant.process.cpu()?;
    // It runs on the core of origin and load, as everything that is started here and not measured.
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c16", &format!("-d{seconds}s"), "-s"]).arg(&script);
    wrk.arg(format!("http://{}{}", contestant.listen, call.path)).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || wrk.output())
        .await?
        .map_err(|error| format!("wrk: {error}"))?;
    let spent = contestant.process.cpu()?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout);
    if let Some(bad) = said.lines().find(|line| {
        line.trim_start().starts_with("Non-2xx") || line.trim_start().starts_with("Socket errors")
    }) {
        return Err(format!("wrk saw {}", bad.trim()).into());
    }
    let number = |line: &str, at: usize| line.split_whitespace().nth(at)?.parse::<f64>().ok();
    let rate = said.lines().find_map(|line| number(line.strip_prefix("Requests/sec:")?, 0));
    let count = said.lines().find(|line| line.contains(" requests in ")).and_then(|l| number(l, 0));
    let (Some(rate), Some(count)) = (rate, count) else {
        return Err(format!("wrk said {said}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    Ok(vec![spent.as_secs_f64() * 100_000.0 / count, rate])
}
