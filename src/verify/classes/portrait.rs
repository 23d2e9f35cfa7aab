//! What routing may come to see on its way from an address: the portrait of the address.
//!
//! It writes down all that can be reached, each point with what routing reads of it (limits, kinds,
//! servers, restrictions) and without the names that routing does not read. Points are numbered when
//! they are met first, so that a portrait tells one recipient who is met twice from two who are alike.
//!
//! Invariant: addresses with equal portraits are exchanged by a renaming of the world that changes no
//! decision, so that a sender who is in neither portrait finds the same at both; but of members of a
//! group who are alike there may be more behind the one than behind the other (`crowd`).
//!
//! Not here: who the sender is to what is met, which is a `relation`.

use std::collections::HashMap;

use super::crowd::{Crowd, Sight};
use super::domains::Domains;
use super::graph::{Edge, List, Met, Point, Way, edges, holders, lists, wants_echo};
use super::looks::Looks;
use super::marks::{self, Marks};
use super::spot::Spot;
use super::word::word;
use crate::mail::Mailbox;
use crate::model::{Member, Recipient, RecipientId, RecipientKind, Topology};

/// All that can be reached from where a way begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Portrait<'a> {
    /// Equal for beginnings that routing cannot tell apart.
    pub(in crate::verify) key: Vec<u64>,
    /// Every point as often as it is met.
    pub(in crate::verify) met: Vec<Met<'a>>,
    /// Every list of senders.
    pub(in crate::verify) lists: Vec<List<'a>>,
    /// Addresses in whose name messages are written on the way.
    authors: Vec<&'a Mailbox>,
    numbers: Numbers<'a>,
    /// The points between the beginning and the present one.
    path: Vec<u32>,
    /// Whether a point was met by two ways.
    shared: bool,
    /// Whether a group was met.
    crowded: bool,
    /// Whether the ways from some point were put in an order of their own.
    sorted: bool,
}

impl Portrait<'_> {
    /// An empty one that keeps its room.
    fn clear(&mut self) {
        self.key.clear();
        self.met.clear();
        self.lists.clear();
        self.authors.clear();
        self.numbers.clear();
        self.path.clear();
        self.shared = false;
        self.crowded = false;
        self.sorted = false;
    }
}

/// The points that were met, by number: most portraits have three of them, and some ten thousand.
#[derive(Clone, Debug, Default)]
struct Numbers<'a> {
    points: Vec<Point<'a>>,
    /// Where there are many.
    index: HashMap<Point<'a>, u32>,
}

/// So many points are looked through.
const FEW: usize = 12;

impl<'a> Numbers<'a> {
    fn clear(&mut self) {
        self.points.clear();
        self.index.clear();
    }

    fn get(&self, point: Point<'a>) -> Option<u32> {
        if self.points.len() > FEW {
            return self.index.get(&point).copied();
        }
        let position = self.points.iter().position(|known| *known == point)?;
        u32::try_from(position).ok()
    }

    fn add(&mut self, point: Point<'a>) -> u32 {
        let number = u32::try_from(self.points.len()).unwrap_or(u32::MAX);
        self.points.push(point);
        if self.points.len() == FEW + 1 {
            self.index = (0..).zip(&self.points).map(|(n, p)| (*p, n)).collect();
        } else if self.points.len() > FEW {
            self.index.insert(point, number);
        }
        number
    }
}

/// Marks the end of the ways from a point.
const END: u64 = u64::MAX;
/// Marks a point that was met before; its number follows.
const AGAIN: u64 = u64::MAX - 1;
/// Marks the authors that a list names.
const NAMED: u64 = u64::MAX - 2;

/// How far a point looks ahead for its place among its like.
const FORESIGHT: u8 = 2;

/// A world as it is painted.
pub(super) struct Scene<'a> {
    topology: &'a Topology,
    looks: Looks<'a>,
    /// What mail-flow rules bring in: it may be met on every way.
    pub(super) background: Portrait<'a>,
    /// The least number of recipients that something in the world limits messages to.
    least_limit: usize,
}

impl<'a> Scene<'a> {
    pub(in crate::verify) fn new(topology: &'a Topology, marks: Marks, alike: Domains) -> Self {
        let mut scene = Self {
            topology,
            looks: Looks::new(topology, marks, alike),
            background: Portrait::default(),
            least_limit: least_limit(topology),
        };
        let members = marks::brought_in(topology);
        let members = members.into_iter();
        let begin: Vec<Point> = members.map(|each| Point::of(topology, each)).collect();
        if !begin.is_empty() {
            let mut background = Portrait::default();
            let mut painter = scene.painter();
            painter.draw_in(&begin, Order::Listed, &mut background);
            let places = scene.places(&background);
            scene.looks.set_apart(places);
            scene.background = background;
        }
        scene
    }

    /// Looks for an address.
    pub(super) fn spot(&self, address: &'a Mailbox) -> Spot<'a> {
        Spot::find(self.topology, address)
    }

    /// Somebody who draws.
    pub(super) fn painter(&self) -> Painter<'a, '_> {
        Painter {
            scene: self,
            colours: HashMap::new(),
        }
    }

    /// A word for the place of each point of the background there.
    fn places(&self, background: &Portrait<'a>) -> HashMap<Point<'a>, u64> {
        // Numbers are given in the order of meeting, so that the word of where a point is met from is
        // known.
        let mut words: Vec<u64> = Vec::new();
        let mut places = HashMap::new();
        for each in &background.met {
            let Some(number) = background.numbers.get(each.point) else {
                continue;
            };
            let index = number as usize;
            let from = each.from.and_then(|from| words.get(from as usize).copied());
            let before = words.get(index).copied();
            let place = word(&(self.looks.of(each.point), before, each.way, from));
            match words.get_mut(index) {
                Some(same) => *same = place,
                None => words.push(place),
            }
            places.insert(each.point, place);
        }
        places
    }
}

/// Draws portraits, one after the other.
pub(super) struct Painter<'a, 's> {
    scene: &'s Scene<'a>,
    /// How recipients look from afar, where groups were drawn.
    colours: HashMap<RecipientId, u64>,
}

impl<'a> Painter<'a, '_> {
    /// Draws the portrait of an address over another.
    pub(super) fn draw(&mut self, spot: Spot<'a>, portrait: &mut Portrait<'a>) {
        let begin = [Point::Address(spot)];
        self.draw_in(&begin, Order::Outline, portrait);
        if portrait.crowded {
            if self.draw_crowd(begin[0], portrait) {
                return;
            }
            self.draw_in(&begin, Order::Sorted, portrait);
        }
        if portrait.shared && portrait.sorted {
            // Whoever is met by two ways is met first by one of them: which, is a matter of order.
            self.draw_in(&begin, Order::Listed, portrait);
        }
    }

    /// Draws an address that leads to groups, unless somebody is told from their like by what only
    /// senders see: by a list of senders that names them, or by messages in their name.
    fn draw_crowd(&mut self, begin: Point<'a>, portrait: &mut Portrait<'a>) -> bool {
        let topology = self.scene.topology;
        let scene = self.scene;
        let crowd = Crowd::around(begin, &mut |point| Sight {
            look: scene.looks.of(point),
            edges: edges(topology, point),
            hub: matches!(point, Point::Recipient(id) if is_group(topology.recipient(id))),
        });
        let writes = |way| matches!(way, Way::ForwardingAnew | Way::Manager);
        let mut points = crowd.points();
        if crowd.has_way(writes) || points.any(|(point, hub)| has_lists(topology, point, hub)) {
            return false;
        }
        portrait.clear();
        for (point, hub) in crowd.points() {
            if let (Point::Recipient(id), Some(number)) = (point, hub) {
                lists(topology.recipient(id), number, &mut portrait.lists);
            }
        }
        let counted = crowd.size() >= self.scene.least_limit;
        (portrait.key, portrait.met) = crowd.describe(counted);
        self.write_named(portrait);
        true
    }

    fn draw_in(&mut self, begin: &[Point<'a>], order: Order, portrait: &mut Portrait<'a>) {
        portrait.clear();
        for point in begin {
            let met = Met {
                point: *point,
                from: None,
                way: None,
                alone: true,
            };
            self.visit(portrait, met, order);
        }
        self.write_named(portrait);
    }

    fn visit(&mut self, portrait: &mut Portrait<'a>, met: Met<'a>, order: Order) {
        portrait.met.push(met);
        if let Some(number) = portrait.numbers.get(met.point) {
            portrait.shared |= !portrait.path.contains(&number);
            portrait.key.extend([AGAIN, u64::from(number)]);
            return;
        }
        let number = portrait.numbers.add(met.point);
        portrait.key.push(self.scene.looks.of(met.point));
        if let Point::Recipient(id) = met.point {
            let recipient = self.scene.topology.recipient(id);
            portrait.crowded |= is_group(recipient);
            lists(recipient, number, &mut portrait.lists);
        }
        if portrait.crowded && order == Order::Outline {
            return;
        }
        portrait.path.push(number);
        let edges = self.edges_in(met.point, order);
        let is_recipient = matches!(met.point, Point::Recipient(_));
        portrait.sorted |= is_recipient && edges.len() > 1 && order != Order::Listed;
        for edge in edges {
            portrait.key.push(edge.way as u64);
            if let (Way::ForwardingAnew, Point::Recipient(id)) = (edge.way, met.point) {
                let author = self.scene.topology.recipient(id).primary();
                portrait.authors.push(author);
            }
            if let (Way::Manager, Point::Address(manager)) = (edge.way, edge.to) {
                portrait.authors.push(manager.address);
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
        let background = &self.scene.background;
        if portrait.authors.is_empty() && background.authors.is_empty() {
            return;
        }
        let topology = self.scene.topology;
        let own = portrait.lists.len();
        let lists = [&portrait.lists[..], &background.lists].concat();
        let met = portrait.authors.iter().map(|author| (*author, lists.len()));
        // What the background's own lists say of its own authors is the same on every way.
        let behind = background.authors.iter().map(|author| (*author, own));
        for (author, count) in met.chain(behind) {
            portrait.key.push(NAMED);
            let ids: Vec<RecipientId> = holders(topology, author).collect();
            let echo = ids.iter().map(|id| wants_echo(topology.recipient(*id)));
            portrait.key.extend(echo.map(u64::from));
            for list in &lists[..count] {
                let named = ids.iter().any(|id| names(topology, list.members, *id));
                portrait.key.push(u64::from(named));
            }
        }
    }

    /// The ways on from a point, so that those of points that are alike come in one order.
    fn edges_in(&mut self, point: Point<'a>, order: Order) -> Vec<Edge<'a>> {
        let edges = edges(self.scene.topology, point);
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
            Point::Recipient(id) if depth == FORESIGHT => self.colours.get(&id).copied(),
            _ => None,
        };
        if let Some(known) = known {
            return known;
        }
        let mut next: Vec<(Way, u64)> = Vec::new();
        if depth > 0 {
            next = edges(self.scene.topology, point)
                .into_iter()
                .map(|edge| (edge.way, self.colour(edge.to, depth - 1)))
                .collect();
            next.sort_unstable();
        }
        let colour = word(&(self.scene.looks.of(point), next));
        if let (Point::Recipient(id), FORESIGHT) = (point, depth) {
            self.colours.insert(id, colour);
        }
        colour
    }
}

/// Whether a point that is no hub has lists of senders.
fn has_lists<'a>(topology: &'a Topology, point: Point<'a>, hub: Option<u32>) -> bool {
    let Point::Recipient(id) = point else {
        return false;
    };
    let mut found = Vec::new();
    lists(topology.recipient(id), 0, &mut found);
    hub.is_none() && !found.is_empty()
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
    let own = topology.exceptions().filter_map(|(_, recipient)| {
        let policy = recipient.exceptions.as_deref();
        policy.and_then(|policy| policy.recipient_limit)
    });
    let least = connectors.chain(organizations).chain(own).min();
    least.map_or(usize::MAX, |least| {
        usize::try_from(least).unwrap_or(usize::MAX)
    })
}

/// In which order the ways from a point are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// As the world lists them, which is how routing goes them.
    Listed,
    /// So that a world that lists them otherwise has the same portraits.
    Sorted,
    /// The same, as far as the first group.
    Outline,
}

/// Whether a list names a recipient, or a group that it is in.
fn names(topology: &Topology, list: &[Member], id: RecipientId) -> bool {
    let one = Member::Recipient(id);
    list.contains(&one) || marks::within(topology, list).contains(&&one)
}
