//! Do slow clients hold on to the server? Thousands that send or read next to nothing, and others that are served
//! meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use loadtest::load::{Call, Load, Plan};
use tokio::task::JoinSet;

use crate::kit::{RawConnection, Reply, Setup, Turnout, eventually, sample, scripted};

const YAML: &str = "access_log: false\nroutes:\n  \
                    small: {canonical: /small, stable: {upstream: api}}\n  \
                    large: {canonical: /large, stable: {upstream: api}}\n";
/// More than the kernel holds on the way to a client with next to no room.
const LARGE: usize = 2_000_000;
/// How often a slow client does something.
const PAUSE: Duration = Duration::from_millis(500);
/// The head deadline, which is the default's, and what a busy machine adds to it.
const HEADS_END_WITHIN: Duration = Duration::from_secs(30);
/// What each of those may cost who send slowly, and where they are so few that what the process grows by anyway counts.
const SENDING: u64 = 64 << 10;
const SENDING_OF_FEW: u64 = 256 << 10;
/// What each of those may cost who read slowly. Pingora reads answers in pieces of 64 KiB, and has ten of them under way:
/// four that wait, four and one that are written, and the one that is read.
const READING: u64 = 1_024 << 10;

/// What somebody is slow at.
#[derive(Debug, Clone, Copy)]
enum Slow {
    Head,
    Body,
    Reading,
}

impl Slow {
    const fn begin(self) -> &'static str {
        match self {
            Self::Head => "GET /small HTTP/1.1\r\nHost: h\r\nX-Slow: ",
            Self::Body => "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
            Self::Reading => "GET /large HTTP/1.1\r\nHost: h\r\n\r\n",
        }
    }
}

/// `TURNOUT_LONG=1` makes the run as long as the claim is.
fn clients() -> usize {
    if std::env::var_os("TURNOUT_LONG").is_some() { 2_000 } else { 300 }
}

struct Crowd {
    turnout: Turnout,
    /// How many large answers have been asked for.
    large: Arc<AtomicUsize>,
    /// The heads, each with when it was begun.
    heads: JoinSet<Duration>,
    others: JoinSet<()>,
    begun: usize,
}

impl Crowd {
    /// Adds so many, and gives what each of them costs once all are connected.
    async fn grow(&mut self, slow: Slow, count: usize) -> u64 {
        let (before, was) = (self.turnout.memory(), connections(&self.turnout).await);
        for _ in 0..count {
            // So many share an address that none has too many.
            let address = [127, 0, 0, u8::try_from(2 + self.begun / 200).unwrap()];
            let mut client = RawConnection::narrow(address, self.turnout.proxy()).await;
            client.write(slow.begin()).await;
            self.begun += 1;
            if let Slow::Head = slow {
                let since = Instant::now();
                self.heads.spawn(async move {
                    let ended = client.ended_while_sending("x", PAUSE).await;
                    assert!(ended.starts_with("HTTP/1.1 408"), "{ended}");
                    since.elapsed()
                });
            } else {
                self.others.spawn(go_on(slow, client));
            }
        }
        let all = was + f64::from(u32::try_from(count).unwrap());
        let connected = async || match slow {
            // Heads may be over by the time that so many answers are under way.
            Slow::Reading => self.large.load(Ordering::Relaxed) >= count,
            Slow::Head | Slow::Body => connections(&self.turnout).await >= all,
        };
        eventually("all are connected", connected).await;
        self.turnout.memory().saturating_sub(before) / u64::try_from(count).unwrap()
    }
}

async fn go_on(slow: Slow, mut client: RawConnection) {
    while matches!(slow, Slow::Body) && client.try_write("x").await.is_ok() {
        tokio::time::sleep(PAUSE).await;
    }
    // Who reads nothing does not even notice the end.
    std::future::pending().await
}

async fn connections(turnout: &Turnout) -> f64 {
    sample(&turnout.metrics().await, "turnout_connections", &[]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_end_in_time_and_cost_others_nothing() {
    let large = Bytes::from(vec![b'x'; LARGE]);
    let asked_for_large = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked_for_large);
    let api = scripted("api", move |asked| match asked.path() {
        "/large" => {
            counted.fetch_add(1, Ordering::Relaxed);
            Reply::text(large.clone())
        }
        _ => Reply::text("ok"),
    })
    .await;
    let turnout = Setup::new(YAML).upstream("api", api.address()).start().await;
    let plan = Plan::connections(turnout.proxy(), 4);
    let load = Load::start(plan, |_| Call::get("/small"), |_| {}).unwrap();
    eventually("the good ones are served", async || api.count() > 1_000).await;

    let (heads, others, third) = (JoinSet::new(), JoinSet::new(), clients() / 3);
    let mut crowd = Crowd { turnout, large: asked_for_large, heads, others, begun: 0 };
    // Those who are borne for longer come first.
    let of_bodies = crowd.grow(Slow::Body, third).await;
    let of_heads = crowd.grow(Slow::Head, third).await;
    let before = crowd.turnout.memory();
    crowd.grow(Slow::Reading, third).await;
    let Crowd { turnout, heads, mut others, begun, .. } = crowd;
    let longest = heads.join_all().await.into_iter().max().unwrap();
    // By now those who read nothing hold what they ever will.
    let more = turnout.memory().saturating_sub(before);
    let of_reading = more / u64::try_from(third).unwrap();
    others.shutdown().await;
    let figures = load.stop().await;
    println!(
        "{begun} slow clients: heads were borne for {longest:?} at most; bytes each: heads {of_heads}, bodies \
         {of_bodies}, reading {of_reading}; the others: {figures:?}"
    );
    assert!(longest < HEADS_END_WITHIN, "{longest:?}");
    let sending = if begun < 1_000 { SENDING_OF_FEW } else { SENDING };
    assert!(of_heads.max(of_bodies) <= sending, "{of_heads} and {of_bodies} bytes each");
    assert!(of_reading <= READING, "{of_reading} bytes each");
    assert_eq!((figures.failed, figures.ok > 0), (0, true), "{figures:?}");
    let gone = async || connections(&turnout).await == 0.0;
    eventually("nothing of them is left", gone).await;
}
