//! Which flags was a request decided by, and which of them is its arm told?

use http::HeaderValue;
use pingora::http::RequestHeader;
use pingora::prelude::Result;
use rules::decide::RefusalCause;
use rules::flag::{FlagId, VariantId};
use rules::{Route, Snapshot, Verdict};

use crate::exchange::Exchange;

/// Counts the variants that a request was decided by.
pub(crate) fn count(snapshot: &Snapshot, verdict: &Verdict, now_unix: i64) {
    let one = |(flag, variant): (FlagId, VariantId)| {
        if let Some(flag) = snapshot.flags.get(flag) {
            flag.definition.counters.count(variant, now_unix);
        }
    };
    match verdict {
        Verdict::Forward(decision) => {
            let route = snapshot.table.route(decision.route);
            let gate = route.and_then(|route| route.requires_flag.as_ref());
            gate.map(|gate| (gate.flag, gate.variant)).into_iter().for_each(one);
            decision.flags.iter().copied().for_each(one);
        }
        Verdict::Refuse(refusal) => {
            if let RefusalCause::FlagRequired(flag, variant) = refusal.cause {
                one((flag, variant));
            }
        }
        Verdict::NoRoute | Verdict::Redirect(_) => {}
    }
}

/// Tells the arm the variants of the flags that its route names; what a peer said of them is replaced.
pub(crate) fn tell(request: &mut RequestHeader, route: &Route, exchange: &Exchange) -> Result<()> {
    let told = exchange.decision().map_or(&[][..], |decision| &decision.flags);
    for header in &route.flag_headers {
        let given = told.iter().find(|(flag, _)| *flag == header.flag);
        let variant = given.and_then(|(flag, variant)| {
            exchange.snapshot.flags.get(*flag)?.definition.variant(*variant)
        });
        let value = variant.and_then(|variant| HeaderValue::from_str(&variant.name).ok());
        match value {
            Some(value) => request.insert_header(header.name.clone(), value)?,
            None => drop(request.remove_header(&header.name)),
        }
    }
    Ok(())
}
