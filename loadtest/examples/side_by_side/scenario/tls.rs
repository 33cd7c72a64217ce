//! (e) What do TLS and HTTP/2 cost between clients and the proxy?

use loadtest::load::{Call, Protocol};

use crate::asked::{Asked, COST};
use crate::contestant::Entry;
use crate::outcome::{Chapter, Part, Result};
use crate::peer::Job;
use crate::rounds::interleave;
use crate::stage::Stage;
use crate::template::Filling;

use super::pass::PEERS;

const TEXT: &str = "Clients speak TLS 1.3 with a certificate of ECDSA (P-256), over connections that stay: HTTP/1.1 over as \
many as there are requests at a time, HTTP/2 over one. The origin is asked in HTTP/1.1 without TLS.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let entries = Entry::start_all(stage, PEERS, Job::Tls, &Filling::default()).await;
    let get = |title| Asked::new(title, 1_500.0, Call::get("/a/b?bytes=1024"));
    let asked = [
        get("TLS, HTTP/1.1, GET of 1 KB"),
        Asked { protocol: Protocol::Http2, ..get("TLS, HTTP/2, GET of 1 KB") },
    ];
    let mut cases = Vec::new();
    for asked in asked {
        let case = interleave(asked.title, &entries, stage.extent.rounds, async |contestant| {
            asked.cost(stage, contestant, Job::Tls, async |_| Ok(())).await
        });
        cases.push(case.await);
    }
    let part = Part { name: "tls", axis: None, metrics: COST, cases };
    let title = "TLS and HTTP/2";
    Ok(Chapter { letter: "e", title, text: TEXT.to_owned(), parts: vec![part] })
}
