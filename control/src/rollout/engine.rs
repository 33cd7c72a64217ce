//! Who looks at rollouts? One engine: each second it reads the counters, asks for the next move, and orders it.
//!
//! In a fleet one node moves rollouts, the one that holds the lease, by what all nodes counted. The others tell it, and listen
//! now and then, to be ready when it goes away.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use rules::gate::Tally;
use rules::route::RouteId;

use super::alike::Alike;
use super::counters::Counters;
use super::inquiries::{heard, wanted};
use super::orders::order;
use super::places::{places, subject, told_step};
use super::together::{MAX_PLACES, Together, Told};
use super::watch::{Watched, bursts};
use super::{Place, Progress, Rollout, Seen, step};
use crate::command::Command;
use crate::external::{Answers, Wanted};
use crate::fleet;
use crate::ledger::{Ledger, Order, Present};
use crate::parity::Parity;
use crate::store::{Change, StoreError};

/// Who the engine's commands are by.
pub const ENGINE: &str = "turnout rollout";
/// How many looks there are between two times that progress is kept; moves are kept at once.
const KEEP_EVERY: u64 = 10;
/// How many looks there are between two times that a node without the lease listens to what others counted.
const LISTEN_EVERY: u64 = 10;
/// What progress is kept under.
const NOTE: &str = "rollout/";
/// What is known of tenants from before a rollout is kept under.
const TENANTS_NOTE: &str = "rollout-tenants/";

/// Looks at rollouts, one look after the other.
#[derive(Debug, Default)]
pub struct Engine {
    memory: Mutex<Memory>,
    /// What other systems said, asked for in the background.
    answers: Answers,
}

#[derive(Debug, Default)]
struct Memory {
    looks: u64,
    /// How many routes and cohorts there was no room to tell of.
    untold: usize,
    /// Whether what an earlier process kept has been read.
    loaded: bool,
    kept: BTreeMap<String, Progress>,
    /// What was kept of tenants, with the generation that it was kept for.
    kept_tenants: BTreeMap<String, (u64, Vec<Tally>)>,
    /// What all nodes counted.
    together: Together,
    /// What they found of the answers.
    alike: Alike,
    watched: BTreeMap<Place, Watched>,
    states: BTreeMap<Place, Stands>,
    /// Set where a rollout was seen for the first time.
    begun: bool,
    /// The fence that the lease came with; none where another node holds it.
    fence: Option<u64>,
    /// What rollouts want to know from other systems.
    wanted: Vec<Wanted>,
}

/// How a rollout stands, by the last look at it.
#[derive(Debug, Clone)]
pub struct Stands {
    /// What the look came to.
    pub seen: Seen,
    /// Dispersions, from before the rollout: of failures, and of each latency gate.
    dispersions: (f64, Vec<f64>),
    /// What each part of the tenants did in the day before.
    tenants: Vec<Tally>,
}

impl Engine {
    /// Looks at everything, and says what is to be ordered. Blocks on the store.
    ///
    /// # Errors
    /// When what was kept cannot be read: then nothing is decided.
    pub fn look(
        &self,
        ledger: &Ledger,
        parity: &Parity,
        now: Timestamp,
    ) -> Result<Vec<Order>, StoreError> {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let present = ledger.present();
        memory.looks = memory.looks.wrapping_add(1);
        let had_lease = memory.fence.is_some();
        memory.take_lease(ledger);
        let took_over = !had_lease && memory.fence.is_some();
        memory.alike.take_own(&present, parity, now);
        memory.watch(ledger, &present, now, took_over);
        if memory.fence.is_none() {
            memory.leave();
            self.answers.want(Vec::new());
            return Ok(Vec::new());
        }
        // What was heard just now may be what the node before has judged by already.
        if took_over && ledger.store().is_shared() {
            return Ok(Vec::new());
        }
        memory.load(ledger)?;
        let mut orders = Vec::new();
        for (place, rollout) in present.desired.rollouts.iter() {
            if rollout.phase.is_over() {
                memory.states.remove(place);
            } else {
                let order = memory.decide(place, rollout, &self.answers, now);
                orders.extend(order.map(|order| memory.fenced(order)));
            }
        }
        self.answers.want(std::mem::take(&mut memory.wanted));
        let at_once = !orders.is_empty() || std::mem::take(&mut memory.begun);
        memory.keep(ledger, &present, at_once);
        Ok(orders)
    }

    /// What other systems said.
    pub(crate) const fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Whether it is this node that moves rollouts.
    pub(crate) fn leads(&self) -> bool {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.fence.is_some() && memory.loaded
    }

    /// How a rollout stood at the last look.
    #[must_use]
    pub fn stands(&self, place: &Place) -> Option<Seen> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.states.get(place).map(|stands| stands.seen.clone())
    }

    /// Of how many routes and cohorts the other nodes are not told, because there are too many.
    #[must_use]
    pub fn untold(&self) -> usize {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).untold
    }

    /// Requests of a route's stable arm in the last hour, and how many minutes of it are known.
    #[must_use]
    pub fn last_hour(&self, place: &Place) -> (u64, usize) {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.watched.get(place).map_or((0, 0), Watched::last_hour)
    }
}

impl Memory {
    /// Finds out whether this node moves rollouts. While that cannot be asked it is as it was: a gate that fails rolls back
    /// even then, and the store takes nothing else from a node whose lease another one has by now.
    fn take_lease(&mut self, ledger: &Ledger) {
        if ledger.held().is_some() {
            return;
        }
        match fleet::lease(ledger) {
            Ok(fence) => self.fence = fence,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "the lease cannot be asked for");
            }
        }
    }

    /// Forgets how rollouts stand: another node knows it better, and keeps what this one takes up when it is its turn.
    fn leave(&mut self) {
        self.states.clear();
        self.kept.clear();
        self.kept_tenants.clear();
        self.loaded = false;
    }

    fn load(&mut self, ledger: &Ledger) -> Result<(), StoreError> {
        if self.loaded {
            return Ok(());
        }
        for (key, value) in ledger.store().kept()? {
            if let Some(place) = key.strip_prefix(TENANTS_NOTE) {
                let kept = serde_json::from_str::<(u64, Vec<(u64, u64)>)>(&value);
                if let Ok((generation, tenants)) = kept {
                    let tenants = tenants.iter().map(|(bad, total)| Tally::new(*bad, *total));
                    let kept = (generation, tenants.collect());
                    self.kept_tenants.insert(place.to_owned(), kept);
                }
                continue;
            }
            let Some(place) = key.strip_prefix(NOTE) else { continue };
            match serde_json::from_str::<Progress>(&value) {
                // Nothing goes on by what was seen before the process began.
                Ok(kept) => {
                    let kept = Progress { data_unix_ms: None, looked_unix_ms: None, ..kept };
                    self.kept.insert(place.to_owned(), kept);
                }
                Err(error) => {
                    tracing::warn!(%error, place, "what was kept of a rollout cannot be read");
                }
            }
        }
        self.loaded = true;
        Ok(())
    }

    /// Reads the counters of everything that is watched, here and on the other nodes, and forgets what no longer is.
    fn watch(&mut self, ledger: &Ledger, present: &Present, now: Timestamp, took_over: bool) {
        let now_unix_ms = now.as_millisecond();
        let mut own = BTreeMap::new();
        let snapshot = &present.compiled.snapshot;
        for (id, route) in (0..).map(RouteId).zip(snapshot.table.routes()) {
            let counted = snapshot.rollouts.get(&id).map(|counted| &**counted);
            for place in places(present, route) {
                if let Some(counters) = Counters::of(route, &place.scope, counted) {
                    own.insert(place, counters);
                }
            }
        }
        if ledger.store().is_shared() && !own.is_empty() {
            self.tell(ledger, present, &own);
            // Whoever moves nothing only has to know enough to take over.
            if self.fence.is_some() || took_over || self.looks.is_multiple_of(LISTEN_EVERY) {
                self.listen(ledger, now_unix_ms);
            }
        }
        let places: Vec<Place> = own.keys().cloned().collect();
        let named = own.into_iter().map(|(place, counters)| (place.to_string(), counters));
        self.together.take_own(named.collect(), now_unix_ms);
        self.together.keep(&places);
        let mut watched = BTreeMap::new();
        for place in places {
            let mut known = self.watched.remove(&place).unwrap_or_default();
            let counters = self.together.counters(&place);
            known.look(counters, &self.together.added(&place), now_unix_ms);
            watched.insert(place, known);
        }
        self.watched = watched;
    }

    /// Tells the other nodes what was counted here; of what moves first.
    fn tell(&mut self, ledger: &Ledger, present: &Present, own: &BTreeMap<Place, Counters>) {
        let process = ledger.process().to_owned();
        let rollouts = &present.desired.rollouts;
        let is_idle = |place: &Place| rollouts.get(place).is_none_or(|one| one.phase.is_over());
        let mut told: Vec<_> = own.iter().collect();
        told.sort_by_key(|(place, _)| is_idle(place));
        self.untold = told.len().saturating_sub(MAX_PLACES);
        let told = told.into_iter().take(MAX_PLACES);
        let counters = told.map(|(place, counters)| (place.to_string(), counters.into())).collect();
        let told = Told { process, looks: self.looks, counters, alike: self.alike.told() };
        let text = serde_json::to_string(&told).unwrap_or_default();
        if let Err(error) = fleet::tell_counts(ledger, &text) {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(error, "the fleet could not be told what was counted");
        }
    }

    fn listen(&mut self, ledger: &Ledger, now_unix_ms: i64) {
        let heard = fleet::told_counts(ledger).and_then(|told| Ok((told, fleet::others(ledger)?)));
        match heard {
            Ok((told, there)) => {
                let read = |(node, text): (String, String)| {
                    Some((node, serde_json::from_str(&text).ok()?))
                };
                let mut told: Vec<(String, Told)> = told.into_iter().filter_map(read).collect();
                let alike = told.iter_mut().map(|(_, told)| std::mem::take(&mut told.alike));
                self.alike.take_others(alike.collect());
                self.together.take_others(told, &there, now_unix_ms);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "what other nodes counted cannot be asked for");
                self.together.take_nothing();
            }
        }
    }

    fn decide(
        &mut self,
        place: &Place,
        rollout: &Rollout,
        answers: &Answers,
        now: Timestamp,
    ) -> Option<Order> {
        let plan = rollout.plan()?;
        let gates = &plan.steps.get(rollout.step)?.gates;
        let known = self.states.remove(place);
        let known = known.filter(|known| known.seen.progress.stretch.0 == rollout.generation);
        // A step of a cohort is judged by the cohort's requests.
        let subject = subject(place, rollout, &plan);
        let incomplete = !self.together.is_whole(&subject, now.as_millisecond());
        if known.as_ref().is_some_and(|known| known.seen.progress.stretch != rollout.stretch()) {
            self.watched.get_mut(&subject)?.forget_half_minute();
        }
        let watched = self.watched.get(&subject)?;
        let (kept, dispersions, tenants) = match known {
            Some(Stands { seen, dispersions, tenants }) => {
                (Some(seen.progress), dispersions, tenants)
            }
            None => {
                self.begun = true;
                let generation = rollout.generation;
                let kept = self.kept.remove(&place.to_string());
                let kept = kept.filter(|kept| kept.stretch.0 == generation);
                let known = kept.as_ref().map(Progress::dispersions);
                let tenants = self.kept_tenants.remove(&place.to_string());
                let tenants = tenants.filter(|(kept_for, _)| *kept_for == generation);
                let tenants = tenants.map_or_else(|| watched.tenants(), |(_, tenants)| tenants);
                (kept, known.unwrap_or_else(|| bursts(&self.watched, &subject, gates)), tenants)
            }
        };
        let mut readings = watched.readings(gates, &tenants)?;
        (readings.dispersion, readings.latency_dispersions) = dispersions.clone();
        readings.parity = self.alike.at_gate(place);
        (readings.externals, readings.confirmations) = heard(place, rollout, &plan, now, answers);
        readings.incomplete = incomplete;
        readings.tenants = watched.seen(&told_step(place, rollout));
        let seen = step(rollout, &plan, kept, &readings, now)?;
        self.wanted.extend(wanted(place, rollout, &plan, seen.ready));
        let order = seen.next.map(|next| order(place, rollout, &seen, next, now));
        self.states.insert(place.clone(), Stands { seen, dispersions, tenants });
        order
    }

    /// The order, which only counts while this node holds the lease. A rollback counts in any case. (INV-10)
    fn fenced(&self, order: Order) -> Order {
        let fence = self.fence.filter(|_| !matches!(order.command, Command::Rollback { .. }));
        Order { fence, ..order }
    }

    /// Keeps progress, now and then. Where the store fails that is tried again; what is lost is evidence, and a step takes
    /// longer for it.
    fn keep(&mut self, ledger: &Ledger, present: &Present, at_once: bool) {
        if !at_once && !self.looks.is_multiple_of(KEEP_EVERY) {
            return;
        }
        let over = |place: &Place| !self.states.contains_key(place);
        let gone = present
            .desired
            .rollouts
            .iter()
            .filter(|(place, one)| one.phase.is_over() && over(place));
        let gone = gone.flat_map(|(place, _)| {
            [(format!("{NOTE}{place}"), None), (format!("{TENANTS_NOTE}{place}"), None)]
        });
        let states = self.states.iter().filter_map(|(place, stands)| {
            let text = serde_json::to_string(&stands.seen.progress).ok()?;
            Some((format!("{NOTE}{place}"), Some(text)))
        });
        // They stay the same for a whole rollout: kept when something moves, which the start of one is.
        let tenants =
            self.states.iter().filter(|(_, stands)| at_once && !stands.tenants.is_empty());
        let tenants = tenants.filter_map(|(place, stands)| {
            let counts: Vec<_> = stands.tenants.iter().map(|one| (one.bad, one.total)).collect();
            let text = serde_json::to_string(&(stands.seen.progress.stretch.0, counts)).ok()?;
            Some((format!("{TENANTS_NOTE}{place}"), Some(text)))
        });
        let notes: Vec<Change> = states.chain(tenants).chain(gone).collect();
        if notes.iter().all(|(_, value)| value.is_none()) && !at_once {
            return;
        }
        if let Err(error) = ledger.store().keep(&notes) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the progress of rollouts could not be kept"
            );
        }
    }
}
