//! What does the control plane count of itself?

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rules::flag::FlagSet;
use rules::{Share, Shift, Stage};

use crate::desk::Desk;
use crate::samples::SampleGauges;

/// From half a millisecond, what an fsync takes at best, to a second.
const SWAP_BUCKETS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Counted as it happens.
#[derive(Debug)]
pub struct Meters {
    store_up: AtomicBool,
    swaps: Histogram,
    rollbacks: Family<RollbackLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    audit_dropped: Counter,
    auth_failures: Family<FailureLabels, Counter>,
    flags_denied: Family<FailureLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RollbackLabels {
    route: String,
    trigger: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    what: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    reason: &'static str,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthFailure {
    /// There was no token and no certificate.
    Missing,
    /// It is none that is known.
    Unknown,
    /// Its time is over.
    Expired,
}

impl AuthFailure {
    /// Its name, as metrics write it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
        }
    }
}

/// What is refused before anybody is heard: what there can be too many of at once, and what never became a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// A connection to one of the listeners.
    Connection,
    /// A connection over which TLS did not come about.
    Handshake,
    /// A scrape of the metrics.
    Scrape,
    /// A question that takes long to answer.
    Read,
    /// A listener to events.
    Listener,
}

impl Refused {
    /// Its name, as the metric writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Handshake => "handshake",
            Self::Scrape => "scrape",
            Self::Read => "read",
            Self::Listener => "listener",
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            store_up: AtomicBool::new(true),
            swaps: Histogram::new(SWAP_BUCKETS),
            rollbacks: Family::default(),
            refused: Family::default(),
            audit_dropped: Counter::default(),
            auth_failures: Family::default(),
            flags_denied: Family::default(),
        }
    }
}

impl Meters {
    /// Notes that the store took a revision.
    pub fn store_served(&self) {
        self.store_up.store(true, Ordering::Relaxed);
    }

    /// Notes that the store failed.
    pub fn store_failed(&self) {
        self.store_up.store(false, Ordering::Relaxed);
    }

    /// Whether the store served when it was last needed.
    #[must_use]
    pub fn is_store_up(&self) -> bool {
        self.store_up.load(Ordering::Relaxed)
    }

    /// Notes how long a command took until its snapshot served.
    pub fn swapped(&self, took: Duration) {
        self.swaps.observe(took.as_secs_f64());
    }

    /// Counts what was refused.
    pub fn refused(&self, what: Refused) {
        self.refused.get_or_create(&RefusedLabels { what: what.as_str() }).inc();
    }

    /// How often that was refused.
    #[must_use]
    pub fn refusals(&self, what: Refused) -> u64 {
        self.refused.get_or_create(&RefusedLabels { what: what.as_str() }).get()
    }

    /// Counts a record that the audit does not have, because too many waited or came at once.
    pub fn audit_dropped(&self) {
        self.audit_dropped.inc();
    }

    /// Counts a request to the control API that was not let in.
    pub fn auth_failed(&self, why: AuthFailure) {
        self.auth_failures.get_or_create(&FailureLabels { reason: why.as_str() }).inc();
    }

    /// Counts a service's request for flags that was not let in.
    pub fn flags_denied(&self, why: AuthFailure) {
        self.flags_denied.get_or_create(&FailureLabels { reason: why.as_str() }).inc();
    }

    /// Counts a rollback. Routes come from the configuration, so that the labels stay few.
    pub fn rolled_back(&self, route: &str, trigger: &'static str) {
        let labels = RollbackLabels { route: route.to_owned(), trigger };
        self.rollbacks.get_or_create(&labels).inc();
    }
}

/// The registry of everything that control tells about itself.
pub(crate) fn registry(desk: &Arc<Desk>) -> Registry {
    let mut registry = Registry::with_prefix("turnout");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "The version that runs", build);
    let meters = desk.ledger().meters();
    registry.register("rollbacks", "Rollbacks, by what triggered them", meters.rollbacks.clone());
    registry.register(
        "control_refused",
        "What the control plane's listeners refused: too much of it came at once, or TLS did not come about",
        meters.refused.clone(),
    );
    registry.register(
        "audit_dropped_records",
        "Records that the audit does not have, because too many waited or came at once",
        meters.audit_dropped.clone(),
    );
    registry.register(
        "control_auth_failures",
        "Requests to the control API that came without a good token",
        meters.auth_failures.clone(),
    );
    registry.register(
        "ofrep_auth_failures",
        "Requests for flags, on the listener for services, that came without a good token",
        meters.flags_denied.clone(),
    );
    registry.register_with_unit(
        "swap",
        "From a command's turn until its snapshot serves, the store's fsync included",
        Unit::Seconds,
        meters.swaps.clone(),
    );
    desk.externals().meters().register(&mut registry);
    registry.register_collector(Box::new(Present(Arc::clone(desk))));
    registry
}

/// Reads off what serves, at each scrape.
struct Present(Arc<Desk>);

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").finish_non_exhaustive()
    }
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let desk = &self.0;
        let present = desk.ledger().present();
        let reloaded = desk.last_reload().error.is_none();
        gauge(&mut encoder, "revision", "The revision that serves", present.revision().0)?;
        gauge(
            &mut encoder,
            "config_last_reload_successful",
            "Whether the configuration file was taken when it was last read",
            u64::from(reloaded),
        )?;
        gauge(
            &mut encoder,
            "store_up",
            "Whether the store served when it was last needed",
            u64::from(desk.ledger().meters().is_store_up()),
        )?;
        gauge(
            &mut encoder,
            "store_held",
            "Whether the store is not followed, because it was emptied, set back, or exchanged",
            u64::from(desk.ledger().held().is_some()),
        )?;
        gauge(
            &mut encoder,
            "store_cautions",
            "What should be set otherwise in the store, for acknowledged commands to be safe",
            desk.cautions().len() as u64,
        )?;
        gauge(
            &mut encoder,
            "counts_untold",
            "Routes and cohorts with a plan that the other nodes are not told the counts of",
            desk.rollouts().untold() as u64,
        )?;
        let live = &present.desired.live.routes;
        let shifts: Vec<(&str, Shift)> =
            live.iter().map(|(name, live)| (name.as_str(), live.default.into())).collect();
        encode_shifts(&mut encoder, &shifts)?;
        encode_flags(&mut encoder, &present.compiled.snapshot.flags)?;
        encode_overflows(&mut encoder, desk)?;
        encode_samples(&mut encoder, desk)?;
        crate::rollout::metrics::encode(&mut encoder, desk)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
    gauge.encode(encoder)
}

fn encode_shifts(encoder: &mut DescriptorEncoder<'_>, shifts: &[(&str, Shift)]) -> fmt::Result {
    shares(encoder, "shift_share", "The candidate's share by default", shifts, |s| s.share)?;
    shares(encoder, "shadow_share", "The share of copied requests by default", shifts, |s| {
        s.shadow
    })?;
    let one = ConstGauge::new(1_u64);
    let mut stages = encoder.encode_descriptor(
        "stage",
        "Where the route's traffic stands by default: 1 for that stage, 0 for the others",
        None,
        one.metric_type(),
    )?;
    for (route, shift) in shifts {
        for stage in Stage::ALL {
            let labels = [("route", *route), ("stage", stage.as_str())];
            let is = ConstGauge::new(u64::from(shift.stage() == stage));
            is.encode(stages.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn shares(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    shifts: &[(&str, Shift)],
    part: fn(&Shift) -> Share,
) -> fmt::Result {
    let (none, ratio) = (ConstGauge::new(0.0), Unit::Other("ratio".to_owned()));
    let mut family = encoder.encode_descriptor(name, help, Some(&ratio), none.metric_type())?;
    for (route, shift) in shifts {
        let ratio = ConstGauge::new(part(shift).ratio());
        ratio.encode(family.encode_family(&[("route", *route)])?)?;
    }
    Ok(())
}

/// Variants that nobody was given are left out: among many flags most have one that counts.
fn encode_flags(encoder: &mut DescriptorEncoder<'_>, flags: &FlagSet) -> fmt::Result {
    let none = ConstCounter::new(0_u64);
    let mut family = encoder.encode_descriptor(
        "flag_evaluations",
        "How often a flag was evaluated for one tenant, by the variant that it gave",
        None,
        none.metric_type(),
    )?;
    for flag in flags.all() {
        let definition = &flag.definition;
        for (variant, used) in definition.variants.iter().zip(definition.counters.read()) {
            if used.evaluations > 0 {
                let labels = [("flag", definition.name.as_str()), ("variant", &variant.name)];
                ConstCounter::new(used.evaluations).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

fn encode_overflows(encoder: &mut DescriptorEncoder<'_>, desk: &Desk) -> fmt::Result {
    let none = ConstCounter::new(0_u64);
    let mut family = encoder.encode_descriptor(
        "signatures_dropped",
        "Differences whose signature had no room any more",
        None,
        none.metric_type(),
    )?;
    for (route, count) in desk.parity().signature_overflows() {
        let count = ConstCounter::new(count);
        count.encode(family.encode_family(&[("route", route.as_str())])?)?;
    }
    let mut family = encoder.encode_descriptor(
        "parity_dropped",
        "What was left out of the figures of parity: exchanges, or places watched for noise",
        None,
        none.metric_type(),
    )?;
    let overflow = desk.parity().overflow();
    for (what, count) in [
        ("route", overflow.routes),
        ("cohort", overflow.cohorts),
        ("remembered", overflow.remembered),
        ("noise_place", overflow.noise),
        ("outdated", overflow.outdated),
    ] {
        let count = ConstCounter::new(count);
        count.encode(family.encode_family(&[("what", what)])?)?;
    }
    Ok(())
}

fn encode_samples(encoder: &mut DescriptorEncoder<'_>, desk: &Desk) -> fmt::Result {
    let SampleGauges { kept, bytes, dropped } = desk.samples().gauges();
    let gauge = |count: usize| ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
    for (name, help, count) in [
        ("samples", "Encrypted samples of differences that are kept", kept),
        ("samples_bytes", "The bytes that they take", bytes),
    ] {
        let gauge = gauge(count);
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
    }
    let dropped = ConstCounter::new(dropped);
    dropped.encode(encoder.encode_descriptor(
        "samples_dropped",
        "Samples of differences that there was no room or no key for",
        None,
        dropped.metric_type(),
    )?)
}
