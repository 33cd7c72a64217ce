//! What of a store's settings makes an acknowledged command less safe than it could be?

/// One thing that somebody should set otherwise, or make sure of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Caution {
    /// The leading server acknowledges what no replica may have.
    #[error(
        "min-replicas-to-write is {0}: the leading Redis acknowledges commands while no replica follows it, and they are lost with it; set it to 1"
    )]
    FewReplicas(String),
    /// A replica counts as one that follows long after it stopped doing so.
    #[error(
        "min-replicas-max-lag is {0} seconds (0 is without end): the leading Redis acknowledges commands for so long after the last replica was heard of, and they are lost with it; set it to 2"
    )]
    LateReplicas(String),
    /// Writes are acknowledged before they are on disk.
    #[error(
        "appendonly is {appendonly} and appendfsync {appendfsync}: a command that was acknowledged may be lost when Redis ends or its machine fails; set them to yes and always"
    )]
    Unsynced {
        /// Whether writes are kept on disk.
        appendonly: String,
        /// When they are synced.
        appendfsync: String,
    },
    /// Nobody may say what is set.
    #[error(
        "what this Redis is set to cannot be read ({0}): make sure of appendonly yes, appendfsync always and, with replicas, min-replicas-to-write 1 and min-replicas-max-lag 2, or let the user read it (ACL: +info +config|get)"
    )]
    Unknown(String),
}
