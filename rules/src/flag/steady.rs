//! Does everybody have the same of a flag? Told from what is set, whoever may ask.

use std::collections::BTreeSet;

use super::definition::{Flag, FlagId, VariantId};
use super::set::FlagSet;

impl FlagSet {
    /// The variant that [`FlagSet::evaluate`] gives for every subject there may be: tenants that nobody has named, those in
    /// any cohorts, and nobody. None where some might have another one, or where there is no such flag.
    ///
    /// It errs on one side only. A share that happens to pick no tenant, a cohort without any, and prerequisites that are
    /// never met at the same time are not told from those that make a difference.
    #[must_use]
    pub fn steady(&self, id: FlagId) -> Option<VariantId> {
        let flag = self.get(id)?;
        let off = flag.definition.off;
        let mut given = flag.own_variants();
        for need in &flag.definition.needs {
            let needed = self.get(need.flag).filter(|needed| needed.meets_needs());
            let met_by = needed.map(Flag::own_variants).unwrap_or_default();
            if !met_by.contains(&need.variant) {
                return Some(off);
            }
            if met_by.len() > 1 {
                given.insert(off);
            }
        }
        given.first().filter(|_| given.len() == 1).copied()
    }
}

impl Flag {
    /// Every variant that the flag's own setting may give to somebody, whatever becomes of its prerequisites.
    fn own_variants(&self) -> BTreeSet<VariantId> {
        let (setting, off) = (&self.setting, self.definition.off);
        if !setting.on {
            return [off].into();
        }
        let served = setting.cohorts.values().chain([&setting.default]).flat_map(|serve| {
            let within = Some(serve.variant).filter(|_| !serve.share.is_none());
            let beyond = Some(off).filter(|_| !serve.share.is_all());
            within.into_iter().chain(beyond)
        });
        served.chain(setting.tenants.values().copied()).collect()
    }
}
