//! Copies against real sockets: what arrives there, and what comes of it here.

mod bounds;
mod http1;
mod origin;
mod outcomes;
mod table;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::ShadowLimits;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, StatusCode};
use rules::compare::Home;
use rules::exchange::{ExchangeReport, Outcome};
use rules::route::{AfterSunset, Arm, RouteTimeouts, ShadowCredentials, ShadowPolicy};
use rules::sli::ShadowResult;
use rules::upstream::{Protection, Target, TargetState, UpstreamDefinition, UpstreamTimeouts};
use rules::{Rewrite, Route, SnapshotCell, Upstream};
use tokio::sync::mpsc;

use super::breaker::Breaking;
use super::{Capture, Original, PrimaryEnd, ShadowSender, Whose};
use crate::connection::Pressure;

/// Nothing in these tests takes this long, however busy the machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Nothing else to do.
fn calm() -> Arc<Pressure> {
    Arc::new(Pressure::new(Arc::new(SnapshotCell::new(Arc::default()))))
}

fn home() -> Home {
    Home { host: None, upstreams: Vec::new(), back: Rewrite::Keep }
}

/// A sender, a route and an upstream to copy to.
struct Bench {
    sender: ShadowSender,
    reports: mpsc::Receiver<ExchangeReport>,
    route: Arc<Route>,
    upstream: Arc<Upstream>,
}

impl Bench {
    fn new(address: &str) -> Self {
        let (offers, reports) = mpsc::channel(64);
        let limits = ShadowLimits { max_in_flight: 64, max_bytes: 1 << 20 };
        let sender = ShadowSender::start(limits, calm(), offers);
        Self {
            sender,
            reports,
            route: Arc::new(route()),
            upstream: Arc::new(Upstream::new(definition(address))),
        }
    }

    fn limited(mut self, max_in_flight: usize, max_bytes: usize) -> Self {
        let (offers, reports) = mpsc::channel(64);
        self.sender =
            ShadowSender::start(ShadowLimits { max_in_flight, max_bytes }, calm(), offers);
        self.reports = reports;
        self
    }

    fn breaking(mut self, after_failures: u32, pause: Duration) -> Self {
        let (offers, reports) = mpsc::channel(64);
        let limits = ShadowLimits { max_in_flight: 64, max_bytes: 1 << 20 };
        let breaking = Breaking { after_failures, pause };
        self.sender = ShadowSender::start_breaking(limits, calm(), offers, breaking);
        self.reports = reports;
        self
    }

    fn policy(mut self, edit: impl FnOnce(&mut ShadowPolicy)) -> Self {
        let mut route = route();
        edit(&mut route.shadow);
        self.route = Arc::new(route);
        self
    }

    fn upstream(mut self, edit: impl FnOnce(&mut UpstreamDefinition)) -> Self {
        let mut definition = definition(&self.upstream.targets[0].address.to_string());
        edit(&mut definition);
        self.upstream = Arc::new(Upstream::new(definition));
        self
    }

    fn original(&self) -> Original {
        Original {
            route: Arc::clone(&self.route),
            upstream: Arc::clone(&self.upstream),
            serving: Arm::Stable,
            method: Method::GET,
            path_and_query: "/v1/sms?page=2".to_owned(),
            headers: [(HOST, "api.example.org".parse().unwrap())].into_iter().collect(),
            exchange_id: "exchange-1".into(),
            whose: Whose::default(),
            twin: None,
            homes: (home(), home()),
        }
    }

    fn begin(&self) -> Result<Box<Capture>, ShadowResult> {
        self.sender.begin(self.original())
    }

    /// A whole exchange whose primary answers 200 with `body`.
    async fn exchange(&mut self, body: &'static str) -> ExchangeReport {
        let mut capture = self.begin().unwrap();
        capture.request_end();
        answer(capture, body);
        self.report().await
    }

    async fn report(&mut self) -> ExchangeReport {
        tokio::time::timeout(DEADLINE, self.reports.recv()).await.unwrap().unwrap()
    }

    /// Everything taken is given back in the end.
    async fn is_empty(&self) {
        eventually(|| {
            let gauges = self.sender.gauges();
            (gauges.in_flight, gauges.bytes) == (0, 0)
        })
        .await;
    }

    fn outcomes(&self) -> Vec<(Outcome, u64)> {
        let outcomes = self.route.counters.outcomes();
        outcomes.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn results(&self) -> Vec<(ShadowResult, u64)> {
        let results = self.route.counters.shadow_results();
        results.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// The primary's answer, whole.
fn answer(mut capture: Box<Capture>, body: &'static str) {
    let headers = [(CONTENT_TYPE, "application/json".parse().unwrap())].into_iter().collect();
    capture.response_head(StatusCode::OK, &headers);
    capture.response_chunk(&Bytes::from_static(body.as_bytes()));
    capture.finish(PrimaryEnd::Complete);
}

async fn eventually(condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, holds).await.unwrap();
}

fn definition(address: &str) -> UpstreamDefinition {
    let address = address.parse().unwrap();
    let state = Arc::new(TargetState::new(&address));
    let second = Duration::from_secs(1);
    UpstreamDefinition {
        name: "candidate".parse().unwrap(),
        generation: 1,
        targets: vec![Target { address, weight: 1, state }],
        tls: None,
        http2: false,
        health: None,
        timeouts: UpstreamTimeouts { connect: DEADLINE, read: second, write: second, idle: second },
        protection: Protection::default(),
    }
}

fn route() -> Route {
    Route {
        name: "sms".parse().unwrap(),
        conditions: Default::default(),
        families: Box::default(),
        after_sunset: AfterSunset::Serve,
        encoded_slash: rules::route::EncodedSlash::default(),
        unusual_bodies: rules::route::UnusualBodies::default(),
        websockets: false,
        baseline: None,
        fallback_to_stable: false,
        token: None,
        tenant: Default::default(),
        requires_flag: None,
        bad_statuses: Box::default(),
        flag_headers: [].into(),
        sticky: None,
        seed: "sms".into(),
        shadow_seed: "sms/shadow".into(),
        request_headers: Default::default(),
        response_headers: Default::default(),
        host_rewrite: None,
        redirect: None,
        timeouts: RouteTimeouts { total: DEADLINE, read: None },
        shadow: ShadowPolicy {
            methods: [Method::GET, Method::POST].into(),
            max_body_bytes: 1_024,
            timeout: DEADLINE,
            credentials: ShadowCredentials::Keep,
            samples: None,
        },
        compare: Arc::default(),
        limits: Default::default(),
        noise: None,
        counters: Arc::default(),
    }
}

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (http::HeaderName::from_static(name), value.parse().unwrap())
    };
    fields.iter().map(field).collect()
}
