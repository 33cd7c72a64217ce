//! What of a configuration may only an administrator change? Who may command, and where the state is kept: whoever could change
//! that could do everything.

use std::collections::BTreeSet;

use config::Document;

/// The keys that two configurations have otherwise, of those that take the scope `admin`.
#[must_use]
pub fn guarded(before: &Document, after: &Document) -> Vec<String> {
    let (was, is) = (&before.control, &after.control);
    let differ = [
        ("control.address", was.address != is.address),
        ("control.hosts", was.hosts != is.hosts),
        ("control.approvals", was.approvals != is.approvals),
        ("insecure_control", before.insecure_control != after.insecure_control),
        ("store", before.store != after.store),
    ];
    let names: BTreeSet<&String> = was.tokens.keys().chain(is.tokens.keys()).collect();
    let tokens = names.into_iter().filter(|name| was.tokens.get(*name) != is.tokens.get(*name));
    let keys = differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned());
    let keys: Vec<String> =
        keys.chain(tokens.map(|name| format!("control.tokens.{name}"))).collect();
    // A key that is added here later is guarded, too, if only as a whole.
    if keys.is_empty() && was != is { vec!["control".to_owned()] } else { keys }
}
