//! Configuration as written, and compiled to what the proxy runs on.
