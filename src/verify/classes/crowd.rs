//! The portrait of an address behind which many stand: a group, or what leads to one.
//!
//! The groups on the way are the hubs. Take them away, and what is left falls into pieces that have
//! nothing in common, most of them one person with both organizations' entries. Two pieces are alike if
//! one stands for the other in every respect: the same hubs lead to it in the same order, and routing
//! reads the same of all points in it. A group with three such members sends three copies of one kind, so
//! of pieces that are alike the portrait has one, and a class of groups says nothing of their size.
//!
//! Invariant: pieces share no point, so that no copy for the one stands for a copy for the other, and
//! which of two comes first decides nothing.

use std::collections::{BTreeMap, HashMap};

use super::graph::{Edge, Met, Point, Way};

/// Marks the hubs' end and the pieces' beginning, and each piece.
const PIECE: u64 = u64::MAX - 3;
/// Marks a hub that something leads to; its number follows.
const HUB: u64 = u64::MAX - 4;
/// Marks a point of the same piece that was met before; its number follows.
const AGAIN: u64 = u64::MAX - 1;
/// Marks the end of the ways from a point.
const END: u64 = u64::MAX;

/// What can be reached from an address: points, and the ways between them, as they are met.
#[derive(Debug, Default)]
pub(super) struct Crowd<'a> {
    points: Vec<Point<'a>>,
    /// What routing reads of each point.
    looks: Vec<u64>,
    /// The ways on from each point.
    ways: Vec<Vec<(Way, usize)>>,
    /// The number of each point that is a hub.
    hubs: Vec<Option<u32>>,
    next_hub: u32,
    known: HashMap<Point<'a>, usize>,
    /// The ways from hubs to points that are none, in the order in which routing goes them.
    entries: Vec<Entry>,
}

/// A way into a piece.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The number of the hub.
    hub: u32,
    way: Way,
    /// The first point of the piece on this way.
    to: usize,
}

/// What the painter sees of a point.
pub(super) struct Sight<'a> {
    /// What routing reads of it, as a word.
    pub(in crate::verify) look: u64,
    /// The ways on from it, in the order in which routing goes them.
    pub(super) edges: Vec<Edge<'a>>,
    /// Whether it is a group.
    pub(in crate::verify) hub: bool,
}

impl<'a> Crowd<'a> {
    /// Goes all ways from a point.
    pub(super) fn around(begin: Point<'a>, see: &mut dyn FnMut(Point<'a>) -> Sight<'a>) -> Self {
        let mut crowd = Self::default();
        crowd.visit(begin, true, see);
        crowd
    }

    fn visit(
        &mut self,
        point: Point<'a>,
        begin: bool,
        see: &mut dyn FnMut(Point<'a>) -> Sight<'a>,
    ) -> usize {
        if let Some(known) = self.known.get(&point) {
            return *known;
        }
        let at = self.points.len();
        let Sight { look, edges, hub } = see(point);
        let number = (hub || begin).then_some(self.next_hub);
        self.next_hub += u32::from(number.is_some());
        self.known.insert(point, at);
        self.points.push(point);
        self.looks.push(look);
        self.ways.push(Vec::with_capacity(edges.len()));
        self.hubs.push(number);
        for edge in edges {
            let to = self.visit(edge.to, false, see);
            self.ways[at].push((edge.way, to));
            if let (Some(hub), None) = (number, self.hubs[to]) {
                let way = edge.way;
                self.entries.push(Entry { hub, way, to });
            }
        }
        at
    }

    /// How many ways lead from hubs to others.
    pub(in crate::verify) fn size(&self) -> usize {
        self.entries.len()
    }

    /// Every point; the hubs among them with their numbers.
    pub(in crate::verify) fn points(&self) -> impl Iterator<Item = (Point<'a>, Option<u32>)> {
        let hubs = self.hubs.iter().copied();
        self.points.iter().copied().zip(hubs)
    }

    /// Whether it has a way of some kind.
    pub(super) fn has_way(&self, is_it: impl Fn(Way) -> bool) -> bool {
        let mut ways = self.ways.iter().flatten();
        ways.any(|(way, _)| is_it(*way))
    }

    /// The key of the portrait, and every point as often as it is met. With `counted`, how many pieces
    /// are alike is part of the key.
    pub(in crate::verify) fn describe(&self, counted: bool) -> (Vec<u64>, Vec<Met<'a>>) {
        let mut key = Vec::new();
        let mut found = vec![Met {
            point: self.points[0],
            from: None,
            way: None,
            alone: true,
        }];
        let mut hubs = 0;
        for (at, hub) in self.hubs.iter().enumerate() {
            let Some(hub) = *hub else { continue };
            hubs += 1;
            key.push(self.looks[at]);
            for (way, to) in &self.ways[at] {
                if let Some(number) = self.hubs[*to] {
                    key.extend([*way as u64, u64::from(number)]);
                    found.push(self.met(*to, hub, *way, true));
                }
            }
            key.push(END);
        }
        let mut first = hubs;
        for (own, alike) in self.pieces() {
            key.push(PIECE);
            key.extend_from_slice(&own);
            if counted {
                key.push(alike.len() as u64);
            }
            let alone = alike.len() == 1;
            for piece in &alike {
                self.place(piece, first, alone, &mut found);
            }
            first += u32::try_from(alike[0].points.len()).unwrap_or(u32::MAX);
        }
        (key, found)
    }

    fn met(&self, to: usize, from: u32, way: Way, alone: bool) -> Met<'a> {
        Met {
            point: self.points[to],
            from: Some(from),
            way: Some(way),
            alone,
        }
    }

    /// The pieces, those that are alike together.
    fn pieces(&self) -> BTreeMap<Vec<u64>, Vec<Piece>> {
        let piece_of = self.components();
        let mut numbers = vec![None; self.points.len()];
        let mut entries: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for entry in &self.entries {
            entries.entry(piece_of[entry.to]).or_default().push(*entry);
        }
        let mut pieces: BTreeMap<Vec<u64>, Vec<Piece>> = BTreeMap::new();
        for entries in entries.into_values() {
            let mut piece = Piece::default();
            let mut key = Vec::new();
            for entry in &entries {
                key.extend([u64::from(entry.hub), entry.way as u64]);
                self.write(entry.to, &mut piece.points, &mut numbers, &mut key);
            }
            piece.entries = entries;
            pieces.entry(key).or_default().push(piece);
        }
        pieces
    }

    /// Which points hang together without the hubs: each has the number of one of them.
    fn components(&self) -> Vec<usize> {
        let mut parent: Vec<usize> = (0..self.points.len()).collect();
        fn root(parent: &mut [usize], mut at: usize) -> usize {
            while parent[at] != at {
                parent[at] = parent[parent[at]];
                at = parent[at];
            }
            at
        }
        for (at, ways) in self.ways.iter().enumerate() {
            for (_, to) in ways {
                if self.hubs[at].is_none() && self.hubs[*to].is_none() {
                    let (one, other) = (root(&mut parent, at), root(&mut parent, *to));
                    parent[one] = other;
                }
            }
        }
        (0..parent.len()).map(|at| root(&mut parent, at)).collect()
    }

    /// Writes down what can be reached from a point within its piece, and numbers what is met there.
    fn write(
        &self,
        at: usize,
        points: &mut Vec<usize>,
        numbers: &mut [Option<u32>],
        key: &mut Vec<u64>,
    ) {
        if let Some(hub) = self.hubs[at] {
            key.extend([HUB, u64::from(hub)]);
            return;
        }
        if let Some(number) = numbers[at] {
            key.extend([AGAIN, u64::from(number)]);
            return;
        }
        numbers[at] = u32::try_from(points.len()).ok();
        points.push(at);
        key.push(self.looks[at]);
        for (way, to) in &self.ways[at] {
            key.push(*way as u64);
            self.write(*to, points, numbers, key);
        }
        key.push(END);
    }

    /// Every point of a piece as often as it is met; the piece's points are numbered from `first`.
    fn place(&self, piece: &Piece, first: u32, alone: bool, found: &mut Vec<Met<'a>>) {
        for Entry { hub, way, to } in &piece.entries {
            found.push(self.met(*to, *hub, *way, alone));
        }
        for (number, at) in (first..).zip(&piece.points) {
            for (way, to) in &self.ways[*at] {
                found.push(self.met(*to, number, *way, alone));
            }
        }
    }
}

/// Points that hang together without the hubs.
#[derive(Debug, Default)]
struct Piece {
    /// The ways into it.
    entries: Vec<Entry>,
    /// Its points in the order in which they are met.
    points: Vec<usize>,
}
