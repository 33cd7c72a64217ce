//! Who answers? The sample origins, with the few words that make tests read well.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use loadtest::origin::{Fault, Origin, Recorded, Reply, echo};

use super::free_address;

const ARRIVES_WITHIN: Duration = Duration::from_secs(20);

/// An origin that tells what it was asked.
pub(crate) async fn origin(name: &str) -> Origin {
    scripted(name, echo).await
}

/// An origin that answers as it is told to.
pub(crate) async fn scripted(
    name: &str,
    behaviour: impl Fn(&Recorded) -> Reply + Send + Sync + 'static,
) -> Origin {
    Origin::start(name, behaviour).await.unwrap()
}

/// An origin that fails every request.
pub(crate) async fn faulty(name: &str, fault: Fault) -> Origin {
    scripted(name, move |_| Reply::fault(fault)).await
}

/// An address where nobody listens.
pub(crate) fn dead_address() -> SocketAddr {
    free_address()
}

/// An empty answer with a status.
pub(crate) fn status(code: u16) -> Reply {
    Reply::status(StatusCode::from_u16(code).unwrap())
}

/// What tests ask of origins.
pub(crate) trait Memory {
    /// The request that came last.
    fn last(&self) -> Recorded;
    /// Waits until so many requests came since the start.
    async fn was_asked(&self, times: u64);
}

impl Memory for Origin {
    fn last(&self) -> Recorded {
        self.requests().pop().expect("this origin was never asked")
    }

    async fn was_asked(&self, times: u64) {
        let came = self.reached(times, ARRIVES_WITHIN).await;
        assert!(came, "asked {} times instead of {times}", self.count());
    }
}

/// Answers with more fields.
pub(crate) trait With {
    /// The same answer with one more field.
    fn with(self, name: &str, value: &str) -> Self;
}

impl With for Reply {
    fn with(self, name: &str, value: &str) -> Self {
        self.with_header(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    }
}

/// All values of a header that an origin got, as one text; empty where there is none.
pub(crate) fn all(request: &Recorded, name: &str) -> String {
    let values = request.headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    values.collect::<Vec<_>>().join(", ")
}
