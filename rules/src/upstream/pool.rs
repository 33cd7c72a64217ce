//! What is an upstream? A definition, how busy it is, and whether it serves already.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::breaker::Breaker;
use super::definition::{
    HealthCheck, Protection, UpstreamDefinition, UpstreamTimeouts, UpstreamTls,
};
use super::target::{Health, Target};
use super::turns::Turns;
use super::usage::Usage;
use crate::UpstreamName;

/// A named pool of targets.
#[derive(Debug)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// Grows whenever the upstream is defined anew: no connection of an older definition serves a newer one.
    pub generation: u64,
    /// Its targets.
    pub targets: Box<[Target]>,
    /// Set when the targets speak TLS.
    pub tls: Option<UpstreamTls>,
    /// Whether targets are spoken to in HTTP/2.
    pub http2: bool,
    /// How its targets are checked, if they are.
    pub health: Option<HealthCheck>,
    /// Its time-outs.
    pub timeouts: UpstreamTimeouts,
    /// What keeps it from harm, and its clients from a sick target.
    pub protection: Protection,
    /// Differs between any two definitions: connections that one made never serve another.
    pub pool_key: u64,
    /// How busy it is.
    pub usage: Arc<Usage>,
    pub(super) turns: Turns,
    pub(super) breaker: Breaker,
    /// The definition before, which serves until a target of this one is known to be well.
    stand_in: ArcSwapOption<Upstream>,
}

impl Upstream {
    /// The upstream of a definition, when there was none of its name.
    #[must_use]
    pub fn new(definition: UpstreamDefinition) -> Self {
        let UpstreamDefinition { name, generation, targets, tls, http2, health, timeouts, .. } =
            definition;
        let turns = Turns::new(&targets);
        let mut hash = DefaultHasher::new();
        (name.as_str(), generation).hash(&mut hash);
        Self {
            name,
            generation,
            targets: targets.into_boxed_slice(),
            tls,
            http2,
            health,
            timeouts,
            protection: definition.protection,
            pool_key: hash.finish(),
            usage: Arc::default(),
            turns,
            breaker: Breaker::default(),
            stand_in: ArcSwapOption::empty(),
        }
    }

    /// The upstream of a definition that takes the place of another one. It goes on counting what was counted.
    ///
    /// Where targets are checked, and none of the new ones is known to be well, the definition before serves until one
    /// is: a new set of targets is checked before it serves.
    #[must_use]
    pub fn following(definition: UpstreamDefinition, before: &Arc<Self>) -> Self {
        let mut new = Self::new(definition);
        new.usage = Arc::clone(&before.usage);
        if new.health.is_some() && !new.is_proven() {
            // Never a chain: who stands in has taken over, or was never followed.
            let serves = before.stand_in().unwrap_or_else(|| Arc::clone(before));
            serves.settle();
            new.stand_in.store(Some(serves));
        }
        new
    }

    /// Whether a health check finds a target well.
    fn is_proven(&self) -> bool {
        self.targets.iter().any(|target| target.weight > 0 && target.state.health() == Health::Well)
    }

    /// The definition before, while it serves instead of this one.
    #[must_use]
    pub fn stand_in(&self) -> Option<Arc<Self>> {
        let stand_in = self.stand_in.load_full()?;
        (!self.is_proven()).then_some(stand_in)
    }

    /// The definition that serves now: this one, or the one before until a target of this one is known to be well. Where
    /// those of the one before are all sick, there is nothing to wait for.
    #[must_use]
    pub fn serving(self: &Arc<Self>, now_ms: u64) -> Arc<Self> {
        let is_there = |stand_in: &Arc<Self>| {
            let mut targets = stand_in.targets.iter();
            targets.any(|target| target.weight > 0 && stand_in.is_fit(target, now_ms))
        };
        self.stand_in().filter(is_there).unwrap_or_else(|| Arc::clone(self))
    }

    /// Lets go of the definition before if this one serves; says whether it just took over. Whoever checks targets calls
    /// it from time to time.
    pub fn settle(&self) -> bool {
        let takes_over = self.is_proven() && self.stand_in.load().is_some();
        if takes_over {
            self.stand_in.store(None);
        }
        takes_over
    }

    /// Whether the breaker keeps requests away.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.breaker.is_open()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{CHECKED, definition, picked, pool};
    use super::super::{Health, Upstream, UpstreamDefinition};

    fn following(targets: &[(&str, u16)], before: &Arc<Upstream>) -> Arc<Upstream> {
        let generation = before.generation + 1;
        let definition =
            UpstreamDefinition { generation, health: CHECKED(), ..definition(targets) };
        Arc::new(Upstream::following(definition, before))
    }

    fn serves(upstream: &Arc<Upstream>) -> Vec<u16> {
        picked(&upstream.serving(0), 0)
    }

    #[test]
    fn new_targets_serve_when_one_is_well_and_the_old_ones_until_then() {
        let first = pool(&[Health::Well]);
        let second = following(&[("127.0.0.1:8", 1), ("127.0.0.1:9", 1)], &first);
        assert_eq!(serves(&second), [1]);
        assert!(!second.settle());
        let third = following(&[("127.0.0.1:7", 1)], &second);
        assert_eq!(serves(&third), [1], "still the last that was well");
        second.targets[1].state.set_health(Health::Well);
        assert_eq!(serves(&second), [9]);
        assert!(second.settle() && !second.settle(), "once");
        second.targets[1].state.set_health(Health::Unwell);
        assert_eq!(serves(&second), [8, 9], "there is no way back");
        assert_eq!(serves(&third), [1]);
        first.targets[0].state.set_health(Health::Unwell);
        assert_eq!(serves(&third), [7], "nothing to wait for");
        let (attempt, address) = third.attempt(0, None).unwrap();
        assert_eq!((address.port(), attempt.upstream().generation), (7, 3));
    }

    #[test]
    fn no_chain_of_definitions_is_kept() {
        let first = pool(&[Health::Well]);
        let gone = Arc::downgrade(&first);
        let second = following(&[("127.0.0.1:8", 1)], &first);
        drop(first);
        second.targets[0].state.set_health(Health::Well);
        let third = following(&[("127.0.0.1:7", 1)], &second);
        assert_eq!(serves(&third), [8]);
        assert!(gone.upgrade().is_none());
    }

    #[test]
    fn nothing_stands_in_without_checks_or_for_targets_that_are_well() {
        let first = pool(&[Health::Well]);
        let unchecked = Upstream::following(definition(&[("127.0.0.1:9", 1)]), &first);
        assert_eq!(serves(&Arc::new(unchecked)), [9]);
        let mut kept = definition(&[("127.0.0.1:8", 1)]);
        kept.targets.push(first.targets[0].clone());
        let kept = UpstreamDefinition { health: CHECKED(), ..kept };
        let kept = Arc::new(Upstream::following(kept, &first));
        assert!(kept.stand_in().is_none());
        assert_eq!(serves(&kept), [1], "the new one waits for its check");
    }

    #[test]
    fn each_definition_has_its_own_connections_and_all_count_together() {
        let first = pool(&[Health::Well]);
        let attempt = first.attempt(0, None).unwrap();
        let second = following(&[("127.0.0.1:1", 1)], &first);
        assert_ne!(first.pool_key, second.pool_key);
        assert_eq!(second.usage.in_flight(), 1);
        drop(attempt);
        assert_eq!(second.usage.in_flight(), 0);
    }
}
