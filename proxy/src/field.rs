//! How is a field of this proxy's own written? As it is looked up, and as others see it.

use http::header::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;
use pingora::prelude::Result;

/// The name of a field that the proxy sets on every request. Pingora takes the spelling as it is; of a name it would make
/// a copy each time.
pub(crate) struct Field {
    pub(crate) name: HeaderName,
    pub(crate) written: &'static str,
}

impl Field {
    /// `written` is `name`, in whatever case.
    pub(crate) const fn new(name: &'static str, written: &'static str) -> Self {
        assert!(name.eq_ignore_ascii_case(written));
        Self { name: HeaderName::from_static(name), written }
    }

    /// Sets the field, where nobody has.
    pub(crate) fn insert_if_absent(
        &self,
        request: &mut RequestHeader,
        value: impl FnOnce() -> HeaderValue,
    ) -> Result<()> {
        if request.headers.contains_key(&self.name) {
            return Ok(());
        }
        request.insert_header(self.written, value())
    }
}
