//! What is counted of other systems? Requests by what came of them, and messages by whether they arrived.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::silence::Silence;

/// Counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    requests: Family<RequestLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
    queued: Gauge,
}

/// Systems come from the configuration, so that labels stay few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    external: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    external: String,
    outcome: &'static str,
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It arrived.
    Delivered,
    /// It was given up after its last attempt.
    GivenUp,
    /// There was no room for it in the queue.
    Dropped,
}

impl Delivery {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Dropped => "dropped",
        }
    }
}

impl Meters {
    /// Counts a request to another system.
    pub(super) fn asked<T>(&self, external: &str, answered: &Result<T, Silence>) {
        let outcome = answered.as_ref().err().map_or("answered", Silence::as_str);
        let labels = RequestLabels { external: external.to_owned(), outcome };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a message that is queued no more.
    pub(super) fn ended(&self, external: &str, delivery: Delivery) {
        let labels = MessageLabels { external: external.to_owned(), outcome: delivery.as_str() };
        self.messages.get_or_create(&labels).inc();
    }

    /// How many messages wait.
    pub(super) fn set_queued(&self, queued: usize) {
        self.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }

    /// Shows them.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "external_requests",
            "Requests to other systems, by what came of them",
            self.requests.clone(),
        );
        registry.register(
            "notifications",
            "Messages about rollouts to other systems, by whether they arrived",
            self.messages.clone(),
        );
        registry.register(
            "notifications_queued",
            "Messages about rollouts that wait to be delivered",
            self.queued.clone(),
        );
    }
}
