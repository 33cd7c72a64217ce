//! Where do the two processes meet? In a folder beside the store that nobody but their user can enter.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
};

/// How many new processes may wait to be heard.
const WAITING: i32 = 4;

/// A folder with the socket.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: PathBuf,
}

impl Place {
    /// Where processes on this store meet.
    pub(crate) fn beside(store: &Path) -> Self {
        let real = store.canonicalize().unwrap_or_else(|_missing| store.to_owned());
        let mut folder = real.into_os_string();
        folder.push(".upgrade");
        Self { folder: folder.into() }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Listens there, in the place of whoever did so before.
    ///
    /// # Errors
    /// When the folder is not private, or the socket cannot be made.
    pub(super) fn listen(&self) -> io::Result<OwnedFd> {
        match DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => self.check()?,
        }
        match fs::remove_file(self.socket()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (socket, address) = self.endpoint()?;
        bind(&socket, &address)?;
        fs::set_permissions(self.socket(), fs::Permissions::from_mode(0o600))?;
        listen(&socket, WAITING)?;
        Ok(socket)
    }

    /// Connects to whoever listens there.
    ///
    /// # Errors
    /// When nobody does, or the folder is not private.
    pub(super) fn connect(&self) -> io::Result<OwnedFd> {
        self.check()?;
        let (socket, address) = self.endpoint()?;
        connect(&socket, &address)?;
        Ok(socket)
    }

    fn endpoint(&self) -> io::Result<(OwnedFd, SocketAddrUnix)> {
        let address = SocketAddrUnix::new(self.socket())?;
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((socket, address))
    }

    /// A folder that another user made or can enter is none to pass sockets in. A link is none, either.
    fn check(&self) -> io::Result<()> {
        let found = fs::symlink_metadata(&self.folder)?;
        if is_private(&found) {
            return Ok(());
        }
        let what = self.folder.display();
        let why = format!("{what} must be a folder that only this user can enter (mode 0700)");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

fn is_private(found: &Metadata) -> bool {
    let own = rustix::process::geteuid().as_raw();
    found.is_dir() && found.uid() == own && found.mode() & 0o077 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_user_can_come_there() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::beside(&folder.path().join("turnout.db"));
        let _listening = place.listen().unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&place.folder), mode(&place.socket())), (0o700, 0o600));
        place.connect().unwrap();
    }

    #[test]
    fn a_folder_that_others_can_enter_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::beside(&folder.path().join("turnout.db"));
        let _listening = place.listen().unwrap();
        for mode in [0o701, 0o710, 0o770, 0o777] {
            fs::set_permissions(&place.folder, fs::Permissions::from_mode(mode)).unwrap();
            for refused in [place.connect(), place.listen()] {
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            }
        }
    }

    #[test]
    fn a_link_to_a_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::beside(&folder.path().join("turnout.db"));
        let elsewhere = folder.path().join("elsewhere");
        DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &place.folder).unwrap();
        assert_eq!(place.listen().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::beside(&folder.path().join("turnout.db"));
        assert_eq!(place.connect().unwrap_err().kind(), io::ErrorKind::NotFound);
        drop(place.listen().unwrap());
        assert_eq!(place.connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        let _listening = place.listen().unwrap();
        place.connect().unwrap();
    }
}
