//! When has a step shown what it should? Looked at again and again, with a deadline.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use loadtest::messaging::Messaging;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::clients::{Clients, Tally};
use super::control::{Control, Parity, RouteView};
use super::screen::{Screen, parity, split};
use super::server::Server;

pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
const SHOWN_WITHIN: Duration = Duration::from_secs(20);

/// A step that did not show what it should.
#[derive(Debug, thiserror::Error)]
#[error("step {step} ({title}) did not show what it should: {missing}")]
pub(super) struct Unshown {
    pub(super) step: usize,
    pub(super) title: &'static str,
    pub(super) missing: String,
}

/// What is to be seen at one moment.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// The route as the control API shows it.
    pub(super) route: RouteView,
    /// The comparisons since the last command.
    pub(super) parity: Parity,
    /// What the clients saw of requests sent since the last command.
    pub(super) clients: Clients,
}

/// What a step wants to see: nothing more, or what is missing.
pub(super) type Missing = Result<(), String>;

/// Refuses with a text until a condition holds.
pub(super) fn wanted(holds: bool, missing: impl FnOnce() -> String) -> Missing {
    if holds { Ok(()) } else { Err(missing()) }
}

/// Everything that a walk needs at hand.
pub(super) struct Scene<'s> {
    pub(super) screen: &'s Screen,
    pub(super) messaging: Messaging,
    pub(super) server: Server,
    pub(super) tally: Arc<Tally>,
    pub(super) control: Control,
    /// Tenants that the new service served.
    pub(super) moved: BTreeSet<String>,
    step: usize,
    title: &'static str,
    parity_before: Parity,
}

impl<'s> Scene<'s> {
    pub(super) fn new(
        screen: &'s Screen,
        messaging: Messaging,
        server: Server,
        tally: Arc<Tally>,
    ) -> Self {
        let control = Control(server.control);
        let (moved, parity_before) = (BTreeSet::new(), Parity::default());
        Self { screen, messaging, server, tally, control, moved, step: 0, title: "", parity_before }
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &'static str) {
        if self.step > 0 {
            self.screen.advance();
        }
        self.step += 1;
        self.title = title;
        self.screen.title(self.step, title);
    }

    /// From now on counts anew what clients and comparisons see.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        self.parity_before = self.control.route().await?.parity;
        self.tally.begin();
        Ok(())
    }

    /// Looks until nothing is missing any more.
    pub(super) async fn until(
        &mut self,
        shows: impl Fn(&Sight) -> Missing,
    ) -> anyhow::Result<Sight> {
        let deadline = Instant::now() + SHOWN_WITHIN;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let sight = self.look().await?;
            match shows(&sight) {
                Ok(()) => return Ok(sight),
                Err(missing) if Instant::now() >= deadline => {
                    let seen = split(&sight.clients);
                    return Err(self.unshown(format!("{missing} (seen: {seen})")).into());
                }
                Err(_) => {}
            }
        }
    }

    /// The step did not show what it should.
    pub(super) fn unshown(&self, missing: String) -> Unshown {
        Unshown { step: self.step, title: self.title, missing }
    }

    async fn look(&mut self) -> anyhow::Result<Sight> {
        self.server.check()?;
        let route = self.control.route().await?;
        let parity_now = route.parity.since(self.parity_before);
        let clients = self.tally.clients();
        let mut live = split(&clients);
        if parity_now.compared > 0 {
            live.push_str(&format!(", {}", parity(parity_now)));
        }
        self.screen.live(live);
        Ok(Sight { route, parity: parity_now, clients })
    }
}
