//! What is the life of one copy? Sent beside the primary, answered, compared, reported.

use std::time::Instant;

use http::{Method, StatusCode};
use rules::compare::{Answer, Comparison, Home, Pair, compare, sample};
use rules::exchange::NotComparable;
use rules::overload::Shed;
use rules::route::{Arm, Route};
use rules::sli::ShadowResult;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::call::{self, ShadowAnswer};
use super::capture::{Pending, Primary};
use super::ticket::{Judged, Statuses};
use super::twin::TwinAnswer;

/// Sends the copy, waits for both answers, and settles the exchange.
pub(super) async fn run(
    pending: Box<Pending>,
    primary: oneshot::Receiver<Result<Primary, NotComparable>>,
) {
    let Pending { ticket, permit, destination, upstream, serving, method, homes, head, body, twin } =
        *pending;
    // What a body asks for may not be safe to ask twice, whatever the method says.
    let twin = twin.filter(|_| body.is_empty());
    let second = async {
        match twin {
            Some(twin) => twin.ask(&ticket).await,
            None => None,
        }
    };
    let call = call::send(&destination, &upstream, head, body, &ticket);
    let call = timeout(ticket.route.shadow.timeout, Box::pin(call));
    let (shadow, second) = tokio::join!(call, Box::pin(second));
    let shadow = shadow.unwrap_or(Err(NotComparable::ShadowTimeout));
    let counters = &ticket.route.counters;
    if is_answered(&shadow) {
        permit.succeeded();
        counters.record_shadow(ShadowResult::Answered);
    } else {
        permit.failed(Instant::now());
        counters.record_shadow(ShadowResult::Failed);
    }
    drop(permit);
    let primary = primary.await.unwrap_or(Err(NotComparable::ClientAbort));
    let primary = match primary {
        Ok(_) if shadow.is_ok() && ticket.pressure.gives_up(Shed::Comparisons) => {
            Err(NotComparable::Shed)
        }
        primary => primary,
    };
    let asked = Asked { route: &ticket.route, method, homes };
    let (judged, statuses) = judge(&asked, serving, primary, (shadow, second));
    ticket.settle(judged, statuses);
}

/// What was asked, and of whom.
struct Asked<'r> {
    route: &'r Route,
    method: Method,
    /// The serving arm's, and that of the one that got the copy.
    homes: (Home, Home),
}

fn judge(
    asked: &Asked<'_>,
    serving: Arm,
    primary: Result<Primary, NotComparable>,
    (shadow, second): (Result<ShadowAnswer, NotComparable>, Option<TwinAnswer>),
) -> (Judged, Statuses) {
    let status = |status: StatusCode| Some(status.as_u16());
    let primary_status = primary.as_ref().ok().and_then(|answer| status(answer.status));
    let shadow_status = shadow.as_ref().ok().and_then(|answer| status(answer.status));
    let statuses = match serving {
        Arm::Stable | Arm::Baseline => {
            Statuses { stable: primary_status, candidate: shadow_status }
        }
        Arm::Candidate => Statuses { stable: shadow_status, candidate: primary_status },
    };
    let (primary, shadow) = match (primary, shadow) {
        (Ok(primary), Ok(shadow)) => (primary, shadow),
        // What the client saw comes first: a copy of a broken exchange says nothing.
        (Err(reason), _) | (Ok(_), Err(reason)) => {
            return (Judged::without_samples(Comparison::impossible(reason)), statuses);
        }
    };
    let (primary_body, shadow_body) = (primary.body.into_seen(), shadow.body.into_seen());
    let one = Answer {
        status: primary.status.as_u16(),
        headers: &primary.headers,
        body: primary_body.as_body(),
        trailers: primary.trailers.as_ref().map(|(fields, _)| fields),
        home: Some(&asked.homes.0),
    };
    let other = Answer {
        status: shadow.status.as_u16(),
        headers: &shadow.headers,
        body: shadow_body.as_body(),
        trailers: shadow.trailers.as_ref().map(|(fields, _)| fields),
        home: Some(&asked.homes.1),
    };
    let (second, home) = second.map(|second| (second.answer, second.home)).unzip();
    let second = second.map(|answer| {
        (answer.status.as_u16(), answer.headers, answer.body.into_seen(), answer.trailers)
    });
    let twin = second.as_ref().map(|(status, headers, body, trailers)| Answer {
        status: *status,
        headers,
        body: body.as_body(),
        trailers: trailers.as_ref().map(|(fields, _)| fields),
        home: home.as_ref(),
    });
    let (stable, candidate) = match serving {
        Arm::Stable | Arm::Baseline => (one, other),
        Arm::Candidate => (other, one),
    };
    let pair = Pair { method: &asked.method, stable, candidate, twin };
    let rules = &asked.route.compare;
    let judged = match &asked.route.shadow.samples {
        Some(policy) => {
            let (comparison, samples) = sample(rules, &pair, policy);
            Judged { comparison, samples: samples.filter(|samples| !samples.taken.is_empty()) }
        }
        None => Judged::without_samples(compare(rules, &pair)),
    };
    (judged, statuses)
}

/// An answer that was cut short by a bound of ours was an answer all the same.
pub(super) const fn is_answered(shadow: &Result<ShadowAnswer, NotComparable>) -> bool {
    !matches!(
        shadow,
        Err(NotComparable::ShadowTimeout
            | NotComparable::ShadowConnect
            | NotComparable::ShadowTruncated)
    )
}
