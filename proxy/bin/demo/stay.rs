//! What next? The demo stays up, tells what can be tried, and shows live figures until it is interrupted.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, interval};

use super::control::ROUTE;
use super::observe::{LOOK_EVERY, Scene};
use super::screen::split;
use super::server;

/// How long live figures are gathered before they begin anew.
const FIGURES_OVER: Duration = Duration::from_secs(5);

impl Scene<'_> {
    /// Runs on until it is dropped, or until the server ends by itself.
    pub(super) async fn stay(&mut self, folder: &Path) -> anyhow::Result<Infallible> {
        self.messaging.fail(false);
        self.tell_what_to_try(folder);
        let mut looks = interval(LOOK_EVERY);
        let mut begun = Instant::now();
        loop {
            looks.tick().await;
            self.server.check()?;
            self.screen.live(split(&self.tally.clients()));
            if begun.elapsed() >= FIGURES_OVER {
                self.tally.begin();
                begun = Instant::now();
            }
        }
    }

    fn tell_what_to_try(&self, folder: &Path) {
        let binary = std::env::current_exe().unwrap_or_else(|_| "turnout".into());
        let (proxy, control) = (self.server.proxy, self.server.control);
        self.screen.say(
            "\nThe new service is well again, traffic goes on. Ctrl-C ends it all; in another terminal:",
        );
        for line in [
            format!("alias turnout={}; export TURNOUT_SERVER=http://{control}", binary.display()),
            format!("turnout status {ROUTE} -w"),
            format!("turnout shift {ROUTE} 100% --tenant clinic-007 --why \"they asked for it\""),
            format!("curl -i -H 'X-Tenant-Id: clinic-007' http://{proxy}/v1/messaging/threads"),
            "turnout revisions".to_owned(),
            format!("$EDITOR {}   # applied when saved", server::config(folder).display()),
            format!("turnout rollback {ROUTE} --why \"enough\""),
            format!("open http://{control}/openapi.json http://{control}/metrics"),
        ] {
            self.screen.tell(&line);
        }
        self.screen.say("");
    }
}
