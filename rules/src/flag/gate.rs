//! What do a route's flags say of a request: may it in, and what is the arm told?

use super::definition::{FlagId, VariantId};
use super::evaluate::Subject;
use super::set::FlagSet;
use crate::Route;

/// The flag that keeps a request out, with the variant that its tenant has; none where the route asks for no flag or the
/// tenant has the variant that it asks for.
pub(crate) fn kept_out(
    flags: &FlagSet,
    route: &Route,
    subject: Subject<'_>,
) -> Option<(FlagId, VariantId)> {
    let gate = route.requires_flag.as_ref()?;
    let found = flags.evaluate(gate.flag, subject)?;
    (found.id != gate.variant).then_some((gate.flag, found.id))
}

/// The variants that an arm is told, in the order of the route's flag headers.
pub(crate) fn told(
    flags: &FlagSet,
    route: &Route,
    subject: Subject<'_>,
) -> Box<[(FlagId, VariantId)]> {
    let headers = route.flag_headers.iter();
    headers
        .filter_map(|header| Some((header.flag, flags.evaluate(header.flag, subject)?.id)))
        .collect()
}
