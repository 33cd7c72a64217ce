//! The story: from all on the old service to all on the new one, step by step.

use anyhow::Context as _;
use loadtest::load::{Call, ask};
use loadtest::messaging::TENANTS;

use super::clients::Clients;
use super::control::{Done, ROUTE, Signature};
use super::observe::{Missing, Scene, Sight, wanted};
use super::screen::{parity, pictured};
use super::server;

/// How many steps there are, those of [`super::rollback`] included.
pub(super) const STEPS: u64 = 11;

/// How many requests or comparisons make a figure worth looking at.
const ENOUGH: u64 = 250;
/// How many requests a canary's split is judged by.
const ENOUGH_FOR_A_SPLIT: u64 = 500;

impl Scene<'_> {
    /// Walks from the first look to all traffic on the new service.
    pub(super) async fn migrate(&mut self, folder: &std::path::Path) -> anyhow::Result<()> {
        self.both_path_families().await?;
        self.shadow().await?;
        self.signatures().await?;
        self.rules(folder).await?;
        self.correction().await?;
        self.canary("5%", 0.05, "Let the new service serve 5% of the tenants").await?;
        self.canary("25%", 0.25, "25%: more tenants, and whoever was moved stays moved").await?;
        self.canary("50%", 0.5, "50%: enough on both sides to compare their latency").await?;
        self.canary("100%", 1.0, "100%: the new service serves everybody").await
    }

    async fn both_path_families(&mut self) -> anyhow::Result<()> {
        self.step("Two path families, one route; the old service serves everything");
        self.screen.command(&format!("turnout status {ROUTE}"));
        self.begin().await?;
        let sight = self
            .until(|sight| {
                let Sight { clients, .. } = sight;
                wanted(clients.ended() >= ENOUGH, || "too few requests were answered".to_owned())?;
                wanted(clients.by_alias > 0 && clients.by_canonical > 0, || {
                    "not both path families were asked for".to_owned()
                })?;
                all_well(sight)?;
                wanted(clients.new.answers == 0, || "the new service served clients".to_owned())
            })
            .await?;
        self.screen.tell(&pictured(&sight.clients));
        let call = Call::get("/v1/messaging/unread").with_header("x-tenant-id", "clinic-007");
        let answer = ask(self.server.proxy, call, std::time::Duration::from_secs(5)).await;
        match (answer.header("deprecation"), answer.header("sunset"), answer.header("link")) {
            (Some(_), Some(sunset), Some(link)) => {
                self.screen.tell(&format!("/v1/messaging answers, with Sunset: {sunset}"));
                self.screen.tell(&format!("and Link: {link}"));
                Ok(())
            }
            _ => Err(self
                .unshown(format!("the alias is not announced as deprecated: {:?}", answer.headers))
                .into()),
        }
    }

    async fn shadow(&mut self) -> anyhow::Result<()> {
        self.step("Copy every read to the new service; its answers reach nobody");
        let why = "how alike are they?";
        self.screen.command(&format!("turnout shadow {ROUTE} 100% --why \"{why}\""));
        self.begin().await?;
        let done = self.control.shadow("100%", why).await?;
        self.told(&done);
        self.tally.begin();
        let sight = self
            .until(|sight| {
                all_well(sight)?;
                wanted(sight.clients.new.answers == 0, || "a copy's answer got out".to_owned())?;
                wanted(sight.parity.compared >= ENOUGH, || {
                    format!("only {} answers were compared", sight.parity.compared)
                })?;
                wanted(sight.parity.mismatched > 0, || "no mismatch was found".to_owned())
            })
            .await?;
        self.screen.tell(&pictured(&sight.clients));
        self.screen.tell(&parity(sight.parity));
        Ok(())
    }

    async fn signatures(&mut self) -> anyhow::Result<()> {
        self.step("Look at the differences: few kinds, however many answers");
        self.screen.command(&format!("turnout signatures {ROUTE}"));
        let mut signatures = self.control.signatures().await?;
        signatures.sort_by_key(|signature| std::cmp::Reverse(signature.count));
        for Signature { location, path, kind, relation, count } in &signatures {
            let hint = relation.as_deref().unwrap_or("");
            let line = format!("{count:>5} x  {location} {path:<28} {kind:<8} {hint}");
            self.screen.tell(line.trim_end());
        }
        let shown = |wanted: &str| signatures.iter().any(|found| found.path.ends_with(wanted));
        for wanted in ["/generatedAt", "/sender", "/participants"] {
            if !shown(wanted) {
                let missing = format!("no difference at {wanted}, only {signatures:?}");
                return Err(self.unshown(missing).into());
            }
        }
        Ok(())
    }

    async fn rules(&mut self, folder: &std::path::Path) -> anyhow::Result<()> {
        self.step("A timestamp and the order of lists are noise: say so in turnout.yaml");
        for line in server::rules() {
            self.screen.tell(&format!("+ {line}"));
        }
        self.screen.command("turnout apply -f turnout.yaml");
        let text = server::with_rules();
        let done = self.control.apply(text.clone()).await?;
        // The same text once more, where people would have edited it: it changes nothing on the server.
        std::fs::write(server::config(folder), text).context("cannot write the configuration")?;
        self.told(&done);
        let left = self.differences_left().await?;
        self.screen.tell(&format!("what is left is real: {}", left.join(", ")));
        Ok(())
    }

    /// Waits for comparisons among which the only differences are those of the renamed member.
    async fn differences_left(&mut self) -> anyhow::Result<Vec<String>> {
        // A comparison that was under way during the change may still be by the old rules: then look again.
        for _ in 0..5 {
            let before = self.control.signatures().await?;
            self.begin().await?;
            self.until(|sight| {
                all_well(sight)?;
                wanted(sight.parity.compared >= ENOUGH && sight.parity.mismatched > 0, || {
                    format!("{} answers compared, no real difference", sight.parity.compared)
                })
            })
            .await?;
            let grown = grown(&before, &self.control.signatures().await?);
            if grown.iter().all(|path| path.ends_with("/sender") || path.ends_with("/author")) {
                return Ok(grown);
            }
        }
        Err(self.unshown("noise is still counted as a difference".to_owned()).into())
    }

    async fn correction(&mut self) -> anyhow::Result<()> {
        self.step("A member was renamed by mistake: the new service ships a correction");
        self.messaging.correct_rename();
        for _ in 0..5 {
            self.begin().await?;
            let sight = self
                .until(|sight| {
                    all_well(sight)?;
                    wanted(sight.parity.compared >= ENOUGH, || "too few comparisons".to_owned())
                })
                .await?;
            if sight.parity.mismatched == 0 {
                self.screen.tell(&parity(sight.parity));
                return Ok(());
            }
        }
        Err(self.unshown("answers still differ".to_owned()).into())
    }

    async fn canary(
        &mut self,
        share: &str,
        expected: f64,
        title: &'static str,
    ) -> anyhow::Result<()> {
        self.step(title);
        let why = "no difference found";
        self.screen.command(&format!("turnout shift {ROUTE} {share} --why \"{why}\""));
        let done = self.control.shift(share, why).await?;
        self.begin().await?;
        self.told(&done);
        let stage = if expected < 1.0 { "canary" } else { "live" };
        let sight = self
            .until(|sight| {
                all_well(sight)?;
                wanted(sight.route.stage == stage, || format!("the stage is not {stage}"))?;
                wanted(sight.clients.ended() >= ENOUGH_FOR_A_SPLIT, || {
                    "too few requests were answered".to_owned()
                })?;
                let (seen, tolerance) = (sight.clients.new_share(), tolerance(sight, expected));
                wanted((seen - expected).abs() <= tolerance, || {
                    format!("the new service serves {:.1}%", seen * 100.0)
                })
            })
            .await?;
        self.screen.tell(&pictured(&sight.clients));
        self.nobody_moved_back(&sight.clients)?;
        if share == "50%" { self.latency(&sight.clients) } else { Ok(()) }
    }

    /// Raising a share only adds tenants.
    fn nobody_moved_back(&mut self, clients: &Clients) -> anyhow::Result<()> {
        let back: Vec<&String> = self.moved.intersection(&clients.old.tenants).collect();
        wanted(back.is_empty(), || format!("tenants moved back: {back:?}"))
            .map_err(|missing| self.unshown(missing))?;
        let before = self.moved.len();
        self.moved.extend(clients.new.tenants.iter().cloned());
        let moved = self.moved.len();
        self.screen.tell(&match before {
            0 => format!("{moved} tenants seen on the new service"),
            _ => format!(
                "{moved} tenants seen on the new service, none of the {before} before moved back"
            ),
        });
        Ok(())
    }

    fn latency(&self, clients: &Clients) -> anyhow::Result<()> {
        let slower = clients.new.p95() > clients.old.p95();
        wanted(slower, || "the slow search of the new service does not show".to_owned())
            .map_err(|missing| self.unshown(missing))?;
        self.screen.tell(
            "the new service's search is slow, which its p95 shows; this demo goes on all the same",
        );
        Ok(())
    }

    /// Says what a command came to.
    pub(super) fn told(&self, done: &Done) {
        self.screen.tell(&format!("r{}  {}", done.revision, done.summary));
    }
}

/// No client saw an error.
pub(super) fn all_well(sight: &Sight) -> Missing {
    wanted(sight.clients.errors == 0, || {
        format!("clients saw {} errors of {}", sight.clients.errors, sight.clients.ended())
    })
}

/// Three standard deviations of a share of tenants, as seen through a sample of their requests.
#[expect(clippy::cast_precision_loss, reason = "counts of one demo")]
fn tolerance(sight: &Sight, expected: f64) -> f64 {
    let picks = 1.0 / TENANTS as f64 + 1.0 / sight.clients.answered().max(1) as f64;
    3.0 * (expected * (1.0 - expected) * picks).sqrt()
}

/// Where differences were found between two looks.
fn grown(before: &[Signature], after: &[Signature]) -> Vec<String> {
    let counted = |signature: &Signature| {
        let same = |known: &&Signature| {
            known.path == signature.path
                && known.kind == signature.kind
                && known.location == signature.location
        };
        before.iter().filter(same).map(|known| known.count).sum::<u64>()
    };
    let new = after.iter().filter(|signature| signature.count > counted(signature));
    let mut paths: Vec<String> = new.map(|signature| signature.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}
