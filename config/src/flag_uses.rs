//! Where does a configuration name flags? There they have to be taken out before they are themselves.

use std::collections::HashMap;

use crate::compile::Pointer;
use crate::document::Document;

/// The places that name each flag, as JSON pointers (RFC 6901): other flags that need it, routes that ask for it or tell it
/// to their arms, and tokens of services that are good for it by its name. Flags that nothing names are left out.
///
/// ```
/// # use std::path::Path;
/// let text = "{flags: {base: {}, report: {requires: {base: on}}}, routes: {}, \
///     ofrep: {address: '127.0.0.1:7083', tokens: {billing: {hash: .., flags: [base, 'rep*']}}}}";
/// # let source = config::Source { text, name: "turnout.yaml", base: Path::new("/"), env: &|_| None };
/// let document = config::read(&source).unwrap();
/// let uses = config::flag_uses(&document);
/// assert_eq!(uses["base"], ["/flags/report/requires/base", "/ofrep/tokens/billing/flags/0"]);
/// assert!(!uses.contains_key("report"));
/// ```
#[must_use]
pub fn flag_uses(document: &Document) -> HashMap<&str, Vec<String>> {
    let mut uses: HashMap<&str, Vec<String>> = HashMap::new();
    let mut add = |flag, at: &Pointer| uses.entry(flag).or_default().push(at.as_str().to_owned());
    let at = |key| Pointer::root().key(key);
    for (name, flag) in &document.flags {
        for needed in flag.requires.keys() {
            add(needed, &at("flags").key(name).key("requires").key(needed));
        }
    }
    for (name, route) in &document.routes {
        let at = at("routes").key(name);
        if let Some(gate) = &route.requires_flag {
            add(&gate.flag, &at.key("requires_flag"));
        }
        for (place, told) in route.flag_headers.iter().enumerate() {
            add(told, &at.key("flag_headers").item(place));
        }
    }
    for (name, token) in document.ofrep.iter().flat_map(|ofrep| &ofrep.tokens) {
        let at = at("ofrep").key("tokens").key(name).key("flags");
        // How flags begin names none of them.
        let names =
            token.flags.iter().flatten().enumerate().filter(|(_, name)| !name.ends_with('*'));
        for (place, flag) in names {
            add(flag, &at.item(place));
        }
    }
    uses
}
