//! Who is measured, and how is each configured and started? The configurations are in `loadtest/peers/`, for everybody to
//! read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::outcome::Result;
use crate::template::Filling;

/// A proxy that can be put before an origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The yardstick: `loadtest/examples/bare_pingora.rs`.
    Bare,
    Turnout,
    /// The same build of Turnout without its byte gate (`make bench-gate`).
    Ungated,
    Nginx,
    Haproxy,
    Envoy,
    Caddy,
}

/// What a proxy has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Everything to one origin.
    Pass,
    /// A share of the tenants on the new service, and some by name.
    Canary,
    /// Copies to the new service.
    Shadow,
    /// Everything to one origin, from clients with TLS.
    Tls,
}

/// A file of a configuration: its name in the peer's folder, and what it is made of.
type Template = (&'static str, &'static str);

/// Where the programs are; those of the system are looked for in `PATH`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Programs {
    /// The bare Pingora, built from examples/bare_pingora.rs.
    #[arg(long, value_name = "FILE", default_value = "target/release/examples/bare_pingora")]
    bare: PathBuf,
    /// The `turnout` to measure.
    #[arg(long, value_name = "FILE", default_value = "target/release/turnout")]
    pub(crate) turnout: PathBuf,
    /// The same built with `--features ungated`.
    #[arg(long, value_name = "FILE", default_value = "target/release/turnout-ungated")]
    ungated: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "nginx")]
    nginx: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "haproxy")]
    haproxy: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "target/tools/envoy/bin/envoy")]
    envoy: PathBuf,
    #[arg(long, value_name = "FILE", default_value = "caddy")]
    caddy: PathBuf,
    /// Only these, of: bare, turnout, nginx, haproxy, envoy, caddy. Ratios are then to the first of them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
}

impl Programs {
    fn of(&self, peer: Peer) -> &Path {
        match peer {
            Peer::Bare => &self.bare,
            Peer::Turnout => &self.turnout,
            Peer::Ungated => &self.ungated,
            Peer::Nginx => &self.nginx,
            Peer::Haproxy => &self.haproxy,
            Peer::Envoy => &self.envoy,
            Peer::Caddy => &self.caddy,
        }
    }

    /// The same, with what was built here put into this folder, as it would be installed. What a linker has just written lies
    /// in the page cache in small pieces: with the same code it takes about a twentieth more CPU time than a copy.
    ///
    /// # Errors
    /// When one cannot be copied.
    pub(crate) fn installed(mut self, folder: &Path) -> io::Result<Self> {
        for program in [&mut self.bare, &mut self.turnout, &mut self.ungated] {
            let Some(name) = program.file_name() else { continue };
            let installed = folder.join(name);
            // What is not there is said when it is to be started.
            if program.exists() {
                fs::copy(&*program, &installed)?;
                *program = installed;
            }
        }
        Ok(self)
    }

    /// Those among some that this run is about.
    pub(crate) fn chosen(&self, peers: &[Peer]) -> Vec<Peer> {
        let chosen = |peer: &Peer| {
            self.only.is_empty() || self.only.iter().any(|name| peer.key() == name.as_str())
        };
        peers.iter().filter(|peer| chosen(peer)).copied().collect()
    }
}

impl Peer {
    /// As people write it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare Pingora",
            Self::Turnout => "Turnout",
            Self::Ungated => "Turnout without its gate",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Caddy => "Caddy",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Turnout | Self::Ungated => "turnout",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "envoy",
            Self::Caddy => "caddy",
        }
    }

    /// The files of its configuration for a job, the main one first; none where it has no files, or cannot do that.
    pub(crate) const fn files(self, job: Job) -> &'static [Template] {
        match self {
            Self::Bare => &[],
            Self::Turnout | Self::Ungated => match job {
                Job::Pass => &[("turnout.yaml", include_str!("../../peers/turnout/pass.yaml"))],
                Job::Canary => &[("turnout.yaml", include_str!("../../peers/turnout/canary.yaml"))],
                Job::Shadow => &[("turnout.yaml", include_str!("../../peers/turnout/shadow.yaml"))],
                Job::Tls => &[("turnout.yaml", include_str!("../../peers/turnout/tls.yaml"))],
            },
            Self::Nginx => match job {
                Job::Pass => &[("nginx.conf", include_str!("../../peers/nginx/pass.conf"))],
                Job::Canary => &[("nginx.conf", include_str!("../../peers/nginx/canary.conf"))],
                Job::Shadow => &[("nginx.conf", include_str!("../../peers/nginx/shadow.conf"))],
                Job::Tls => &[("nginx.conf", include_str!("../../peers/nginx/tls.conf"))],
            },
            Self::Haproxy => match job {
                Job::Pass => &[("haproxy.cfg", include_str!("../../peers/haproxy/pass.cfg"))],
                Job::Canary => &[
                    ("haproxy.cfg", include_str!("../../peers/haproxy/canary.cfg")),
                    ("routes.lst", include_str!("../../peers/haproxy/routes.lst")),
                    ("tenants.map", include_str!("../../peers/haproxy/tenants.map")),
                ],
                Job::Shadow => &[],
                Job::Tls => &[("haproxy.cfg", include_str!("../../peers/haproxy/tls.cfg"))],
            },
            Self::Envoy => match job {
                Job::Pass => &[("envoy.yaml", include_str!("../../peers/envoy/pass.yaml"))],
                Job::Canary => &[("envoy.yaml", include_str!("../../peers/envoy/canary.yaml"))],
                Job::Shadow => &[("envoy.yaml", include_str!("../../peers/envoy/shadow.yaml"))],
                Job::Tls => &[("envoy.yaml", include_str!("../../peers/envoy/tls.yaml"))],
            },
            Self::Caddy => match job {
                Job::Pass => &[("caddyfile", include_str!("../../peers/caddy/pass.caddyfile"))],
                Job::Canary => &[("caddyfile", include_str!("../../peers/caddy/canary.caddyfile"))],
                Job::Shadow => &[],
                Job::Tls => &[("caddyfile", include_str!("../../peers/caddy/tls.caddyfile"))],
            },
        }
    }

    /// Writes its files for a job into a folder, and tells which one to start it with.
    pub(crate) fn write(self, job: Job, filling: &Filling, folder: &Path) -> Result<PathBuf> {
        for (name, template) in self.files(job) {
            let text = filling.fill(template).map_err(|why| format!("{name}: {why}"))?;
            fs::write(folder.join(name), text)?;
        }
        let (main, _) = self.files(job).first().ok_or("it cannot do that")?;
        Ok(folder.join(main))
    }

    /// What serves, in the foreground, with one worker thread and one process.
    pub(crate) fn serve(self, programs: &Programs, folder: &Path, file: &Path) -> Command {
        let mut command = Command::new(programs.of(self));
        match self {
            Self::Bare => {}
            Self::Turnout | Self::Ungated => {
                command.args(["serve", "--config"]).arg(file).env("RUST_LOG", "warn");
            }
            Self::Nginx => {
                command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
            }
            Self::Haproxy => {
                command.args(["-db", "-f"]).arg(file);
            }
            Self::Envoy => {
                command.arg("-c").arg(file);
                command.args(["--concurrency", "1", "--log-level", "error"]);
                command.arg("--disable-hot-restart");
            }
            Self::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                // Where it would keep certificates of its own.
                command.env("HOME", folder).env("XDG_DATA_HOME", folder);
                command.env("GOMAXPROCS", "1");
            }
        }
        command
    }

    /// What says whether a configuration is good, without serving; `None` where only serving tells.
    #[cfg(test)]
    fn check(self, folder: &Path, file: &Path) -> Option<Command> {
        let mut command = Command::new(match self {
            Self::Bare | Self::Turnout | Self::Ungated => return None,
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Envoy => "../target/tools/envoy/bin/envoy",
            Self::Caddy => "caddy",
        });
        match self {
            Self::Nginx => command.arg("-t").arg("-p").arg(folder).args(["-e", "stderr", "-c"]),
            Self::Haproxy => command.args(["-c", "-f"]),
            Self::Envoy => command.args(["--mode", "validate", "--log-level", "error", "-c"]),
            _ => command.args(["validate", "--adapter", "caddyfile", "--config"]),
        };
        command.arg(file).env("HOME", folder).env("XDG_DATA_HOME", folder);
        Some(command)
    }

    /// The version that it says it has; empty where it says none.
    pub(crate) fn version(self, programs: &Programs) -> Option<String> {
        let flag = match self {
            Self::Bare => return Some("0.9.1".to_owned()),
            Self::Turnout | Self::Ungated | Self::Envoy => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Caddy => "version",
        };
        let output = Command::new(programs.of(self)).arg(flag).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let digits = said.split(|c: char| c.is_whitespace() || c == '/').find(|word| {
            let word = word.trim_start_matches('v');
            word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.')
        })?;
        Some(digits.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::certificate::Certificate;
    use crate::scenario::canary;

    /// What the peers' own programs think of all their configurations. A program that is not there says nothing.
    #[test]
    fn every_configuration_is_good_where_its_program_is_there() {
        let certificate = Certificate::make().unwrap();
        for peer in [Peer::Nginx, Peer::Haproxy, Peer::Envoy, Peer::Caddy] {
            for job in [Job::Pass, Job::Canary, Job::Shadow, Job::Tls] {
                if peer.files(job).is_empty() {
                    continue;
                }
                let folder = tempfile::tempdir().unwrap();
                let mut filling = certificate.fill(canary::filling(3, 40));
                for (port, name) in (1..).zip(["LISTEN", "ADMIN", "STABLE", "CANDIDATE"]) {
                    filling = filling.address(name, ([127, 0, 0, 1], port).into());
                }
                filling = filling.value("FOLDER", folder.path().to_string_lossy());
                let file = peer.write(job, &filling.value("SHARE", "10"), folder.path()).unwrap();
                let mut check = peer.check(folder.path(), &file).unwrap();
                let output = match check.output() {
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    output => output.unwrap(),
                };
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{} for {job:?}: {said}", peer.name());
            }
        }
    }
}
