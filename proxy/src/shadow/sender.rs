//! How does a request come to be copied? The way in.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use config::ShadowLimits;
use rules::exchange::{ExchangeReport, NotComparable, Outcome};
use rules::overload::Shed;
use rules::route::Route;
use rules::sli::ShadowResult;
use tokio::sync::mpsc;

use super::body::KeptBody;
use super::breaker::Breaking;
use super::capture::{Capture, Original, Pending};
use super::destinations::Destinations;
use super::lanes::{Lanes, Onramp};
use super::ledger::{Ledger, ShadowGauges};
use super::request::{Head, copied, head_bytes};
use super::ticket::Ticket;
use super::twin;
use crate::connection::Pressure;

/// Sends copies and has the answers compared, on threads and connections of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ShadowSender {
    ledger: Arc<Ledger>,
    pressure: Arc<Pressure>,
    destinations: Arc<Destinations>,
    reports: mpsc::Sender<ExchangeReport>,
    lanes: Arc<Lanes>,
}

impl ShadowSender {
    /// Starts the threads; they end, in the background, when the last clone is dropped.
    ///
    /// Without threads to be had, every copy is shed: a shadow never keeps the proxy from serving. (INV-8)
    #[must_use]
    pub(crate) fn start(
        limits: ShadowLimits,
        pressure: Arc<Pressure>,
        reports: mpsc::Sender<ExchangeReport>,
    ) -> Self {
        Self::start_breaking(limits, pressure, reports, Breaking::default())
    }

    pub(super) fn start_breaking(
        limits: ShadowLimits,
        pressure: Arc<Pressure>,
        reports: mpsc::Sender<ExchangeReport>,
        breaking: Breaking,
    ) -> Self {
        Self {
            ledger: Ledger::new(limits),
            pressure,
            destinations: Arc::new(Destinations::new(breaking)),
            reports,
            lanes: Arc::new(lanes()),
        }
    }

    /// What is held now, and what was dropped.
    #[must_use]
    pub fn gauges(&self) -> ShadowGauges {
        self.ledger.gauges()
    }

    /// Begins to capture an exchange.
    ///
    /// # Errors
    /// Why no copy will be sent; it is counted already, as a shed exchange.
    pub fn begin(&self, original: Original) -> Result<Box<Capture>, ShadowResult> {
        let route = Arc::clone(&original.route);
        self.pending(original)
            .map(|(pending, onramp)| Box::new(Capture::new(pending, onramp)))
            .inspect_err(|result| {
                count_shed(&route, *result);
            })
    }

    pub(super) fn pending(&self, original: Original) -> Result<(Pending, Onramp), ShadowResult> {
        if self.pressure.gives_up(Shed::Copies) {
            return Err(ShadowResult::Shed);
        }
        let (place, onramp) = self.lanes.place().ok_or(ShadowResult::Shed)?;
        let slot = self.ledger.slot().ok_or(ShadowResult::Shed)?;
        let claim = self.ledger.claim(head_bytes(&original.headers)).ok_or(ShadowResult::Shed)?;
        let now = Instant::now();
        let destination = self.destinations.of(&original.upstream, now);
        let permit = destination.breaker.permit(now).ok_or(ShadowResult::BreakerOpen)?;
        let Original { route, upstream, serving, method, path_and_query, homes, .. } = original;
        let headers = copied(original.headers, &route);
        let held = (&self.ledger, &*self.destinations);
        let twin =
            original.twin.and_then(|twin| twin::pending(twin, (&method, &headers), &route, held));
        let body = KeptBody::new(&self.ledger, route.shadow.max_body_bytes);
        let ticket = Ticket {
            route,
            exchange_id: original.exchange_id,
            whose: original.whose,
            ledger: Arc::clone(&self.ledger),
            pressure: Arc::clone(&self.pressure),
            reports: self.reports.clone(),
            slot: Some(slot),
            place,
        };
        let head = Head { method: method.clone(), path_and_query, headers, _claim: claim };
        let pending = Pending {
            ticket,
            permit,
            destination,
            upstream,
            serving,
            method,
            homes,
            head,
            body,
            twin,
        };
        Ok((pending, onramp))
    }
}

fn count_shed(route: &Route, result: ShadowResult) {
    route.counters.record_shadow(result);
    route.counters.record_outcome(Outcome::NotComparable(NotComparable::Shed));
}

/// The threads; none where they cannot be had.
fn lanes() -> Lanes {
    let failed = |error: &io::Error| {
        tracing::error!(%error, "no threads for shadow requests, all of them are shed");
    };
    Lanes::start().inspect_err(failed).unwrap_or_default()
}
