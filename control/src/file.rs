//! Where does the configuration come from? One file, read with what it refers to, and watched for changes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::{Document, Problems, Source};

/// A configuration longer than this is refused, from the file as from the API.
pub const MAX_BYTES: usize = 16 << 20;
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the file must stay the same before it is read: whoever writes it may not be done.
const SETTLED_AFTER: Duration = Duration::from_millis(250);

/// The configuration file.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    path: PathBuf,
    name: String,
    base: PathBuf,
}

/// A text of the file, or why there is none.
pub type Content = Result<Arc<str>, String>;

impl ConfigFile {
    /// The file at a path. What it refers to is looked up in its folder.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        Self { path, name, base }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its folder.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Its text at this moment.
    ///
    /// # Errors
    /// When it cannot be read, is not UTF-8 or longer than 16 MiB.
    pub fn text(&self) -> Result<Arc<str>, io::Error> {
        let mut text = String::new();
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        File::open(&self.path)?.take(limit).read_to_string(&mut text)?;
        if text.len() > MAX_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is longer than 16 MiB"));
        }
        Ok(Arc::from(text))
    }

    /// [`ConfigFile::text`], with the error told to people.
    pub(crate) fn content(&self) -> Content {
        self.text().map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Reads a text as if it stood in this file, which is how the API's and the store's are read, too.
    ///
    /// # Errors
    /// When it is not a configuration; with everything that is wrong.
    pub fn read(&self, text: &str) -> Result<Document, Problems> {
        let env = |name: &str| std::env::var(name).ok();
        config::read(&Source { text, name: &self.name, base: &self.base, env: &env })
    }

    /// Where a document's store is.
    #[must_use]
    pub fn store_of(&self, document: &Document) -> PathBuf {
        self.base.join(&document.store.path)
    }

    /// Where the store is of a text that is not valid as a whole: a node that has a state must find it again.
    #[must_use]
    pub fn store_of_invalid(&self, text: &str) -> PathBuf {
        let from = text.lines().skip_while(|line| !line.starts_with("store:"));
        let inner = |line: &&str| line.is_empty() || line.starts_with([' ', '#', '}']);
        let mut part: Vec<&str> = from.clone().take(1).collect();
        part.extend(from.skip(1).take_while(inner));
        part.push("routes: {}");
        let read = self.read(&part.join("\n"));
        self.base.join(read.map(|part| part.store).unwrap_or_default().path)
    }
}

/// Notices when what is watched is another, and has stayed so for a moment.
///
/// It compares contents, not times or inodes: Kubernetes swaps a symbolic link above the file, editors rename another
/// file into its place, and network file systems tell nobody.
#[derive(Debug)]
pub(crate) struct Changes<T> {
    /// Nothing where whatever comes is news.
    known: Option<T>,
    unsettled: Option<(T, Duration)>,
    forget_after: Option<Duration>,
}

impl<T: Clone + PartialEq> Changes<T> {
    /// Nothing is new as long as all is as `known`.
    pub(crate) const fn since(known: T) -> Self {
        Self { known: Some(known), unsettled: None, forget_after: None }
    }

    /// Takes what there is at `now`; returns it once it is news and has settled.
    pub(crate) fn look(&mut self, content: T, now: Duration) -> Option<T> {
        if self.forget_after.is_some_and(|then| then <= now) {
            (self.forget_after, self.known) = (None, None);
        }
        if self.known.as_ref() == Some(&content) {
            self.unsettled = None;
            return None;
        }
        match &self.unsettled {
            Some((seen, since)) if *seen == content => {
                if now < *since + SETTLED_AFTER {
                    return None;
                }
                (self.unsettled, self.forget_after) = (None, None);
                self.known = Some(content.clone());
                Some(content)
            }
            _ => {
                self.unsettled = Some((content, now));
                None
            }
        }
    }

    /// Whatever is there then is news again. A change before that is news at once.
    pub(crate) const fn forget_after(&mut self, then: Duration) {
        self.forget_after = Some(then);
    }

    /// How long to wait before the next look.
    pub(crate) const fn pause(&self) -> Duration {
        if self.unsettled.is_some() { SETTLED_AFTER } else { LOOK_EVERY }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Content {
        Ok(Arc::from(text))
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_change_is_told_once_and_only_when_it_has_settled() {
        let mut changes = Changes::since(text("a"));
        assert_eq!(changes.pause(), LOOK_EVERY);
        assert_eq!(changes.look(text("a"), ms(0)), None);
        assert_eq!(changes.look(text("b"), ms(1000)), None);
        assert_eq!(changes.pause(), SETTLED_AFTER);
        assert_eq!(changes.look(text("bc"), ms(1250)), None, "still being written");
        assert_eq!(changes.look(text("bc"), ms(1400)), None);
        assert_eq!(changes.look(text("bc"), ms(1500)), Some(text("bc")));
        assert_eq!(changes.look(text("bc"), ms(2500)), None, "told once");
    }

    #[test]
    fn what_could_not_be_stored_is_news_again_after_a_pause() {
        let mut changes = Changes::since(text("a"));
        changes.forget_after(ms(4000));
        assert_eq!(changes.look(text("a"), ms(3999)), None);
        assert_eq!(changes.look(text("a"), ms(4000)), None, "it settles first");
        assert_eq!(changes.look(text("a"), ms(4250)), Some(text("a")));
        assert_eq!(changes.look(text("a"), ms(9000)), None, "told once");
    }

    #[test]
    fn a_change_that_is_taken_back_is_no_news() {
        let mut changes = Changes::since(text("a"));
        assert_eq!(changes.look(text("b"), ms(0)), None);
        assert_eq!(changes.look(text("a"), ms(250)), None);
        assert_eq!(changes.look(text("b"), ms(500)), None, "it counts from anew");
    }

    #[test]
    fn a_file_that_goes_away_is_news_too() {
        let mut changes = Changes::since(text("a"));
        let gone: Content = Err("gone".to_owned());
        assert_eq!(changes.look(gone.clone(), ms(0)), None);
        assert_eq!(changes.look(gone.clone(), ms(250)), Some(gone));
        assert_eq!(changes.look(text("a"), ms(500)), None);
        assert_eq!(changes.look(text("a"), ms(750)), Some(text("a")));
    }

    #[test]
    fn the_store_is_found_in_a_file_that_is_not_valid() {
        let folder = tempfile::tempdir().unwrap();
        let file = ConfigFile::new(&folder.path().join("turnout.yaml"));
        let store = |text: &str| file.store_of_invalid(text);
        assert_eq!(store("routes: {sms: 7}\nstore: {path: a.db}\n"), folder.path().join("a.db"));
        let block = "store:\n  # here\n  path: /b/c.db\nroutes: [\n";
        assert_eq!(store(block), Path::new("/b/c.db"));
        assert_eq!(store("no: [yaml"), folder.path().join("turnout.db"));
        assert_eq!(store(""), folder.path().join("turnout.db"));
    }

    #[test]
    fn a_symbolic_link_that_is_swapped_gives_the_new_text() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("turnout.yaml"), name).unwrap();
        }
        let link = folder.path().join("data");
        std::os::unix::fs::symlink("one", &link).unwrap();
        let file = ConfigFile::new(&link.join("turnout.yaml"));
        assert_eq!(file.content(), text("one"));
        std::os::unix::fs::symlink("two", folder.path().join("next")).unwrap();
        std::fs::rename(folder.path().join("next"), &link).unwrap();
        assert_eq!(file.content(), text("two"));
    }
}
