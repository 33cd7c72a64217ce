//! What is asked of every contestant alike, who must answer, and what does it cost?

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loadtest::load::{Call, Figures, Load, Plan, Protocol};

use crate::contestant::Contestant;
use crate::outcome::{Metric, Result};
use crate::peer::Job;
use crate::stage::Stage;

/// What [`Asked::cost`] tells.
pub(crate) const COST: &[Metric] = &[Metric::Cpu, Metric::P50, Metric::P99, Metric::Resident];

/// What a few clients have under way.
pub(crate) const UNDER_WAY: usize = 16;

/// Longer than any server waits for another: whoever lets clients wait is to be seen by their latencies.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests at a constant rate.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) title: &'static str,
    pub(crate) call: Arc<dyn Fn(u64) -> Call + Send + Sync>,
    /// Requests per second.
    pub(crate) rate: f64,
    /// How many may be under way at a time; those that are due beyond that wait, and their latency runs. This also bounds
    /// how many connections are made at once after a stall.
    pub(crate) under_way: usize,
    pub(crate) protocol: Protocol,
    pub(crate) arms: Arms,
}

/// Who must answer.
#[derive(Clone)]
pub(crate) struct Arms {
    /// Which arm a request belongs to; `None` where that is a matter of the share.
    pub(crate) of: fn(&Call) -> Option<&'static str>,
    /// What part of these the candidate must have answered.
    pub(crate) candidate: RangeInclusive<f64>,
}

impl Arms {
    /// The old service answers everything.
    pub(crate) const STABLE: Self = Self { of: |_| Some("stable"), candidate: 0.0..=0.0 };
}

impl Asked {
    pub(crate) fn new(title: &'static str, rate: f64, call: Call) -> Self {
        let call = Arc::new(move |_| call.clone());
        let (under_way, protocol) = (UNDER_WAY, Protocol::Http1);
        Self { title, call, rate, under_way, protocol, arms: Arms::STABLE }
    }

    /// Asks for one turn and tells [`COST`]. `settled` waits for what goes on behind the answers, when so many requests
    /// were answered; its cost counts, too.
    pub(crate) async fn cost(
        &self,
        stage: &Stage,
        contestant: &Contestant,
        job: Job,
        settled: impl AsyncFn(u64) -> Result<()>,
    ) -> Result<Vec<f64>> {
        let before = contestant.process.cpu()?;
        let figures = self.turn(stage, contestant, job).await?;
        settled(figures.ok).await?;
        let spent = contestant.process.cpu()?.saturating_sub(before);
        Ok(vec![
            spent.as_secs_f64() * 100_000.0 / as_f64(figures.ok),
            figures.latency.p50.as_secs_f64() * 1_000.0,
            figures.latency.p99.as_secs_f64() * 1_000.0,
            contestant.process.resident_mib()?,
        ])
    }

    /// Asks for one turn, and fails unless everything was answered, and by the right arm.
    async fn turn(&self, stage: &Stage, contestant: &Contestant, job: Job) -> Result<Figures> {
        let plan = stage.plan(Plan::per_second(contestant.listen, self.rate), job);
        let (protocol, in_flight) = (self.protocol, self.under_way);
        let plan = Plan { protocol, in_flight, punctual: true, timeout: PATIENCE, ..plan };
        let (call, of, tally) = (Arc::clone(&self.call), self.arms.of, Arc::<Tally>::default());
        let seen = Arc::clone(&tally);
        let load = Load::start(
            plan.for_time(stage.extent.turn),
            move |number| call(number),
            move |answer| seen.count(of(&answer.call), answer.origin()),
        )?;
        let figures = load.finish().await;
        let [wrong, shared, of_candidate] = tally.counts();
        all_answered(&figures)?;
        if wrong > 0 {
            return Err(format!("{wrong} requests were not answered by their arm").into());
        }
        let share = as_f64(of_candidate) / as_f64(shared.max(1));
        if shared > 0 && !self.arms.candidate.contains(&share) {
            return Err(format!("{:.1} % were answered by the candidate", share * 100.0).into());
        }
        Ok(figures)
    }
}

/// Fails with what came of the requests, unless all were answered well.
pub(crate) fn all_answered(figures: &Figures) -> Result<()> {
    let Figures { failed, sent, by_status, unanswered, .. } = figures;
    if *failed == 0 {
        return Ok(());
    }
    Err(format!("{failed} of {sent} requests failed: {by_status:?} {unanswered:?}").into())
}

/// Who answered.
#[derive(Debug, Default)]
struct Tally {
    /// Another arm than had to, or nobody.
    wrong: AtomicU64,
    /// Either arm, where that is a matter of the share.
    shared: AtomicU64,
    /// Of these the candidate.
    of_candidate: AtomicU64,
}

impl Tally {
    fn count(&self, due: Option<&str>, origin: Option<&str>) {
        let counter = match (due, origin) {
            (Some(due), Some(origin)) if due == origin => return,
            (None, Some("stable")) => &self.shared,
            (None, Some("candidate")) => {
                self.of_candidate.fetch_add(1, Ordering::Relaxed);
                &self.shared
            }
            _ => &self.wrong,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> [u64; 3] {
        [&self.wrong, &self.shared, &self.of_candidate].map(|count| count.load(Ordering::Relaxed))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact to 2^53")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}
