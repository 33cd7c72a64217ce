//! What is the life of one copy? Sent beside the primary, answered, compared, reported.

use std::time::Instant;

use rules::compare::{Answer, Comparison, compare};
use rules::exchange::{NotComparable, Outcome};
use rules::overload::Shed;
use rules::route::Arm;
use rules::sli::ShadowResult;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::body::KeptBody;
use super::call::{self, ShadowAnswer};
use super::capture::{Pending, Primary};

/// Sends the copy, waits for both answers, and settles the exchange.
pub(super) async fn run(
    pending: Box<Pending>,
    primary: oneshot::Receiver<Result<Primary, NotComparable>>,
) {
    let Pending { ticket, permit, destination, upstream, serving, head, body, .. } = *pending;
    let call = call::send(&destination, &upstream, head, body, &ticket);
    let shadow = timeout(ticket.route.shadow.timeout, Box::pin(call)).await;
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
    let comparison = match (primary, shadow) {
        (Ok(_), Ok(_)) if ticket.pressure.gives_up(Shed::Comparisons) => {
            not_comparable(NotComparable::Shed)
        }
        (Ok(primary), Ok(shadow)) => judge(&ticket.route.compare, serving, primary, shadow),
        // What the client saw comes first: a copy of a broken exchange says nothing.
        (Err(reason), _) | (Ok(_), Err(reason)) => not_comparable(reason),
    };
    ticket.settle(comparison.outcome, comparison.differences);
}

fn judge(
    rules: &rules::compare::CompareRules,
    serving: Arm,
    primary: Primary,
    shadow: ShadowAnswer,
) -> Comparison {
    let Primary { status, headers, body, .. } = primary;
    let body = KeptBody::into_whole(body);
    let primary = Answer { status: status.as_u16(), headers: &headers, body: &body.bytes };
    let shadow_body = shadow.body.into_whole();
    let shadow = Answer {
        status: shadow.status.as_u16(),
        headers: &shadow.headers,
        body: &shadow_body.bytes,
    };
    match serving {
        Arm::Stable => compare(rules, &primary, &shadow),
        Arm::Candidate => compare(rules, &shadow, &primary),
    }
}

/// An answer that was cut short by a bound of ours was an answer all the same.
const fn is_answered(shadow: &Result<ShadowAnswer, NotComparable>) -> bool {
    !matches!(
        shadow,
        Err(NotComparable::ShadowTimeout
            | NotComparable::ShadowConnect
            | NotComparable::ShadowTruncated)
    )
}

const fn not_comparable(reason: NotComparable) -> Comparison {
    Comparison { outcome: Outcome::NotComparable(reason), differences: Vec::new() }
}
