//! What is written of each request? One JSON line, off the request's path, without anybody's data. (INV-12)

use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use jiff::Timestamp;
use rules::Revision;
use rules::sli::{ErrorClass, Scheme};
use rules::upstream::Attempt;
use serde::Serialize;

use crate::exchange::Exchange;
use crate::metrics::ProxyCounters;
use crate::trace;

/// How many lines may wait for the writer. More are dropped, and counted. (INV-7)
const WAITING_LINES: usize = 8_192;

/// Hands lines to a thread that writes them to standard output.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog {
    lines: SyncSender<Vec<u8>>,
    unwritten: Arc<AtomicUsize>,
    counters: Arc<ProxyCounters>,
}

/// The facts of a finished request.
pub(crate) struct Line<'l> {
    pub(crate) exchange: &'l Exchange,
    pub(crate) method: &'static str,
    pub(crate) version: &'static str,
    pub(crate) scheme: Scheme,
    pub(crate) status: u16,
    pub(crate) class: Option<ErrorClass>,
    /// The trace context that the request came with, or that began here (W3C).
    pub(crate) traceparent: Option<&'l str>,
    pub(crate) request_bytes: usize,
    pub(crate) response_bytes: usize,
}

/// The line itself: OpenTelemetry's attribute names, flat. No path, since segments may hold ids; no query, no header.
#[derive(Serialize)]
struct Entry<'e> {
    timestamp: String,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    span_id: Option<&'e str>,
    #[serde(rename = "http.request.method")]
    method: &'static str,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "http.route", skip_serializing_if = "Option::is_none")]
    http_route: Option<String>,
    #[serde(rename = "http.server.request.duration")]
    seconds: f64,
    #[serde(rename = "http.request.body.size")]
    request_bytes: usize,
    #[serde(rename = "http.response.body.size")]
    response_bytes: usize,
    #[serde(rename = "url.scheme")]
    scheme: &'static str,
    #[serde(rename = "network.protocol.version")]
    version: &'static str,
    #[serde(rename = "client.address", skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(rename = "error.type", skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(rename = "turnout.request_id")]
    request_id: &'e str,
    #[serde(rename = "turnout.revision")]
    revision: u64,
    #[serde(rename = "turnout.route", skip_serializing_if = "Option::is_none")]
    route: Option<&'e str>,
    #[serde(rename = "turnout.alias", skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(rename = "turnout.arm", skip_serializing_if = "Option::is_none")]
    arm: Option<&'static str>,
    #[serde(rename = "turnout.reason", skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(rename = "turnout.fallback", skip_serializing_if = "Option::is_none")]
    fallback: Option<&'static str>,
    #[serde(rename = "turnout.tenant", skip_serializing_if = "Option::is_none")]
    tenant: Option<&'e str>,
    #[serde(rename = "turnout.cohort", skip_serializing_if = "Option::is_none")]
    cohort: Option<&'e str>,
    #[serde(rename = "turnout.upstream", skip_serializing_if = "Option::is_none")]
    upstream: Option<&'e str>,
    #[serde(rename = "turnout.target", skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(rename = "turnout.attempts")]
    attempts: u8,
    #[serde(rename = "turnout.shadow")]
    shadow: bool,
}

/// The facts of a request that was refused before it was read: nothing of what came is among them.
pub(crate) struct Unread<'l> {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) request_id: &'l str,
    /// Who sent it, where that is not somebody who passes on what others send.
    pub(crate) client: Option<IpAddr>,
    pub(crate) revision: Revision,
    pub(crate) response_bytes: usize,
}

/// Its line, with those of the attributes that are known.
#[derive(Serialize)]
struct UnreadEntry<'e> {
    timestamp: String,
    severity: &'static str,
    #[serde(rename = "http.response.status_code")]
    status: u16,
    #[serde(rename = "http.response.body.size")]
    response_bytes: usize,
    #[serde(rename = "client.address", skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(rename = "error.type")]
    error: &'static str,
    #[serde(rename = "turnout.request_id")]
    request_id: &'e str,
    #[serde(rename = "turnout.revision")]
    revision: u64,
}

impl AccessLog {
    /// Starts the writer. It ends when the log is dropped, after what is waiting. `unwritten` counts what is waiting, so
    /// that the process does not leave before it is written.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        counters: Arc<ProxyCounters>,
        unwritten: Arc<AtomicUsize>,
    ) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING_LINES);
        thread::Builder::new().name("access-log".to_owned()).spawn({
            let unwritten = Arc::clone(&unwritten);
            move || write_all(&waiting, io::stdout(), &unwritten)
        })?;
        Ok(Self { lines, unwritten, counters })
    }

    /// Writes a line, or counts it as dropped when the writer cannot keep up.
    pub(crate) fn write(&self, line: &Line<'_>) {
        self.write_entry(&line.entry());
    }

    /// The same for a request that was refused before it was read.
    pub(crate) fn write_unread(&self, line: &Unread<'_>) {
        self.write_entry(&UnreadEntry {
            timestamp: Timestamp::now().to_string(),
            severity: "INFO",
            status: line.status,
            response_bytes: line.response_bytes,
            client: line.client.map(|client| client.to_string()),
            error: line.code,
            request_id: line.request_id,
            revision: line.revision.0,
        });
    }

    fn write_entry(&self, entry: &impl Serialize) {
        let Ok(mut text) = serde_json::to_vec(entry) else { return };
        text.push(b'\n');
        self.unwritten.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.lines.try_send(text) {
            self.unwritten.fetch_sub(1, Ordering::Relaxed);
            if matches!(error, TrySendError::Full(_)) {
                self.counters.count_dropped_line();
            }
        }
    }
}

/// Writes what waits; flushes whenever nothing more does. Once the reader is gone, lines are only taken.
fn write_all(waiting: &Receiver<Vec<u8>>, to: impl Write, unwritten: &AtomicUsize) {
    let (mut to, mut is_read) = (BufWriter::new(to), true);
    while let Ok(first) = waiting.recv() {
        let mut taken = 0;
        let written = std::iter::once(first)
            .chain(waiting.try_iter())
            .inspect(|_| taken += 1)
            .filter(|_| is_read)
            .try_for_each(|line| to.write_all(&line))
            .and_then(|()| if is_read { to.flush() } else { Ok(()) });
        is_read &= written.is_ok();
        unwritten.fetch_sub(taken, Ordering::Relaxed);
    }
}

impl Line<'_> {
    fn entry(&self) -> Entry<'_> {
        let exchange = self.exchange;
        let decision = exchange.decision();
        let place = exchange.place();
        let family = place.and_then(|(route, id)| route.family(id));
        let (trace_id, span_id) = self.traceparent.and_then(trace::ids).unzip();
        let cohort = decision.and_then(|decision| exchange.snapshot.cohort(decision.cohort?));
        let upstream = exchange.serving().and_then(|arm| exchange.upstream(arm));
        let target = exchange.tried.as_ref().and_then(Attempt::target);
        let known = exchange.facts.as_ref();
        Entry {
            timestamp: Timestamp::now().to_string(),
            severity: if self.status >= 500 || self.class.is_some() { "ERROR" } else { "INFO" },
            trace_id,
            span_id,
            method: self.method,
            status: self.status,
            http_route: place
                .and_then(|(route, _)| route.families.first())
                .map(|family| family.path.to_string()),
            seconds: exchange.started.elapsed().as_secs_f64(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            scheme: self.scheme.as_str(),
            version: self.version,
            client: known.and_then(|known| known.client).map(|client| client.to_string()),
            error: self.class.map(ErrorClass::as_str),
            request_id: exchange.request_id(),
            revision: exchange.snapshot.revision.0,
            route: place.map(|(route, _)| route.name.as_str()),
            alias: family
                .filter(|family| family.alias.is_some())
                .map(|family| family.path.to_string()),
            arm: exchange.serving().map(rules::Arm::as_str),
            reason: decision.map(|decision| decision.reason.describe(&exchange.snapshot)),
            fallback: exchange.fell_back.map(|fallback| fallback.class.as_str()),
            tenant: decision.and_then(|decision| Some(decision.tenant.as_ref()?.as_str())),
            cohort: cohort.map(|cohort| cohort.name.as_str()),
            upstream: upstream.map(|upstream| upstream.name.as_str()),
            target: target.map(|target| target.address.to_string()),
            attempts: exchange.attempts,
            shadow: decision.is_some_and(|decision| decision.shadow.is_some()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_left_waiting_for_a_reader_that_is_gone() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (lines, waiting) = sync_channel(4);
        let unwritten = Arc::new(AtomicUsize::new(3));
        for _ in 0..3 {
            lines.send(vec![b'x'; 10_000]).unwrap();
        }
        let writer = thread::spawn({
            let unwritten = Arc::clone(&unwritten);
            move || write_all(&waiting, Gone, &unwritten)
        });
        unwritten.fetch_add(1, Ordering::Relaxed);
        lines.send(b"later\n".to_vec()).unwrap();
        drop(lines);
        writer.join().unwrap();
        assert_eq!(unwritten.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn lines_are_written_whole_and_in_order() {
        let (lines, waiting) = sync_channel(4);
        for line in ["a\n", "b\n"] {
            lines.send(line.as_bytes().to_vec()).unwrap();
        }
        drop(lines);
        let (mut out, unwritten) = (Vec::new(), AtomicUsize::new(2));
        write_all(&waiting, &mut out, &unwritten);
        assert_eq!(out, b"a\nb\n");
        assert_eq!(unwritten.into_inner(), 0);
    }
}
