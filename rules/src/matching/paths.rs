//! Which patterns of one host match a path? A tree of segments, so that the number of routes does not matter.

use std::collections::HashMap;

use regex::Regex;
use regex_automata::{Anchored, Input, meta};

use super::{PathMatch, Precedence};
use crate::route::{FamilyId, RouteId};

/// One pattern of one route, as found by its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) precedence: Precedence,
    pub(super) route: RouteId,
    pub(super) family: FamilyId,
}

/// All path patterns of one host pattern and one priority.
#[derive(Debug)]
pub(super) struct PathIndex {
    nodes: Vec<Node>,
    regexes: Regexes,
}

/// A place in the tree: the path from the root to here.
#[derive(Debug, Default)]
struct Node {
    below: HashMap<Box<str>, usize>,
    exact: Vec<Entry>,
    prefix: Vec<Entry>,
    /// The nearest place above that has prefixes; how the search falls back from a longer prefix to a shorter one.
    shorter: Option<usize>,
}

/// All regular expressions, by falling precedence.
#[derive(Debug, Default)]
struct Regexes {
    entries: Vec<(Regex, Entry)>,
    /// The same as one automaton, which tells the first that matches in one pass and without an allocation.
    all: Option<meta::Regex>,
}

impl PathIndex {
    pub(super) fn new(patterns: Vec<(&PathMatch, Entry)>) -> Self {
        let mut index = Self { nodes: vec![Node::default()], regexes: Regexes::default() };
        let mut regexes = Vec::new();
        for (pattern, entry) in patterns {
            let path = match pattern {
                PathMatch::Exact(path) => path.as_str(),
                PathMatch::Prefix(path) => path.as_prefix(),
                PathMatch::Regex(regex) => {
                    regexes.push((regex.clone(), entry));
                    continue;
                }
            };
            let place = index.place(path);
            let Some(node) = index.nodes.get_mut(place) else { continue };
            match pattern {
                PathMatch::Exact(_) => node.exact.push(entry),
                PathMatch::Prefix(_) | PathMatch::Regex(_) => node.prefix.push(entry),
            }
        }
        for node in &mut index.nodes {
            node.exact.sort_by_key(|entry| std::cmp::Reverse(entry.precedence));
            node.prefix.sort_by_key(|entry| std::cmp::Reverse(entry.precedence));
        }
        index.regexes = Regexes::new(regexes);
        index.link();
        index
    }

    /// The matching entry of the highest precedence that `holds`.
    pub(super) fn find(&self, path: &str, holds: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let (end, deepest) = self.walk(path);
        let exact = end.and_then(|node| node.exact.iter().find(|entry| holds(entry)));
        exact
            .or_else(|| self.regexes.find(path, &holds))
            .or_else(|| {
                let longest_first =
                    std::iter::successors(deepest, |node| self.nodes.get(node.shorter?));
                longest_first.flat_map(|node| &node.prefix).find(|entry| holds(entry))
            })
            .copied()
    }

    /// The node of the whole path, if the tree has it, and the deepest one with prefixes on the way.
    fn walk(&self, path: &str) -> (Option<&Node>, Option<&Node>) {
        let Some(root) = self.nodes.first() else { return (None, None) };
        let (mut node, mut deepest) = (root, Some(root).filter(|root| !root.prefix.is_empty()));
        for segment in segments(path) {
            let next = node.below.get(segment).and_then(|place| self.nodes.get(*place));
            let Some(next) = next else { return (None, deepest) };
            node = next;
            if !node.prefix.is_empty() {
                deepest = Some(node);
            }
        }
        (Some(node), deepest)
    }

    /// The place of a path in the tree, made where it is not there yet.
    fn place(&mut self, path: &str) -> usize {
        let mut at = 0;
        for segment in segments(path) {
            let known = self.nodes.get(at).and_then(|node| node.below.get(segment)).copied();
            at = known.unwrap_or_else(|| {
                let fresh = self.nodes.len();
                self.nodes.push(Node::default());
                if let Some(node) = self.nodes.get_mut(at) {
                    node.below.insert(segment.into(), fresh);
                }
                fresh
            });
        }
        at
    }

    /// Sets each node's way to the next shorter prefix. Parents come before their children.
    fn link(&mut self) {
        for place in 0..self.nodes.len() {
            let Some(node) = self.nodes.get(place) else { continue };
            let way = if node.prefix.is_empty() { node.shorter } else { Some(place) };
            let children: Vec<usize> = node.below.values().copied().collect();
            for child in children {
                if let Some(child) = self.nodes.get_mut(child) {
                    child.shorter = way;
                }
            }
        }
    }
}

impl Regexes {
    fn new(mut entries: Vec<(Regex, Entry)>) -> Self {
        entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.precedence));
        let patterns: Vec<&str> = entries.iter().map(|(regex, _)| regex.as_str()).collect();
        // Each pattern's size is bounded on its own, so their number alone bounds the sum.
        let unlimited = meta::Config::new().nfa_size_limit(None);
        let all = meta::Builder::new().configure(unlimited).build_many(&patterns).ok();
        Self { entries, all }
    }

    fn find(&self, path: &str, holds: &impl Fn(&Entry) -> bool) -> Option<&Entry> {
        if self.entries.is_empty() {
            return None;
        }
        let first = match &self.all {
            Some(all) => {
                // Of patterns that match at the same place, leftmost-first search prefers the one written first.
                let found = all.search_half(&Input::new(path).anchored(Anchored::Yes))?;
                found.pattern().as_usize()
            }
            None => 0,
        };
        let mut rest = self.entries.iter().skip(first);
        let found = rest.find(|(regex, entry)| holds(entry) && regex.is_match(path));
        found.map(|(_, entry)| entry)
    }
}

/// The segments of a path: none for an empty one, one empty segment for `/`.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}
