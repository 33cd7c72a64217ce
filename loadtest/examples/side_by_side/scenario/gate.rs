//! What does Turnout's byte gate cost? The same build with the gate and without it.

use http::Method;
use loadtest::load::Call;

use crate::asked::{Asked, COST};
use crate::contestant::Entry;
use crate::outcome::{Chapter, Part, Result};
use crate::peer::{Job, Peer};
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

/// Its ratio is near to 1, and more rounds tell it from noise.
const ROUNDS: usize = 3;

const TEXT: &str =
    "What is asked for: as little as clients send, as much as browsers do, and a body.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let mut entries = Vec::new();
    for peer in [Peer::Ungated, Peer::Turnout] {
        entries.push(Entry::start(stage, peer, Job::Pass, &Filling::default()).await);
    }
    let mut cases = Vec::new();
    for asked in kinds() {
        let case =
            interleave(asked.title, &entries, stage.extent.rounds * ROUNDS, async |contestant| {
                asked.cost(stage, contestant, Job::Pass, async |_| Ok(())).await
            });
        cases.push(case.await);
    }
    let part = Part { name: "gate", axis: None, metrics: COST, cases };
    let title = "The byte gate";
    Ok(Chapter { letter: "gate", title, text: TEXT.to_owned(), parts: vec![part] })
}

fn kinds() -> [Asked; 3] {
    let small = Call::get("/a/b?bytes=1024");
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
    let post = Call::new(Method::POST, "/a/b?bytes=1024").with_body("x".repeat(4_096));
    [
        Asked::new("small GET", 2_000.0, small),
        Asked::new("browser GET", 2_000.0, browser),
        Asked::new("POST of 4 KiB", 2_000.0, post),
    ]
}
