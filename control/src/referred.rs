//! Have the files changed that the configuration in force refers to? Certificates are replaced without anybody touching it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use config::Document;

use crate::file::Content;

/// No file that a configuration refers to is longer; what follows would not be read anyway.
const MOST_BYTES: u64 = 1 << 20;

/// Everything that is watched, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The configuration file.
    pub(crate) content: Content,
    /// What the files held that the configuration in force refers to.
    referred: u64,
}

impl Seen {
    /// What is there now, beside the configuration file's content.
    pub(crate) fn now(content: Content, in_force: &Document) -> Self {
        let mut hash = DefaultHasher::new();
        for path in in_force.files() {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(&path);
            let read = file.and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
            (path, read.map_err(|error| error.kind()), bytes).hash(&mut hash);
        }
        Self { content, referred: hash.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_referred_to_is_news_when_its_bytes_are_others() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{upstreams: {a: {targets: [{address: '127.0.0.1:1'}]}}, routes: {a: {canonical: /, \
                    stable: {upstream: a}, request_headers: {set: {X-A: {file: token}}}}}}";
        let token = folder.path().join("token");
        std::fs::write(&token, "one").unwrap();
        let (base, env) = (folder.path(), |_: &str| None);
        let source = config::Source { text, name: "turnout.yaml", base, env: &env };
        let document = config::read(&source).unwrap();
        let now = || Seen::now(Ok("".into()), &document);
        let first = now();
        assert_eq!(now(), first);
        std::fs::write(&token, "two").unwrap();
        assert_ne!(now(), first);
        std::fs::remove_file(&token).unwrap();
        let gone = now();
        assert_ne!(gone, first);
        std::fs::write(&token, "one").unwrap();
        assert_eq!(now(), first);
    }
}
