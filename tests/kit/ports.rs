//! Which port is free? One below the range that the system hands out by itself, so that no outgoing connection takes it
//! between the check and the start; and one of a block that no other test run on this machine gives ports from.

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

const FIRST: u16 = 10_240;
const BLOCK_PORTS: u16 = 100;
const BLOCKS: u16 = 200;

/// What this test run has claimed. Nobody else uses a port of it between a check and a start, or between two starts.
struct Claims {
    /// The first port of each block is listened on for as long as the run lasts: that is the claim, and it ends with the
    /// process, however that ends.
    held: Vec<TcpListener>,
    /// The ports of the newest block that were not given yet.
    left: Range<u16>,
}

static CLAIMS: Mutex<Claims> = Mutex::new(Claims { held: Vec::new(), left: 0..0 });

/// An address of this machine that nobody listens on, never given twice by one test run.
pub(crate) fn free_address() -> SocketAddr {
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(port) = claims.left.find(|port| listen(*port).is_some()) {
            return address(port);
        }
        claims.claim();
    }
}

impl Claims {
    fn claim(&mut self) {
        // Runs that begin at the same time look in different places first.
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
        let (first, held) = (0..BLOCKS)
            .map(|n| FIRST + (start + n) % BLOCKS * BLOCK_PORTS)
            .find_map(|first| Some((first, listen(first)?)))
            .expect("a block of ports that nobody else has claimed");
        self.held.push(held);
        self.left = first + 1..first + BLOCK_PORTS;
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind(address(port)).ok()
}

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
