//! What of a configuration may only an administrator change? Who may command, and where the state is kept: whoever could change
//! that could do everything. And who is told of flags: whoever could change that could let anybody ask what each tenant has.

use std::collections::{BTreeMap, BTreeSet};

use config::Document;
use config::document::ServerTlsSpec;
use config::document::ofrep::OfrepSpec;

/// The keys that two configurations have otherwise, of those that take the scope `admin`.
#[must_use]
pub fn guarded(before: &Document, after: &Document) -> Vec<String> {
    let (was, is) = (&before.control, &after.control);
    let differ = [
        ("control.address", was.address != is.address),
        ("control.hosts", was.hosts != is.hosts),
        ("control.approvals", was.approvals != is.approvals),
        ("insecure_control", before.insecure_control != after.insecure_control),
        ("ofrep", before.ofrep.as_ref().map(open_at) != after.ofrep.as_ref().map(open_at)),
        ("store", before.store != after.store),
    ];
    let keys = differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
    let tokens = differing(&was.tokens, &is.tokens);
    let tokens = tokens.into_iter().map(|name| format!("control.tokens.{name}"));
    let asked = before.ofrep.iter().flat_map(|ofrep| &ofrep.tokens);
    let of_services = differing(asked, after.ofrep.iter().flat_map(|ofrep| &ofrep.tokens));
    let of_services = of_services.into_iter().map(|name| format!("ofrep.tokens.{name}"));
    let keys: Vec<String> = keys.chain(tokens).chain(of_services).collect();
    // A key that is added here later is guarded, too, if only as a whole.
    if keys.is_empty() && was != is { vec!["control".to_owned()] } else { keys }
}

/// Where services ask, and how what they say is encrypted.
fn open_at(ofrep: &OfrepSpec) -> (&str, Option<&ServerTlsSpec>) {
    (&ofrep.address, ofrep.tls.as_ref())
}

/// The names under which there is something else before and after.
fn differing<'n, T: PartialEq + 'n>(
    before: impl IntoIterator<Item = (&'n String, &'n T)>,
    after: impl IntoIterator<Item = (&'n String, &'n T)>,
) -> BTreeSet<&'n String> {
    let before: BTreeMap<_, _> = before.into_iter().collect();
    let after: BTreeMap<_, _> = after.into_iter().collect();
    let names = before.keys().chain(after.keys()).copied();
    names.filter(|name| before.get(name) != after.get(name)).collect()
}
