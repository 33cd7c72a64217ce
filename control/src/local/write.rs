//! How is a file replaced so that a crash leaves the old one or the new one, and damage is noticed?

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::digest::sha256;

/// Replaces a file: written beside it with its checksum, synced, renamed, and the folder synced.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = with_ending(path, ".new");
    let mut file = File::create(&beside)?;
    file.write_all(sha256(text.as_bytes()).as_bytes())?;
    file.write_all(b"\n")?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

/// The text of a file that [`replace`] wrote.
///
/// # Errors
/// When it cannot be read, or is not what was written.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let text = fs::read_to_string(path)?;
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "its checksum is another one");
    let (checksum, text) = text.split_once('\n').ok_or_else(damaged)?;
    if sha256(text.as_bytes()) != checksum {
        return Err(damaged());
    }
    Ok(text.to_owned())
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
