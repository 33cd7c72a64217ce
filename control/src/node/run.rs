//! How does a node run? Serves the API, the status listener and services, watches the file, takes reports, looks at the SLIs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use config::causes;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use rules::exchange::ExchangeReport;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::Node;
use super::doors::{Doors, Listeners, doors};
use super::serve::{Bounds, serve};
use crate::api::{self, Site};
use crate::desk::Desk;
use crate::events::Event;
use crate::external;
use crate::file::Changes;
use crate::fleet;
use crate::meters;
use crate::phase::{Phase, over, stopped};
use crate::referred::Seen;

/// How often rates are taken.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long after a failure of the store the file is taken again; the pause doubles.
const RELOAD_AGAIN: Duration = Duration::from_secs(1);
const RELOAD_AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// How often the fleet's store is asked for what is new: where nothing is heard, all nodes serve it within a second.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// How long comparison results wait at most: this is not woken for each of them.
const CATCH_UP_EVERY: Duration = Duration::from_millis(50);
/// How often the fleet is told how alike answers were here: a window of ten seconds each.
const TELL_PARITY_EVERY: Duration = Duration::from_secs(10);
/// How often it is tried to store what the store did not take.
const STORE_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// How often it is said that the control API is open to everybody, or that the store is not as safe as it could be.
const WARN_EVERY: Duration = Duration::from_secs(3_600);
/// How long answers may still take when the process stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the binary hands over.
#[derive(Debug)]
pub struct Links {
    /// What came of shadowed exchanges.
    pub reports: mpsc::Receiver<ExchangeReport>,
    /// Where the process is in its life. [`Phase::Stopped`] ends the run.
    pub phase: watch::Receiver<Phase>,
    /// The proxy's metrics, told together with control's own.
    pub metrics: Registry,
    /// Asks for the configuration file to be read now (SIGHUP).
    pub reload: mpsc::Receiver<()>,
}

impl Node {
    /// Serves until the phase is [`Phase::Stopped`], or nobody can say any more.
    pub async fn serve(self, listeners: Listeners, links: Links) {
        let Links { reports, phase, metrics, reload } = links;
        let Self { desk, seen, .. } = self;
        let site = Arc::new(Site::new(
            Arc::clone(&desk),
            phase.clone(),
            vec![metrics, meters::registry(&desk)],
        ));
        let mut servers = JoinSet::new();
        let control = api::control(Arc::clone(&site));
        let status = api::status(site);
        let meters = || Arc::clone(desk.ledger().meters());
        let (to_control, to_status) = (Bounds::CONTROL, Bounds::STATUS);
        let Doors { operators, probes, services } = doors(&desk, listeners);
        servers.spawn(serve(operators, control, phase.clone(), to_control, meters()));
        servers.spawn(serve(probes, status, phase.clone(), to_status, meters()));
        if let Some(services) = services {
            // A site of its own: services take no place and no patience from operators.
            let site = Site::new(Arc::clone(&desk), phase.clone(), Vec::new());
            let flags = api::services(Arc::new(site));
            servers.spawn(serve(services, flags, phase.clone(), Bounds::SERVICES, meters()));
        }
        let mut chores = JoinSet::new();
        chores.spawn(watch_file(Arc::clone(&desk), seen, reload, phase.clone()));
        desk.listen(reports);
        chores.spawn(catch_up(Arc::clone(&desk), phase.clone()));
        chores.spawn(look(Arc::clone(&desk), phase.clone()));
        chores.spawn(look_at_rollouts(Arc::clone(&desk), phase.clone()));
        chores.spawn(external::ask(Arc::clone(&desk), phase.clone()));
        chores.spawn(external::tell(Arc::clone(&desk), phase.clone()));
        chores.spawn(store_unstored(Arc::clone(&desk), phase.clone()));
        chores.spawn(follow(Arc::clone(&desk), phase.clone()));
        chores.spawn(tell_parity(Arc::clone(&desk), phase.clone()));
        chores.spawn(warn_of_open_doors(Arc::clone(&desk), phase.clone()));
        chores.spawn(look_at_store(Arc::clone(&desk), phase.clone()));
        chores.spawn(tell_phases(Arc::clone(&desk), phase.clone()));
        stopped(phase).await;
        // What blocks is waited for, too: afterwards nothing here holds the store any more.
        let ended = async {
            while servers.join_next().await.is_some() {}
            while chores.join_next().await.is_some() {}
        };
        if tokio::time::timeout(FAREWELL, ended).await.is_err() {
            tracing::debug!("connections to the control API were cut off");
        }
        chores.shutdown().await;
        servers.shutdown().await;
        try_to_store(&desk).await;
        leave_fleet(&desk).await;
    }
}

/// Nobody is to wait for what a node tells that ends. Another process of the same node goes on telling.
async fn leave_fleet(desk: &Arc<Desk>) {
    let ledger = desk.ledger();
    if !ledger.store().is_shared() || ledger.is_handed_over() {
        return;
    }
    let left = desk.apart(|desk| fleet::leave(desk.ledger())).await;
    if let Ok(Err(error)) | Err(error) = left {
        tracing::debug!(error = &error as &dyn std::error::Error, "the fleet could not be told");
    }
}

async fn tell_phases(desk: Arc<Desk>, mut phase: watch::Receiver<Phase>) {
    let mut now = *phase.borrow();
    while now != Phase::Stopped && phase.changed().await.is_ok() {
        now = *phase.borrow_and_update();
        desk.ledger().events().tell(desk.ledger().present().revision(), Event::Phase(now));
    }
}

/// Counts exchanges that nobody looks at in the meantime.
async fn catch_up(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            () = tokio::time::sleep(CATCH_UP_EVERY) => {}
        }
        desk.catch_up();
    }
}

async fn look(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = desk.blocking(Desk::look).await {
            tracing::error!(%error, "the counts could not be taken");
        }
    }
}

/// Keeps up with the other nodes: asks twice a second, and at once where something is heard of them.
async fn follow(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let store = desk.ledger().store();
    let hints = store.hints().filter(|_| store.is_shared());
    let Some(hints) = hints else { return };
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => break,
            () = hints.notified() => {}
            () = tokio::time::sleep(FOLLOW_EVERY) => {}
        }
        let followed = desk.apart(|desk| {
            let followed = desk.ledger().follow();
            let told = followed.is_ok().then(|| fleet::report(desk, Timestamp::now()));
            if let Some(Err(error)) = told {
                tracing::debug!(error = causes(&error), "the fleet could not be told");
            }
            if let Err(error) = desk.ledger().keep_last_good() {
                tracing::error!(%error, "the last good revision could not be kept");
            }
            followed
        });
        if let Ok(Err(error)) = followed.await {
            tracing::debug!(error = causes(&error), "nothing is followed");
        }
    }
}

/// Tells the other nodes how alike answers were here.
async fn tell_parity(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    if !desk.ledger().store().is_shared() {
        return;
    }
    loop {
        tokio::select! {
            () = over(phase.clone()) => return,
            () = tokio::time::sleep(TELL_PARITY_EVERY) => {}
        }
        let told = desk.apart(|desk| {
            let (ledger, now) = (desk.ledger(), Timestamp::now().as_millisecond());
            let document = &ledger.present().desired.configuration.document;
            fleet::tell_parity(ledger, &desk.parity().text(document, now))
        });
        if let Ok(Err(error)) = told.await {
            tracing::debug!(error = causes(&error), "the fleet could not be told of parity");
        }
    }
}

/// Looks at the rollouts, once a second.
async fn look_at_rollouts(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            _ = ticks.tick() => {}
        }
        // Before it serves, and once another process does, nothing moves by itself.
        if *phase.borrow() != Phase::Serving {
            continue;
        }
        if let Err(error) = desk.look_at_rollouts().await {
            let error = causes(&error);
            tracing::warn!(error, "rollouts stay where they are: the store does not serve");
        }
    }
}

/// Tries again to store what the store did not take, once a second.
async fn store_unstored(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut ticks = tokio::time::interval(STORE_AGAIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = over(phase.clone()) => return,
            _ = ticks.tick() => {}
        }
        try_to_store(&desk).await;
    }
}

/// Says each hour that whoever reaches the control API can move traffic, as long as that is so.
async fn warn_of_open_doors(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    let mut hours = tokio::time::interval(WARN_EVERY);
    loop {
        tokio::select! {
            () = stopped(phase.clone()) => return,
            _ = hours.tick() => {}
        }
        if desk.ledger().is_insecure() {
            tracing::warn!("insecure_control: whoever reaches the control API can move traffic");
        }
    }
}

/// Looks each hour how safe acknowledged commands are, and until that is known more often.
async fn look_at_store(desk: Arc<Desk>, phase: watch::Receiver<Phase>) {
    loop {
        let looked = desk.apart(Desk::look_at_store).await;
        let pause = match looked {
            Ok(Ok(())) => WARN_EVERY,
            Ok(Err(_)) | Err(_) => STORE_AGAIN_EVERY,
        };
        tokio::select! {
            () = stopped(phase.clone()) => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn try_to_store(desk: &Arc<Desk>) {
    let ledger = desk.ledger();
    if ledger.held().is_some() {
        return;
    }
    let tried = if ledger.is_without_store() {
        desk.apart(|desk| desk.ledger().try_to_retake()).await
    } else if ledger.has_unstored() || ledger.has_unrecorded() {
        desk.apart(|desk| desk.ledger().store_unstored()).await
    } else {
        return;
    };
    if let Ok(Err(error)) | Err(error) = tried {
        tracing::debug!(error = causes(&error), "the store still fails");
    }
}

/// Takes the file when it or what it refers to has changed, and at once when asked to.
async fn watch_file(
    desk: Arc<Desk>,
    first: Seen,
    mut asked: mpsc::Receiver<()>,
    phase: watch::Receiver<Phase>,
) {
    let look = || {
        desk.blocking(|desk: &Desk| {
            let content = desk.ledger().file().content();
            Seen::now(content, &desk.ledger().present().desired.configuration.document)
        })
    };
    let mut known = first.content.clone();
    let (started, mut changes) = (Instant::now(), Changes::since(first));
    let (mut can_ask, mut patience) = (true, RELOAD_AGAIN);
    loop {
        let asked = tokio::select! {
            () = over(phase.clone()) => return,
            () = tokio::time::sleep(changes.pause()) => false,
            more = asked.recv(), if can_ask => {
                can_ask = more.is_some();
                can_ask
            }
        };
        let Ok(seen) = look().await else { continue };
        let news = if asked {
            changes = Changes::since(seen.clone());
            Some(seen)
        } else {
            changes.look(seen, started.elapsed())
        };
        let Some(Seen { content, .. }) = news else { continue };
        let same_text = !asked && content == known;
        known.clone_from(&content);
        let taken = desk.apart(move |desk| match (asked, same_text) {
            (true, _) => desk.reload(content, "SIGHUP"),
            (false, false) => desk.reload(content, "the file changed"),
            (false, true) => desk.refresh("a file that it refers to changed"),
        });
        if taken.await.unwrap_or(false) {
            patience = RELOAD_AGAIN;
        } else {
            changes.forget_after(started.elapsed() + patience);
            patience = (patience * 2).min(RELOAD_AGAIN_AT_MOST);
        }
    }
}
