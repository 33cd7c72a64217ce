//! What does the byte gate cost? CPU time of the proxy per request, with the gate and without it.
//!
//! `make bench-gate` builds both and runs this. In each round both are asked for the same, one right after the other, so
//! that whatever else the machine does falls on both; what counts is the ratio within a round.
#![expect(clippy::print_stdout, reason = "its figures are what it is run for")]

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use http::Method;
use loadtest::load::{Call, Load, Plan, ask};
use loadtest::origin::{Origin, Reply};
use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 15;
const REQUESTS: u64 = 2_000;
const CONNECTIONS: usize = 8;
const READY_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_BYTES: usize = 1_024;

fn main() -> Result<()> {
    // Cargo adds a flag of its own.
    let given: Vec<OsString> = env::args_os().skip(1).filter(|given| given != "--bench").collect();
    let [gated, ungated] = &given[..] else {
        return Err("name two binaries: one with the gate, one without (`make bench-gate`)".into());
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(measure(gated.as_ref(), ungated.as_ref()))
}

async fn measure(gated: &Path, ungated: &Path) -> Result<()> {
    let origin = Origin::start("api", |_| Reply::text("x".repeat(ANSWER_BYTES))).await?;
    let pair = [
        Proxy::start(gated, origin.address()).await?,
        Proxy::start(ungated, origin.address()).await?,
    ];
    println!("microseconds of CPU per request, {ROUNDS} rounds of {REQUESTS}");
    println!("{:<12}{:>8}{:>10}{:>8}  of the rounds between", "", "gated", "ungated", "ratio");
    for (name, call) in kinds() {
        let mut costs = Vec::new();
        for round in 0..=ROUNDS {
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            let mut cost = [0.0; 2];
            for which in order {
                if let (Some(proxy), Some(cost)) = (pair.get(which), cost.get_mut(which)) {
                    *cost = proxy.cost_of(&call).await?;
                }
            }
            // The first round opens connections and warms caches.
            if round > 0 {
                costs.push(cost);
            }
        }
        let [gated, ungated] = [0, 1].map(|which| {
            quantile(costs.iter().filter_map(|cost| cost.get(which)).copied().collect(), 0.5)
        });
        let ratios: Vec<f64> = costs.iter().map(|[gated, ungated]| gated / ungated).collect();
        let [low, middle, high] = [0.25, 0.5, 0.75].map(|at| quantile(ratios.clone(), at));
        println!("{name:<12}{gated:>8.1}{ungated:>10.1}{middle:>8.3}  half {low:.3} and {high:.3}");
    }
    Ok(())
}

/// What is asked for: as little as clients send, as much as browsers do, and a body.
fn kinds() -> [(&'static str, Call); 3] {
    let small = Call::get("/a/b?c=d");
    let browser = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-US,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
        ("authorization", "Bearer 0123456789abcdef0123456789abcdef0123456789abcdef"),
        ("x-tenant-id", "acme"),
        ("x-request-id", "0123456789abcdef0123456789abcdef"),
        ("cache-control", "no-cache"),
        ("referer", "https://shop.example.org/a/b"),
    ];
    let browser =
        browser.iter().fold(small.clone(), |call, (name, value)| call.with_header(*name, *value));
    let post = Call::new(Method::POST, "/a/b").with_body("x".repeat(4_096));
    [("small GET", small), ("browser GET", browser), ("POST 4 KiB", post)]
}

fn quantile(mut values: Vec<f64>, at: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among a few rounds"
    )]
    let place = (at * (values.len().saturating_sub(1)) as f64).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// A proxy with one worker before the origin; ended when it is dropped.
struct Proxy {
    address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Proxy {
    async fn start(binary: &Path, origin: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [address, control, status] = free_addresses()?;
        let file = folder.path().join("turnout.yaml");
        fs::write(
            &file,
            format!(
                "threads: 1\naccess_log: false\nlisteners: [{{address: \"{address}\"}}]\n\
                 control: {{address: \"{control}\"}}\nstatus: {{address: \"{status}\"}}\n\
                 upstreams: {{api: {{targets: [{{address: \"{origin}\"}}]}}}}\n\
                 routes: {{all: {{canonical: /, stable: {{upstream: api}}}}}}\n"
            ),
        )?;
        let process = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&file)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let proxy = Self { address, process, _folder: folder };
        let begun = Instant::now();
        while !ask(status, Call::get("/readyz"), Duration::from_secs(1)).await.is_ok() {
            if begun.elapsed() > READY_WITHIN {
                return Err(format!("{} is never ready", binary.display()).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(proxy)
    }

    /// Microseconds of CPU that each of a round's requests takes.
    async fn cost_of(&self, call: &Call) -> Result<f64> {
        let plan = Plan::connections(self.address, CONNECTIONS).for_requests(REQUESTS);
        let call = call.clone();
        let before = self.cpu()?;
        let figures = Load::start(plan, move |_| call.clone(), |_| {})?.finish().await;
        if figures.ok < REQUESTS {
            return Err(format!("{} of {REQUESTS} were answered", figures.ok).into());
        }
        let spent = self.cpu()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "exact to 2^53 requests")]
        let requests = REQUESTS as f64;
        Ok(spent.as_secs_f64() * 1e6 / requests)
    }

    /// The CPU time of all of its threads so far, as the scheduler counts it. (proc(5))
    fn cpu(&self) -> Result<Duration> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id()))?;
        let mut spent = Duration::ZERO;
        for task in tasks {
            let path: PathBuf = task?.path().join("schedstat");
            // A thread may end between the two looks.
            let Ok(text) = fs::read_to_string(path) else { continue };
            let nanoseconds = text.split_whitespace().next().unwrap_or_default().parse()?;
            spent += Duration::from_nanos(nanoseconds);
        }
        Ok(spent)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // It may be over already.
        self.process.kill().unwrap_or_default();
        self.process.wait().map(drop).unwrap_or_default();
    }
}

/// Three at once, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = [bind()?, bind()?, bind()?];
    let [one, two, three] = listeners.each_ref().map(TcpListener::local_addr);
    Ok([one?, two?, three?])
}
