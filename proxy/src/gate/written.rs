//! How far is the answer? What is written to the client tells whether one has begun, and whether an upgrade was agreed to.

use super::byte_gate::ByteGate;

/// What has been written so far. Pingora begins each head with a write of its own.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// How much of a write was not taken yet.
    rest: usize,
    /// The number of the head whose answer has begun last, interim answers apart.
    answered: u64,
}

impl Written {
    /// Looks at a write that `begins` like this, of which so many bytes were offered and taken.
    pub(super) fn note(
        &mut self,
        begins: &[u8],
        offered: usize,
        taken: usize,
        gate: &mut ByteGate,
    ) {
        if self.rest > 0 {
            self.rest = self.rest.saturating_sub(taken);
            return;
        }
        self.rest = offered.saturating_sub(taken);
        if self.answered == gate.heads() {
            return;
        }
        if is_interim(begins) {
            return;
        }
        self.answered = gate.heads();
        gate.settle_upgrade(begins.starts_with(b"HTTP/1.1 101"));
    }

    /// Whether a write comes that is the rest of one before it.
    pub(super) const fn is_midway(&self) -> bool {
        self.rest > 0
    }

    /// Whether the answer to the last head has begun.
    pub(super) fn is_answered(&self, gate: &ByteGate) -> bool {
        self.answered == gate.heads()
    }
}

/// Whether a head that begins like this is that of an interim answer, with another one to come.
pub(super) fn is_interim(head: &[u8]) -> bool {
    let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(1..5));
    status.is_some_and(|status| status.starts_with(b" 1") && status != b" 101")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::policy::Policy;
    use super::*;

    const UPGRADE: &[u8] =
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

    fn asked() -> ByteGate {
        let mut gate = ByteGate::new(Arc::new(Policy::default()));
        let mut bytes = UPGRADE.to_vec();
        assert_eq!(gate.push(&mut bytes), Ok(UPGRADE.len()));
        assert!(gate.is_upgrade_asked());
        gate
    }

    fn write(written: &mut Written, gate: &mut ByteGate, text: &str) {
        written.note(text.as_bytes(), text.len(), text.len(), gate);
    }

    #[test]
    fn bytes_pass_unjudged_once_the_upgrade_was_agreed_to() {
        let (mut gate, mut written) = (asked(), Written::default());
        let mut early = *b"\x81\x05hello";
        assert_eq!(gate.push(&mut early), Ok(0));
        write(&mut written, &mut gate, "HTTP/1.1 103 Early Hints\r\n\r\n");
        assert!(gate.is_upgrade_asked() && !written.is_answered(&gate));
        write(&mut written, &mut gate, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
        assert_eq!(gate.pull(usize::MAX), Ok(&early[..]));
        let mut later = *b"\0\n\r";
        assert_eq!(gate.push(&mut later), Ok(3));
    }

    #[test]
    fn what_only_looks_like_an_agreement_is_none() {
        let (mut gate, mut written) = (asked(), Written::default());
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n";
        written.note(head.as_bytes(), head.len(), 10, &mut gate);
        written.note(b"HTTP/1.1 101 rest of the head", 29, head.len() - 10, &mut gate);
        write(&mut written, &mut gate, "HTTP/1.1 101 but it is a body");
        assert!(!gate.is_upgrade_asked() && written.is_answered(&gate));
        let mut next = *b"\0";
        assert!(gate.push(&mut next).is_err());
    }
}
