//! Bytes: everything that touches Pingora, and the shadow sender.
