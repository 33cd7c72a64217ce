//! How are messages and descriptors exchanged? Records over a Unix socket, between processes of the same user.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout, socket_peercred};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::message::Message;

/// How many descriptors go with one message. The system's own bound is 253.
pub(super) const MOST_DESCRIPTORS: usize = 64;
/// Longer than any message: 64 addresses.
const LONGEST: usize = 16 << 10;

/// The other process.
#[derive(Debug)]
pub(super) struct Channel {
    socket: OwnedFd,
    /// Its process id.
    pub(super) pid: u32,
}

impl Channel {
    /// A channel on a connected socket, if the other side belongs to the same user.
    ///
    /// # Errors
    /// When it belongs to somebody else.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let peer = socket_peercred(&socket)?;
        let own = rustix::process::geteuid();
        if peer.uid != own {
            let (other, own) = (peer.uid.as_raw(), own.as_raw());
            let why = format!("the other process belongs to user {other}, this one to {own}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let pid = u32::try_from(peer.pid.as_raw_nonzero().get()).unwrap_or_default();
        Ok(Self { socket, pid })
    }

    pub(super) fn send(&self, message: &Message) -> io::Result<()> {
        self.send_with(message, &[])
    }

    /// Sends a message, and descriptors with it; at most [`MOST_DESCRIPTORS`].
    pub(super) fn send_with(&self, message: &Message, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = SendAncillaryMessage::ScmRights(fds);
        // What is beyond the bound may fit all the same, by padding.
        if !fds.is_empty() && (fds.len() > MOST_DESCRIPTORS || !control.push(passed)) {
            return Err(io::Error::other("too many descriptors for one message"));
        }
        sendmsg(&self.socket, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message, or none if the other process has gone away.
    ///
    /// # Errors
    /// When none comes in time, or it cannot be understood.
    pub(super) fn receive(&self, within: Duration) -> io::Result<Option<Message>> {
        Ok(self.receive_with(within)?.map(|(message, _)| message))
    }

    /// The next message with the descriptors that came along.
    ///
    /// # Errors
    /// When none comes in time, or it cannot be understood.
    pub(super) fn receive_with(
        &self,
        within: Duration,
    ) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        set_socket_timeout(&self.socket, Timeout::Recv, Some(within))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut text = vec![0; LONGEST];
        let received = recvmsg(
            self.socket.as_fd(),
            &mut [IoSliceMut::new(&mut text)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        let received = match received {
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(rustix::io::Errno::AGAIN) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "it says nothing"));
            }
            received => received?,
        };
        let fds = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        });
        let fds: Vec<OwnedFd> = fds.flatten().collect();
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::Error::other("a message was cut off"));
        }
        let text = text.get(..received.bytes).unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(text)?, fds)))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn pair() -> (Channel, Channel) {
        let flags = SocketFlags::CLOEXEC;
        let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        (Channel::new(a).unwrap(), Channel::new(b).unwrap())
    }

    #[test]
    fn a_socket_that_was_passed_is_the_same_one() {
        let (old, new) = pair();
        assert_eq!(old.pid, std::process::id());
        let sockets: Vec<_> =
            (0..MOST_DESCRIPTORS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(|one| one.local_addr().unwrap()).collect();
        let message = Message::Sockets { addresses: addresses.clone(), more: false };
        let fds: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        old.send_with(&message, &fds).unwrap();
        drop(sockets);
        let (received, fds) = new.receive_with(SOON).unwrap().unwrap();
        assert_eq!(received, message);
        let passed = fds.into_iter().map(|fd| TcpListener::from(fd).local_addr().unwrap());
        assert_eq!(passed.collect::<Vec<_>>(), addresses);
    }

    #[test]
    fn more_than_fit_are_refused() {
        let (old, _new) = pair();
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let fds = vec![socket.as_fd(); MOST_DESCRIPTORS + 1];
        assert!(old.send_with(&Message::Prepared, &fds).is_err());
    }

    #[test]
    fn whoever_is_gone_is_told_from_whoever_is_silent() {
        let (old, new) = pair();
        let silent = new.receive(Duration::from_millis(1)).unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
        old.send(&Message::Leaving).unwrap();
        drop(old);
        assert_eq!(new.receive(SOON).unwrap(), Some(Message::Leaving));
        assert_eq!(new.receive(SOON).unwrap(), None);
    }
}
