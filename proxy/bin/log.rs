//! What may be logged? Ours as `RUST_LOG` asks; others' only where nobody's data can be in it. (INV-12)

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// What is logged unless `RUST_LOG` says otherwise.
const LOGGED: &str = "info";

/// Crates that know what must not be said.
const OURS: [&str; 6] = ["config", "control", "loadtest", "proxy", "rules", "turnout"];

/// How much others say at most, whatever `RUST_LOG` asks for: below that they log what came in, byte by byte.
const OTHERS: LevelFilter = LevelFilter::WARN;

/// Those who do so even there, and those whom strangers can have say as much as they like; the more exact first.
const TALKATIVE: [(&str, LevelFilter); 5] = [
    // Every connection that does not begin as HTTP/2 should.
    ("pingora_core::apps", LevelFilter::OFF),
    // Values of header fields.
    ("pingora_core", LevelFilter::ERROR),
    // Whole heads that it could not read; what went wrong with a request is in the access log.
    ("pingora_proxy", LevelFilter::OFF),
    // Names that clients ask for.
    ("rustls", LevelFilter::ERROR),
    ("tokio_rustls", LevelFilter::ERROR),
];

/// Logs to standard error: JSON lines, or plain ones where a person looks. Standard output is the access log's.
pub(crate) fn to_stderr() {
    let asked = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    let allowed = filter_fn(|about| *about.level() <= most(about.target()));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        lines.compact().boxed()
    } else {
        lines.json().flatten_event(true).boxed()
    };
    tracing_subscriber::registry().with(asked).with(allowed).with(lines).init();
}

/// How much may be said of a target, which begins with the name of a crate.
fn most(target: &str) -> LevelFilter {
    let crate_name = target.split("::").next().unwrap_or_default();
    if OURS.contains(&crate_name) {
        return LevelFilter::TRACE;
    }
    let is_of = |module: &str| {
        target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let talkative = TALKATIVE.iter().find(|(module, _)| is_of(module));
    talkative.map_or(OTHERS, |(_, most)| *most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_say_only_what_they_may() {
        for (target, expected) in [
            ("turnout", LevelFilter::TRACE),
            ("proxy::gate::stream", LevelFilter::TRACE),
            ("proxying", LevelFilter::WARN),
            ("hyper_util::client::legacy::proxy", LevelFilter::WARN),
            ("pingora_core::protocols::http::v1", LevelFilter::ERROR),
            ("pingora_core::apps", LevelFilter::OFF),
            ("pingora_core::appsettings", LevelFilter::ERROR),
            ("pingora_proxy", LevelFilter::OFF),
            ("", LevelFilter::WARN),
        ] {
            assert_eq!(most(target), expected, "{target}");
        }
    }
}
