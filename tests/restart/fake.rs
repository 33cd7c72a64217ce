//! A process that asks to take over, as far as a test wants: it speaks the messages, and serves nobody.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recvmsg, sendmsg, socket_with,
};

use crate::kit::Setup;

/// One that asks to take over.
pub(super) struct Taker {
    socket: OwnedFd,
}

impl Taker {
    pub(super) fn of(setup: &Setup) -> Self {
        let address = SocketAddrUnix::new(super::place(setup).join("socket")).unwrap();
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while connect(&socket, &address).is_err() {
            assert!(std::time::Instant::now() < deadline, "nobody listens");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { socket }
    }

    pub(super) fn ask(&mut self) {
        self.say(r#"{"say":"take","protocol":1,"version":"0.0.0"}"#);
        let sockets = self.hears();
        assert!(sockets.contains("\"sockets\"") && sockets.contains("\"more\":false"), "{sockets}");
    }

    pub(super) fn prepare(&mut self) {
        self.ask();
        self.say(r#"{"say":"prepared"}"#);
    }

    pub(super) fn take_the_store(&mut self) {
        self.prepare();
        let yours = self.hears();
        assert!(yours.contains("\"yours\""), "{yours}");
    }

    pub(super) fn serve(&mut self) {
        self.say(r#"{"say":"serving"}"#);
        let leaving = self.hears();
        assert!(leaving.contains("\"leaving\""), "{leaving}");
    }

    fn say(&self, message: &str) {
        let mut control = SendAncillaryBuffer::default();
        let message = IoSlice::new(message.as_bytes());
        sendmsg(&self.socket, &[message], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// The next message, as it is written. The descriptors that come along are closed.
    pub(super) fn hears(&self) -> String {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut text = [0; 4096];
        let mut pieces = [IoSliceMut::new(&mut text)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(&self.socket, &mut pieces, &mut control, flags).unwrap();
        String::from_utf8_lossy(&text[..received.bytes]).into_owned()
    }
}
