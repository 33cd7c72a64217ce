//! What would a command do? And what should whoever asks know beside?

use std::sync::Arc;

use config::{Compiled, Settings};
use rules::Revision;

use super::state::compiled;
use super::{Declined, Ledger, Order, Present, Preview};
use crate::desired::{self, Applied, Desired, Next, difference};
use crate::hour::Hour;
use crate::{access, blast};

impl Ledger {
    /// What a command would do; nothing is stored or served.
    ///
    /// # Errors
    /// When it would be refused or does not compile.
    pub fn preview(&self, order: &Order, hour: &Hour) -> Result<Preview, Declined> {
        let present = self.present();
        let revision = present.revision();
        match desired::apply(&present.desired, &order.command)? {
            Applied::Unchanged(summary) => Ok(Preview {
                revision,
                changed: false,
                summary,
                diff: String::new(),
                blast: blast::between(&present.compiled, &present.compiled, hour),
                warnings: Vec::new(),
            }),
            Applied::Changed(next) => {
                allowed(order, &present, &next)?;
                let number = Revision(revision.0.saturating_add(1));
                let compiled =
                    compiled(&next.desired, number, Some(&present)).map_err(Declined::Invalid)?;
                Ok(Preview {
                    revision,
                    changed: true,
                    diff: difference::between(&present.desired, &next.desired),
                    blast: blast::between(&present.compiled, &compiled, hour),
                    warnings: self.warnings(&next, &compiled, &present),
                    summary: next.summary,
                })
            }
        }
    }

    pub(super) fn warnings(
        &self,
        next: &Next,
        compiled: &Compiled,
        present: &Present,
    ) -> Vec<String> {
        let mut warnings = next.notes.clone();
        let document = &next.desired.configuration.document;
        if !Arc::ptr_eq(document, &present.desired.configuration.document) {
            warnings.extend(compiled.warnings.iter().map(ToString::to_string));
            let started_with = self.started_with.get();
            warnings.extend(started_with.and_then(|with| needs_restart(with, &compiled.settings)));
        }
        warnings
    }
}

/// Whether whoever asks may change all that an order changes, whatever command it is.
pub(super) fn allowed(order: &Order, present: &Present, next: &Next) -> Result<(), Declined> {
    let document = |desired: &Desired| Arc::clone(&desired.configuration.document);
    let (before, after) = (document(&present.desired), document(&next.desired));
    if order.is_admin || Arc::ptr_eq(&before, &after) {
        return Ok(());
    }
    let keys = access::guarded(&before, &after);
    if keys.is_empty() { Ok(()) } else { Err(Declined::NeedsAdmin { keys }) }
}

/// What of the settings only a restart can change, if any of it is other than at the start.
fn needs_restart(started_with: &Settings, next: &Settings) -> Option<String> {
    let changed = [
        ("listeners", started_with.listeners != next.listeners),
        ("control", started_with.control != next.control),
        ("control.tls", started_with.encrypted.control != next.encrypted.control),
        ("status", started_with.status != next.status),
        ("status.tls", started_with.encrypted.status != next.encrypted.status),
        ("ofrep", started_with.ofrep != next.ofrep),
        ("ofrep.tls", started_with.encrypted.ofrep != next.encrypted.ofrep),
        ("store", started_with.store != next.store || started_with.redis != next.redis),
        ("access_log", started_with.access_log != next.access_log),
        ("shadow", started_with.shadow != next.shadow),
        ("drain", started_with.drain != next.drain),
        ("drain_delay", started_with.drain_delay != next.drain_delay),
        ("threads", started_with.threads != next.threads),
    ];
    let names: Vec<&str> =
        changed.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    let told =
        || format!("{} changed: that takes effect when Turnout is started again", names.join(", "));
    (!names.is_empty()).then(told)
}
