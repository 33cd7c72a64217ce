//! What is given up when there is too much to do? What clients would miss the least, first.

use crate::limits::ClientLimits;

/// What is given up; each includes those before it.
///
/// ```
/// use rules::overload::Shed;
/// assert!(Shed::Copies < Shed::Requests);
/// assert_eq!(Shed::at(8_000, 10_000), Shed::Copies);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shed {
    /// Everything is done.
    Nothing,
    /// No new copies are sent.
    Copies,
    /// Answers of copies that are on their way are not compared.
    Comparisons,
    /// New connections are closed at once.
    Connections,
    /// New requests are answered with 503.
    Requests,
}

/// Over which part of what there may be at most each is given up, in hundredths.
const OVER: [(Shed, u64); 4] =
    [(Shed::Requests, 100), (Shed::Connections, 95), (Shed::Comparisons, 85), (Shed::Copies, 75)];

impl Shed {
    /// Every kind of work there is, in the order in which it is given up.
    pub const ALL: [Self; 4] = [Self::Copies, Self::Comparisons, Self::Connections, Self::Requests];

    /// What to give up while so much of at most so much is taken.
    #[must_use]
    pub fn at(taken: u64, most: u64) -> Self {
        let is_passed = |part: u64| taken.saturating_mul(100) > most.saturating_mul(part);
        let first = OVER.iter().find(|(_, part)| is_passed(*part));
        first.map_or(Self::Nothing, |(shed, _)| *shed)
    }

    /// What to give up while so many requests are served on so many connections.
    ///
    /// Connections alone never turn requests away: each of those that stand was let in.
    #[must_use]
    pub fn of(requests: u64, connections: u64, limits: &ClientLimits) -> Self {
        let by_connections = Self::at(connections, limits.connections.into());
        Self::at(requests, limits.requests.into()).max(by_connections.min(Self::Comparisons))
    }

    /// Its name, as metrics have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Copies => "copies",
            Self::Comparisons => "comparisons",
            Self::Connections => "connections",
            Self::Requests => "requests",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_least_goes_first() {
        let order: Vec<Shed> =
            [0, 75, 76, 85, 86, 95, 96, 100, 101, 250].map(|taken| Shed::at(taken, 100)).into();
        let expected = [
            Shed::Nothing,
            Shed::Nothing,
            Shed::Copies,
            Shed::Copies,
            Shed::Comparisons,
            Shed::Comparisons,
            Shed::Connections,
            Shed::Connections,
            Shed::Requests,
            Shed::Requests,
        ];
        assert_eq!(order, expected);
        assert!(Shed::ALL.is_sorted());
    }

    #[test]
    fn many_connections_cost_copies_and_comparisons_but_no_request() {
        let limits = ClientLimits { connections: 100, requests: 100, ..ClientLimits::default() };
        assert_eq!(Shed::of(0, 80, &limits), Shed::Copies);
        assert_eq!(Shed::of(0, 100, &limits), Shed::Comparisons);
        assert_eq!(Shed::of(96, 100, &limits), Shed::Connections);
        assert_eq!(Shed::of(101, 0, &limits), Shed::Requests);
    }
}
