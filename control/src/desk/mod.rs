//! What does the control plane know and do while it runs? The one place that API, file watch and signals come to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use config::{Problem, Problems};
use jiff::Timestamp;
use rules::exchange::ExchangeReport;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::audit::Seal;
use crate::command::{Command, Configuration};
use crate::events::Event;
use crate::external::Externals;
use crate::file::Content;
use crate::hour::Hour;
use crate::ledger::{Declined, Done, Ledger, Order};
use crate::namesake::Namesake;
use crate::parity::Parity;
use crate::rollout::Engine;
use crate::samples::Shelf;
use crate::store::{Caution, StoreError};
use crate::window::Windows;

/// How the configuration file was when it was last read.
#[derive(Debug, Clone)]
pub struct Reload {
    /// When that was.
    pub at: Timestamp,
    /// Why it could not be taken; none where it was.
    pub error: Option<String>,
}

/// Everything that the control plane holds while it runs.
#[derive(Debug)]
pub struct Desk {
    ledger: Arc<Ledger>,
    seal: Seal,
    /// Where exchanges come in that are still to be counted.
    reports: Mutex<Option<mpsc::Receiver<ExchangeReport>>>,
    parity: Parity,
    samples: Shelf,
    windows: Windows,
    hour: Hour,
    rollouts: Engine,
    externals: Externals,
    last_reload: Mutex<Reload>,
    /// What somebody should set otherwise in the store.
    cautions: Mutex<Vec<Caution>>,
    namesake: Namesake,
    /// Commands wait here for their turn, first come, first served. A rollback does not.
    queue: Arc<Semaphore>,
    started_at: Timestamp,
    started: Instant,
}

impl Desk {
    pub(crate) fn new(ledger: impl Into<Arc<Ledger>>, seal: Seal, started_at: Timestamp) -> Self {
        Self {
            ledger: ledger.into(),
            seal,
            reports: Mutex::default(),
            parity: Parity::default(),
            samples: Shelf::default(),
            windows: Windows::default(),
            hour: Hour::default(),
            rollouts: Engine::default(),
            externals: Externals::default(),
            last_reload: Mutex::new(Reload { at: started_at, error: None }),
            cautions: Mutex::default(),
            namesake: Namesake::default(),
            queue: Arc::new(Semaphore::new(1)),
            started_at,
            started: Instant::now(),
        }
    }

    /// The desired state and what serves.
    #[must_use]
    pub const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// What this node signs with.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// How alike the arms' answers are, those included that have just come in.
    #[must_use]
    pub fn parity(&self) -> &Parity {
        self.catch_up();
        &self.parity
    }

    /// Values of differences, of routes that opted in.
    #[must_use]
    pub fn samples(&self) -> &Shelf {
        self.catch_up();
        &self.samples
    }

    /// From now on exchanges come in here.
    pub(crate) fn listen(&self, reports: mpsc::Receiver<ExchangeReport>) {
        *self.reports.lock().unwrap_or_else(PoisonError::into_inner) = Some(reports);
    }

    /// Counts the exchanges that have come in. Who looks at what came of them need not ask for it.
    pub(crate) fn catch_up(&self) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reports) = &mut *reports else { return };
        // What comes in meanwhile is for the next time: under load there is always more.
        for _ in 0..reports.len() {
            let Ok(report) = reports.try_recv() else { return };
            self.count(&report);
        }
    }

    /// Counts an exchange, and keeps what of its values may be kept.
    pub fn count(&self, report: &ExchangeReport) {
        // Who sees a signature finds its samples.
        if report.samples.is_some() {
            let present = self.ledger.present();
            self.samples.keep(report, present.compiled.sample_key.as_ref());
        }
        self.parity.take(report);
    }

    /// How the arms do.
    #[must_use]
    pub const fn windows(&self) -> &Windows {
        &self.windows
    }

    /// How much traffic there was.
    #[must_use]
    pub const fn hour(&self) -> &Hour {
        &self.hour
    }

    /// How rollouts stand.
    #[must_use]
    pub const fn rollouts(&self) -> &Engine {
        &self.rollouts
    }

    /// What there is for other systems.
    pub(crate) const fn externals(&self) -> &Externals {
        &self.externals
    }

    /// When the process started.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// How the configuration file was when it was last read.
    #[must_use]
    pub fn last_reload(&self) -> Reload {
        self.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What somebody should set otherwise in the store, for acknowledged commands to be safe; as far as it is known.
    #[must_use]
    pub fn cautions(&self) -> Vec<Caution> {
        self.cautions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether another process goes by this node's name.
    pub(crate) const fn namesake(&self) -> &Namesake {
        &self.namesake
    }

    /// Asks the store how safe acknowledged commands are, and says so in the log. Blocks on the store.
    pub(crate) fn look_at_store(&self) -> Result<(), StoreError> {
        let found = self.ledger.store().cautions()?;
        for caution in &found {
            tracing::warn!(%caution, "acknowledged commands are not as safe as they could be");
        }
        *self.cautions.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    /// Carries out a command when its turn has come; a rollback overtakes all that wait. (INV-10)
    ///
    /// The command goes on when the asker goes away: it is never stored but not served.
    ///
    /// # Errors
    /// See [`Ledger::execute`].
    pub async fn command(self: &Arc<Self>, order: Order) -> Result<Done, Declined> {
        let turn = match order.command {
            Command::Rollback { .. } => None,
            _ => self.turn().await,
        };
        self.apart(move |desk| {
            let _turn = turn;
            desk.ledger.execute(&order, Timestamp::now())
        })
        .await?
    }

    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed; without a turn the ledger's own lock still keeps commands apart.
        Arc::clone(&self.queue).acquire_owned().await.ok()
    }

    /// Runs a command's work on a thread of its own: however much there is to read, no rollback waits for a thread.
    pub(crate) async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (desk, (answer, answered)) = (Arc::clone(self), oneshot::channel());
        let thread = std::thread::Builder::new().name("turnout-command".to_owned());
        let started = thread.spawn(move || {
            let worked = work(&desk);
            // Whoever has the answer may rely on it that nothing here holds the store any more.
            drop(desk);
            answer.send(worked).ok();
        });
        started.map_err(|error| StoreError::Failed(Box::new(error)))?;
        answered.await.map_err(|error| StoreError::Failed(Box::new(error)))
    }

    /// Runs what waits for the store, or takes long, where that holds up nobody.
    pub(crate) async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let desk = Arc::clone(self);
        let joined = tokio::task::spawn_blocking(move || work(&desk)).await;
        joined.map_err(|error| StoreError::Failed(Box::new(error)))
    }

    /// Takes what the configuration file holds now. Where that cannot be, the last good configuration serves on.
    ///
    /// Says whether there is nothing to try again: a file that is wrong stays wrong, a store may come back.
    pub fn reload(&self, content: Content, why: &str) -> bool {
        self.settle(self.try_reload(content, why))
    }

    /// Reads the configuration in force once more, because what it refers to changed. Says whether that is settled, as
    /// [`Desk::reload`] does.
    pub(crate) fn refresh(&self, why: &str) -> bool {
        let in_force = self.ledger.present().desired.configuration.clone();
        let read = self.ledger.file().read(&in_force.text).map_err(Rejected::Invalid);
        self.settle(read.and_then(|document| {
            self.take(Configuration { document: Arc::new(document), ..in_force }, why)
        }))
    }

    fn settle(&self, taken: Result<(), Rejected>) -> bool {
        let (detail, problems, settled) = match taken {
            Ok(()) => {
                self.note_reload(None);
                return true;
            }
            Err(Rejected::Unreadable(detail)) => (detail, Vec::new(), true),
            Err(Rejected::Invalid(problems)) => {
                (problems.to_string(), problems.iter().cloned().collect(), true)
            }
            Err(Rejected::Declined(declined)) => (declined.to_string(), Vec::new(), false),
        };
        self.reload_failed(detail, problems);
        settled
    }

    fn try_reload(&self, content: Content, why: &str) -> Result<(), Rejected> {
        let now = Timestamp::now();
        let text = content.map_err(Rejected::Unreadable)?;
        let given = self.ledger.configuration(text, now).map_err(Rejected::Invalid)?;
        self.take(Configuration { from_file: true, ..given }, why)
    }

    fn take(&self, configuration: Configuration, why: &str) -> Result<(), Rejected> {
        let order = Order::by_process(Command::Apply(configuration), "turnout", why);
        match self.ledger.execute(&order, Timestamp::now()) {
            Ok(done) => {
                for warning in done.warnings {
                    tracing::warn!(warning, "the configuration file was taken with a warning");
                }
                Ok(())
            }
            Err(Declined::Invalid(problems)) => Err(Rejected::Invalid(problems)),
            Err(declined) => Err(Rejected::Declined(declined)),
        }
    }

    /// Looks at the rollouts, and carries out what comes of it, as if people had asked for it.
    pub(crate) async fn look_at_rollouts(self: &Arc<Self>) -> Result<(), StoreError> {
        let looked = self
            .blocking(|desk| desk.rollouts.look(&desk.ledger, desk.parity(), Timestamp::now()))
            .await;
        for order in looked?? {
            let command = order.command.name();
            match self.command(order).await {
                // Somebody was faster, or the store fails: the next look decides anew.
                Err(declined) => {
                    let error = &declined as &dyn std::error::Error;
                    tracing::warn!(error, command, "a rollout's command was declined");
                }
                Ok(done) => tracing::info!(revision = done.revision.0, command, "a rollout moves"),
            }
        }
        Ok(())
    }

    fn reload_failed(&self, detail: String, problems: Vec<Problem>) {
        tracing::error!(
            file = %self.ledger.file().path().display(),
            problems = detail,
            "the configuration file cannot be taken; the last good configuration serves on"
        );
        self.note_reload(Some(detail.clone()));
        let revision = self.ledger.present().revision();
        self.ledger.events().tell(revision, Event::ReloadFailed { detail, problems });
    }

    fn note_reload(&self, error: Option<String>) {
        let reload = Reload { at: Timestamp::now(), error };
        *self.last_reload.lock().unwrap_or_else(PoisonError::into_inner) = reload;
    }

    /// Looks at what the arms have done since the last look, and forgets what is known of routes that are gone.
    pub(crate) fn look(&self) {
        let present = self.ledger.present();
        let routes = present.compiled.snapshot.table.routes();
        let elapsed = self.started.elapsed();
        self.windows.look(routes, elapsed);
        self.hour.look(routes, elapsed);
        let now = Timestamp::now().as_millisecond();
        self.parity().look(routes, &present.desired.live.routes, now);
        self.samples.look(routes, now);
    }
}

/// Why the file was not taken.
enum Rejected {
    Unreadable(String),
    Invalid(Problems),
    Declined(Declined),
}

#[cfg(test)]
mod tests;
