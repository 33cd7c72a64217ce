//! Which port is free? One below the range that the system hands out by itself, so that no outgoing connection takes it
//! between the check and the start.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 10_240;
const PORTS: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address of this machine that nobody listens on, never given twice by one test run.
pub(crate) fn free_address() -> SocketAddr {
    // Two test runs on one machine begin in different places.
    let start = std::process::id().wrapping_mul(97);
    let mut candidates = std::iter::repeat_with(|| {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()))
    });
    candidates.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}
