//! (f) What does a connection hold that does nothing?

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::asked::as_f64;
use crate::contestant::{Contestant, Entry};
use crate::outcome::{Case, Chapter, Metric, Part, Result, Row};
use crate::peer::Job;
use crate::stage::Stage;
use crate::template::Filling;

use super::pass::PEERS;

/// How many are asked for at once: more might exceed what listeners let wait.
const AT_ONCE: usize = 64;
/// What is not answered by then, or otherwise, is not measured.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

const TEXT: &str = "So many connections, each of which has had one answer and stays open; what the process holds then, less \
what it held before, for each 1,000 of them. Every round has fresh processes.";

pub(super) async fn run(stage: &Stage) -> Result<Chapter> {
    let mut cases = Vec::new();
    for (title, connections) in [("1,000", 1_000), ("10,000", 10_000)] {
        println!("    {title} idle connections");
        let mut rows: Vec<Row> = Vec::new();
        // Memory is not as noisy as time.
        for _ in 0..stage.extent.rounds / 2 {
            let mut round = Vec::new();
            for peer in stage.programs.chosen(PEERS) {
                let entry = Entry::start(stage, peer, Job::Pass, &Filling::default()).await;
                round.push(row(&entry, connections).await);
            }
            rows = if rows.is_empty() {
                round
            } else {
                rows.into_iter().zip(round).map(both).collect()
            };
        }
        cases.push(Case { title: format!("{title} idle connections"), at: 0.0, rows });
    }
    let part = Part { name: "idle", axis: None, metrics: &[Metric::Connections], cases };
    let title = "Idle connections";
    Ok(Chapter { letter: "f", title, text: TEXT.to_owned(), parts: vec![part] })
}

/// The rounds of one row, and one more.
fn both((mut row, next): (Row, Row)) -> Row {
    match (&mut row.rounds, next.rounds) {
        (Ok(rounds), Ok(more)) => rounds.extend(more),
        (Ok(_), Err(why)) => row.rounds = Err(why),
        (Err(_), _) => {}
    }
    row
}

async fn row(entry: &Entry, connections: u32) -> Row {
    let rounds = match &entry.contestant {
        Err(why) => Err(why.clone()),
        Ok(contestant) => match held(contestant, connections).await {
            Ok(mib) => Ok(vec![vec![mib]]),
            Err(error) => Err(error.to_string()),
        },
    };
    Row { who: entry.who.clone(), rounds }
}

/// MiB for each 1,000 connections.
async fn held(contestant: &Contestant, connections: u32) -> Result<f64> {
    let before = contestant.process.resident_mib()?;
    let (mut open, mut asking) = (Vec::new(), JoinSet::new());
    for _ in 0..connections {
        if asking.len() >= AT_ONCE {
            open.extend(asking.join_next().await.transpose()?);
        }
        asking.spawn(ask_once(contestant.listen));
    }
    open.extend(asking.join_all().await);
    let mut open = open.into_iter().collect::<io::Result<Vec<TcpStream>>>()?;
    let after = contestant.process.resident_mib()?;
    for stream in &mut open {
        // Nothing is there to read, and nobody has closed it.
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Err("a connection did not stay open".into()),
        }
    }
    Ok((after - before) * 1_000.0 / as_f64(connections.into()))
}

/// A connection that has had its answer, and no other.
async fn ask_once(target: SocketAddr) -> io::Result<TcpStream> {
    let mut answer = Vec::new();
    match timeout(ANSWERED_WITHIN, ask(target, &mut answer)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if answer.is_empty() => Err(error),
        _ => Err(io::Error::other(format!("answered {:?}", String::from_utf8_lossy(&answer)))),
    }
}

async fn ask(target: SocketAddr, answer: &mut Vec<u8>) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(target).await?;
    let request = format!("GET /a/b?bytes=2 HTTP/1.1\r\nHost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    while !answer.ends_with(b"\r\n\r\nxx") {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(stream)
}
