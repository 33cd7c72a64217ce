//! How is a field of this proxy's own written? As it is looked up, and as others see it.

use http::header::HeaderName;

/// What is wrong with a text that no field may have.
pub(crate) const NO_VALUE: &str = "what is told is no header value";

/// The name of a field that the proxy adds to requests or answers. Pingora takes the spelling as it is; of a name it would make a copy
/// each time.
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
}
