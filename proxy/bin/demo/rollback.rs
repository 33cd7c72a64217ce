//! The new service fails, and everything goes back: how long does that take?

use std::time::{Duration, Instant};

use super::control::ROUTE;
use super::observe::{Scene, wanted};
use super::screen::{errors, millis, pictured};
use super::walk::all_well;

/// How many failures of the new service are enough to act.
const ENOUGH_FAILURES: u64 = 50;
/// How many requests must be well again after the rollback.
const ENOUGH_WELL: u64 = 500;

impl Scene<'_> {
    /// Breaks the new service and takes it out.
    pub(super) async fn fail_and_roll_back(&mut self) -> anyhow::Result<()> {
        self.failure().await?;
        self.rollback().await
    }

    async fn failure(&mut self) -> anyhow::Result<()> {
        self.step("The new service starts to fail: it answers everything with 503");
        let before = self.control.route().await?.sli.candidate;
        self.messaging.fail(true);
        self.begin().await?;
        let sight = self
            .until(|sight| {
                let failed = sight.route.sli.candidate.errors.saturating_sub(before.errors);
                wanted(failed >= ENOUGH_FAILURES, || {
                    format!("Turnout counted only {failed} errors of the new service")
                })
            })
            .await?;
        let now = &sight.route.sli.candidate;
        self.screen.tell(&format!(
            "the new service failed {} of {} requests, {} of them were served by the old one instead",
            now.errors.saturating_sub(before.errors),
            now.requests.saturating_sub(before.requests),
            now.fallbacks.saturating_sub(before.fallbacks),
        ));
        let clients = &sight.clients;
        self.screen.tell(&format!(
            "clients: {} of {} requests, {} of them writes, which are never sent twice",
            errors(clients.errors),
            clients.ended(),
            clients.write_errors,
        ));
        wanted(clients.errors == clients.write_errors, || "clients saw reads fail".to_owned())
            .map_err(|missing| self.unshown(missing).into())
    }

    async fn rollback(&mut self) -> anyhow::Result<()> {
        self.step("Put everything back");
        let why = "the new service fails";
        self.screen.command(&format!("turnout rollback {ROUTE} --why \"{why}\""));
        let start = Instant::now();
        let done = self.control.rollback(why).await?;
        let answered_after = start.elapsed();
        self.begin().await?;
        self.told(&done);
        let sight = self
            .until(|sight| {
                all_well(sight)?;
                wanted(sight.route.stage == "off", || "the stage is not off".to_owned())?;
                wanted(sight.clients.ended() >= ENOUGH_WELL, || {
                    "too few requests were answered".to_owned()
                })?;
                wanted(sight.clients.new.answers == 0, || {
                    "the new service still serves clients".to_owned()
                })
            })
            .await?;
        self.screen.tell(&pictured(&sight.clients));
        self.last_on_candidate(start, answered_after)
    }

    /// Tells how long it took until the last client request reached the new service.
    fn last_on_candidate(&self, start: Instant, answered: Duration) -> anyhow::Result<()> {
        let requests = self.messaging.new.requests();
        // A copy is no client's request: nobody waits for its answer.
        let clients =
            requests.iter().filter(|request| request.header("x-turnout-shadow").is_none());
        let last = clients.map(|request| request.at).max().unwrap_or(start);
        let (early, late) =
            (start.saturating_duration_since(last), last.saturating_duration_since(start));
        let last = if late.is_zero() {
            format!("{} before the command was sent", millis(early))
        } else {
            format!("{} after the command was sent", millis(late))
        };
        self.screen.tell(&format!("stored and answered in {}", millis(answered)));
        self.screen.tell(&format!("the last client request reached the new service {last}"));
        wanted(late < Duration::from_secs(1), || format!("that is too late: {}", millis(late)))
            .map_err(|missing| self.unshown(missing).into())
    }
}
