//! What routing may come to see on its way from an address: the portrait of the address.
//!
//! It writes down all that can be reached, each point with what routing reads of it (limits, kinds,
//! servers, restrictions) and without the names that routing does not read. Points are numbered when
//! they are met first, so that a portrait tells one recipient who is met twice from two who are alike.
//!
//! Invariant: addresses with equal portraits are exchanged by a renaming of the world that changes no
//! decision, so that a sender who is in neither portrait finds the same at both.
//!
//! Not here: who the sender is to what is met, which is a `relation`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::crowd::{Crowd, Sight};
use super::domains::Domains;
use super::graph::{Edge, List, Point, Way, describe, edges, holders, lists, wants_echo};
use super::marks::{self, Marks};
use crate::mail::{Domain, Mailbox};
use crate::model::{Member, Recipient, RecipientId, RecipientKind, Topology};

/// A point that was met on the way from an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Met<'a> {
    /// The point.
    pub(super) point: Point<'a>,
    /// The number of the point it was met from; `None`: it is where the way begins.
    pub(super) from: Option<u32>,
    /// How it was met.
    pub(super) way: Option<Way>,
    /// Whether nobody is like it where it was met.
    pub(super) alone: bool,
}

/// All that can be reached from where a way begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Portrait<'a> {
    /// Equal for beginnings that routing cannot tell apart.
    pub(super) key: Vec<u32>,
    /// Every point as often as it is met.
    pub(super) met: Vec<Met<'a>>,
    /// Every list of senders.
    pub(super) lists: Vec<List<'a>>,
    /// Addresses in whose name messages are written on the way.
    authors: Vec<&'a Mailbox>,
    numbers: HashMap<Point<'a>, u32>,
    /// The points between the beginning and the present one.
    path: Vec<u32>,
    /// Whether a point was met by two ways.
    shared: bool,
    /// Whether a group was met.
    crowded: bool,
}

/// Marks the end of the ways from a point.
const END: u32 = u32::MAX;
/// Marks a point that was met before; its number follows.
const AGAIN: u32 = u32::MAX - 1;
/// Marks the authors that a list names.
const NAMED: u32 = u32::MAX - 2;

/// How far a point looks ahead for its place among its like.
const FORESIGHT: u8 = 2;

/// Draws the portraits of one world.
pub(super) struct Painter<'a> {
    topology: &'a Topology,
    marks: &'a Marks,
    words: HashMap<String, u32>,
    domains: HashMap<&'a Domain, u32>,
    /// Which domains are alike.
    alike: &'a Domains,
    /// What routing reads of each recipient, as a word.
    looks: Vec<Option<u32>>,
    colours: Vec<Option<u64>>,
    /// What every message may meet because a rule brings it in.
    ruled: HashMap<Point<'a>, u32>,
    background: Portrait<'a>,
    /// The least number of recipients that something in the world limits messages to.
    least_limit: usize,
}

impl<'a> Painter<'a> {
    /// Begins with what mail-flow rules bring in: it may be met on every way.
    pub(super) fn new(topology: &'a Topology, marks: &'a Marks, alike: &'a Domains) -> Self {
        let recipients = topology.parts().recipients.len();
        let mut painter = Self {
            topology,
            marks,
            words: HashMap::new(),
            domains: HashMap::new(),
            alike,
            looks: vec![None; recipients],
            colours: vec![None; recipients],
            ruled: HashMap::new(),
            background: Portrait::default(),
            least_limit: least_limit(topology),
        };
        let members = marks::brought_in(topology);
        let begin: Vec<Point> = members.into_iter().map(Point::of).collect();
        if !begin.is_empty() {
            painter.background = painter.draw_in(&begin, Order::Listed);
            painter.mark_background();
        }
        painter
    }

    /// What mail-flow rules bring in.
    pub(super) fn background(&self) -> &Portrait<'a> {
        &self.background
    }

    /// Gives each point of the background a word for its place there.
    fn mark_background(&mut self) {
        let met = self.background.met.clone();
        let numbers = self.background.numbers.clone();
        // Numbers are given in the order of meeting, so that the word of where a point is met from is
        // known.
        let mut words: Vec<u32> = Vec::new();
        for each in met {
            let index = numbers[&each.point] as usize;
            let from = each.from.and_then(|from| words.get(from as usize).copied());
            let before = words.get(index).copied();
            let look = self.look(each.point);
            let word = self.word(format!("ruled {look} {before:?} {:?} {from:?}", each.way));
            match words.get_mut(index) {
                Some(same) => *same = word,
                None => words.push(word),
            }
        }
        for (point, number) in numbers {
            self.ruled.insert(point, words[number as usize]);
        }
        self.looks.fill(None);
        self.colours.fill(None);
    }

    /// The portrait of an address.
    pub(super) fn draw(&mut self, address: &'a Mailbox) -> Portrait<'a> {
        let begin = [Point::Address(address)];
        let drawn = self.draw_in(&begin, Order::Sorted);
        let crowd = drawn.crowded.then(|| self.draw_crowd(begin[0])).flatten();
        if let Some(crowd) = crowd {
            return crowd;
        }
        if drawn.shared {
            // Whoever is met by two ways is met first by one of them: which, is a matter of order.
            self.draw_in(&begin, Order::Listed)
        } else {
            drawn
        }
    }

    /// The portrait of an address that leads to groups, unless somebody is told from their like by what
    /// only senders see: by whom a list of senders names, or by whose name a message is written in.
    fn draw_crowd(&mut self, begin: Point<'a>) -> Option<Portrait<'a>> {
        let topology = self.topology;
        let crowd = Crowd::around(begin, &mut |point| Sight {
            look: self.look(point),
            edges: edges(topology, point),
            hub: matches!(point, Point::Recipient(id) if is_group(topology.recipient(id))),
        });
        if crowd.points().any(|(point, hub)| is_special(topology, point, hub)) {
            return None;
        }
        let mut portrait = Portrait::default();
        for (point, hub) in crowd.points() {
            if let (Point::Recipient(id), Some(number)) = (point, hub) {
                lists(topology.recipient(id), number, &mut portrait.lists);
            }
        }
        let (key, found) = crowd.describe(crowd.size() >= self.least_limit);
        portrait.key = key;
        portrait.met = found;
        self.write_named(&mut portrait);
        Some(portrait)
    }

    fn draw_in(&mut self, begin: &[Point<'a>], order: Order) -> Portrait<'a> {
        let mut portrait = Portrait::default();
        for point in begin {
            let met = Met {
                point: *point,
                from: None,
                way: None,
                alone: true,
            };
            self.visit(&mut portrait, met, order);
        }
        self.write_named(&mut portrait);
        portrait
    }

    fn visit(&mut self, portrait: &mut Portrait<'a>, met: Met<'a>, order: Order) {
        portrait.met.push(met);
        if let Some(number) = portrait.numbers.get(&met.point) {
            portrait.shared |= !portrait.path.contains(number);
            portrait.key.extend([AGAIN, *number]);
            return;
        }
        let number = u32::try_from(portrait.numbers.len()).unwrap_or(AGAIN);
        portrait.numbers.insert(met.point, number);
        portrait.key.push(self.look(met.point));
        if let Point::Recipient(id) = met.point {
            portrait.crowded |= is_group(self.topology.recipient(id));
            lists(self.topology.recipient(id), number, &mut portrait.lists);
        }
        portrait.path.push(number);
        for edge in self.edges_in(met.point, order) {
            portrait.key.push(edge.way as u32);
            if let (Way::ForwardingAnew, Point::Recipient(id)) = (edge.way, met.point) {
                portrait.authors.push(self.topology.recipient(id).primary());
            }
            if let (Way::Manager, Point::Address(manager)) = (edge.way, edge.to) {
                portrait.authors.push(manager);
            }
            let next = Met {
                point: edge.to,
                from: Some(number),
                way: Some(edge.way),
                alone: true,
            };
            self.visit(portrait, next, order);
        }
        portrait.path.pop();
        portrait.key.push(END);
    }

    /// Which lists name those in whose name messages are written, and whether they want their own back.
    fn write_named(&mut self, portrait: &mut Portrait<'a>) {
        let own = portrait.lists.len();
        let lists = [&portrait.lists[..], &self.background.lists].concat();
        let met = portrait.authors.iter().map(|author| (*author, lists.len()));
        // What the background's own lists say of its own authors is the same on every way.
        let behind = self.background.authors.iter();
        let behind = behind.map(|author| (*author, own));
        for (author, count) in met.chain(behind) {
            portrait.key.push(NAMED);
            let ids: Vec<RecipientId> = holders(self.topology, author).collect();
            let echo = ids
                .iter()
                .map(|id| wants_echo(self.topology.recipient(*id)));
            portrait.key.extend(echo.map(u32::from));
            for list in &lists[..count] {
                let named = ids.iter().any(|id| names(self.topology, list.members, *id));
                portrait.key.push(u32::from(named));
            }
        }
    }

    /// The ways on from a point, so that those of points that are alike come in one order.
    fn edges_in(&mut self, point: Point<'a>, order: Order) -> Vec<Edge<'a>> {
        let edges = edges(self.topology, point);
        if order == Order::Listed || edges.len() < 2 || matches!(point, Point::Address(_)) {
            return edges;
        }
        let mut sorted: Vec<((Way, u64), Edge)> = edges
            .into_iter()
            .map(|edge| ((edge.way, self.colour(edge.to, FORESIGHT)), edge))
            .collect();
        sorted.sort_by_key(|(rank, _)| *rank);
        sorted.into_iter().map(|(_, edge)| edge).collect()
    }

    /// A number that points have in common whose surroundings are alike.
    fn colour(&mut self, point: Point<'a>, depth: u8) -> u64 {
        let known = match point {
            Point::Recipient(id) if depth == FORESIGHT => self.colours[id.index()],
            _ => None,
        };
        if let Some(known) = known {
            return known;
        }
        let mut hasher = DefaultHasher::new();
        self.look(point).hash(&mut hasher);
        if depth > 0 {
            let mut next: Vec<(Way, u64)> = edges(self.topology, point)
                .into_iter()
                .map(|edge| (edge.way, self.colour(edge.to, depth - 1)))
                .collect();
            next.sort_unstable();
            next.hash(&mut hasher);
        }
        let colour = hasher.finish();
        if let (Point::Recipient(id), FORESIGHT) = (point, depth) {
            self.colours[id.index()] = Some(colour);
        }
        colour
    }

    /// What routing reads of a point itself, as a word.
    fn look(&mut self, point: Point<'a>) -> u32 {
        match point {
            Point::Address(address) => self.look_of_address(address),
            Point::Recipient(id) => {
                if let Some(known) = self.looks[id.index()] {
                    return known;
                }
                let recipient = self.topology.recipient(id);
                let mut text = String::new();
                describe(recipient, self.alike, &mut text);
                self.marks.write(recipient.primary(), &mut text);
                if let Some(word) = self.ruled.get(&point) {
                    let _ = write!(text, "|{word}");
                }
                let word = self.word(text);
                self.looks[id.index()] = Some(word);
                word
            }
        }
    }

    fn look_of_address(&mut self, address: &'a Mailbox) -> u32 {
        let domain = match self.domains.get(&address.domain) {
            Some(known) => *known,
            None => {
                let word = self.word(format!("@{}", self.alike.of(&address.domain)));
                self.domains.insert(&address.domain, word);
                word
            }
        };
        let mut text = String::new();
        self.marks.write(address, &mut text);
        if let Some(word) = self.ruled.get(&Point::Address(address)) {
            let _ = write!(text, "|{word}");
        }
        if text.is_empty() {
            return domain;
        }
        self.word(format!("@{domain}{text}"))
    }

    fn word(&mut self, text: String) -> u32 {
        let next = u32::try_from(self.words.len()).unwrap_or(NAMED);
        *self.words.entry(text).or_insert(next)
    }
}

/// Whether what a point does is a matter of more than what is seen of it: who writes, or in whose name
/// it writes itself.
fn is_special(topology: &Topology, point: Point, hub: Option<u32>) -> bool {
    let Point::Recipient(id) = point else {
        return false;
    };
    let recipient = topology.recipient(id);
    let writes = edges(topology, point)
        .iter()
        .any(|edge| matches!(edge.way, Way::ForwardingAnew | Way::Manager));
    let mut found = Vec::new();
    lists(recipient, 0, &mut found);
    writes || (hub.is_none() && !found.is_empty())
}

fn is_group(recipient: &Recipient) -> bool {
    matches!(
        recipient.kind,
        RecipientKind::Group { .. } | RecipientKind::DistributionGroup(_)
    )
}

/// The least number of recipients that a message is limited to, anywhere.
fn least_limit(topology: &Topology) -> usize {
    let connectors = topology.receive_connectors();
    let connectors = connectors.map(|(_, connector)| connector.max_recipients);
    let organizations = topology.organizations();
    let organizations =
        organizations.filter_map(|(_, organization)| organization.transport.max_recipients);
    let own = topology.recipients().filter_map(|(_, recipient)| {
        let policy = recipient.exceptions.as_deref();
        policy.and_then(|policy| policy.recipient_limit)
    });
    let least = connectors.chain(organizations).chain(own).min();
    least.map_or(usize::MAX, |least| usize::try_from(least).unwrap_or(usize::MAX))
}

/// In which order the ways from a point are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As the world lists them, which is how routing goes them.
    Listed,
    /// So that a world that lists them otherwise has the same portraits.
    Sorted,
}

/// Whether a list names a recipient, or a group that it is in.
fn names(topology: &Topology, list: &[Member], id: RecipientId) -> bool {
    let one = Member::Recipient(id);
    list.contains(&one) || marks::within(topology, list).contains(&&one)
}
