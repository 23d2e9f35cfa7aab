//! A world with the mail that flows in it: organizations, their servers, and an arrow for each pair
//! of servers between which mail was seen.
//!
//! On-premises organizations stand on the left, tenants on the right, the Internet below between
//! them. Arrows run through the free room in the middle, or around the outer side within one column.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Canvas, MARGIN, Point, Tile, tile_width};
use crate::model::{OrganizationId, OrganizationKind, SendConnectorId, ServerId, Topology};
use crate::report::words;
use crate::verify::Row;

/// How many servers of one organization are drawn.
const SERVERS_SHOWN: usize = 12;
/// How many arrows within one organization are drawn where nothing is wrong with them.
const QUIET_SHOWN: usize = 8;
/// Room between the columns, for arrows.
const MIDDLE: i32 = 340;
/// Room beside a column, for arrows within it.
const SIDE: i32 = 100;
/// The height of a server.
const HEIGHT: i32 = 46;
/// From one server to the next.
const STEP: i32 = 62;

/// What the number of an arrow stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Legend {
    /// The number in the drawing.
    pub(in crate::report) number: usize,
    /// From which server to which.
    pub(in crate::report) between: [String; 2],
    /// By which connectors.
    pub(in crate::report) connectors: Vec<String>,
    /// How many rows of the flow table pass here.
    pub(in crate::report) rows: usize,
    /// How many of these go wrong.
    pub(in crate::report) wrong: usize,
}

/// A drawing with what its numbers mean.
pub(in crate::report) struct Map {
    /// The drawing.
    pub(in crate::report) figure: String,
    /// Its arrows.
    pub(in crate::report) legend: Vec<Legend>,
    /// How many pairs of servers have mail between them and no arrow.
    pub(in crate::report) left_out: usize,
}

/// Draws a world; `is_wrong` says which rows somebody has to look at.
pub(in crate::report) fn world(
    topology: &Topology,
    rows: &[Row],
    is_wrong: impl Fn(&Row) -> bool,
) -> Map {
    let places = Places::new(topology, rows);
    let mut canvas = Canvas::default();
    for frame in &places.frames {
        canvas.tile(&Tile {
            lines: Vec::new(),
            ..frame.clone()
        });
    }
    let traffic = traffic(rows, is_wrong);
    let shown = shown(topology, &places, &traffic);
    let mut arrows = Arrows::new(&places);
    let mut legend = Vec::new();
    for ((from, to), seen) in &shown {
        let number = legend.len() + 1;
        arrows.draw(&mut canvas, (*from, *to), number, seen.wrong > 0);
        legend.push(seen.legend(topology, number, [*from, *to]));
    }
    places.label(&mut canvas);
    for (at, number, wrong) in &arrows.badges {
        canvas.badge(if *wrong { "bad" } else { "" }, *at, *number);
    }
    canvas.reach((places.width, places.height));
    Map {
        figure: canvas.figure("Servers of the world, and the mail between them"),
        legend,
        left_out: traffic.len() - shown.len(),
    }
}

/// From which server to which.
type Between = (ServerId, ServerId);

/// The arrows that are drawn: not those of servers that are not, and not the many by which the
/// servers of a large organization hand mail to each other as they should.
fn shown<'a>(
    topology: &Topology,
    places: &Places,
    traffic: &'a BTreeMap<Between, Seen>,
) -> Vec<(Between, &'a Seen)> {
    let organization = |id: ServerId| topology.server(id).organization;
    let is_quiet = |(from, to): Between, seen: &Seen| {
        organization(from) == organization(to) && seen.wrong == 0
    };
    let mut quiet: BTreeMap<OrganizationId, usize> = BTreeMap::new();
    for (between, seen) in traffic {
        let of = quiet.entry(organization(between.0)).or_default();
        *of += usize::from(is_quiet(*between, seen));
    }
    let is_drawn = |id: &ServerId| places.servers.contains_key(id);
    let pairs = traffic.iter().map(|(between, seen)| (*between, seen));
    pairs
        .filter(|((from, to), seen)| {
            let crowded = quiet[&organization(*from)] > QUIET_SHOWN;
            is_drawn(from) && is_drawn(to) && !(crowded && is_quiet((*from, *to), seen))
        })
        .collect()
}

/// What was seen between two servers.
#[derive(Default)]
struct Seen {
    connectors: BTreeSet<SendConnectorId>,
    rows: usize,
    wrong: usize,
}

impl Seen {
    fn legend(&self, topology: &Topology, number: usize, between: [ServerId; 2]) -> Legend {
        let connectors = self.connectors.iter();
        Legend {
            number,
            between: between.map(|id| words::name(topology, id).to_owned()),
            connectors: connectors
                .map(|id| topology.send_connector(*id).name.clone())
                .collect(),
            rows: self.rows,
            wrong: self.wrong,
        }
    }
}

/// Every pair of servers that mail goes between, each row counted once.
fn traffic(rows: &[Row], is_wrong: impl Fn(&Row) -> bool) -> BTreeMap<Between, Seen> {
    let mut traffic: BTreeMap<_, Seen> = BTreeMap::new();
    for row in rows {
        let mut counted = BTreeSet::new();
        for pair in row.fork.hops.windows(2) {
            let between = (pair[0].server, pair[1].server);
            let seen = traffic.entry(between).or_default();
            seen.connectors.extend(pair[1].connector);
            if counted.insert(between) {
                seen.rows += 1;
                seen.wrong += usize::from(is_wrong(row));
            }
        }
    }
    traffic
}

/// Where organizations and servers stand.
struct Places {
    frames: Vec<Tile>,
    servers: BTreeMap<ServerId, Tile>,
    sides: BTreeMap<ServerId, OrganizationKind>,
    width: i32,
    height: i32,
}

impl Places {
    fn new(topology: &Topology, rows: &[Row]) -> Self {
        let mut places = Self {
            frames: Vec::new(),
            servers: BTreeMap::new(),
            sides: BTreeMap::new(),
            width: 0,
            height: 0,
        };
        let shown = Shown::new(topology, rows);
        let left = MARGIN + SIDE;
        let (width, bottom) = places.column(&shown, OrganizationKind::OnPremises, left);
        let right = left + width + MIDDLE;
        let (tenants, end) = places.column(&shown, OrganizationKind::ExchangeOnline, right);
        places.width = right + tenants + SIDE;
        places.height = bottom.max(end);
        places.row(&shown, left, bottom.max(end) + 70);
        places
    }

    /// Writes names over the arrows.
    fn label(&self, canvas: &mut Canvas) {
        for frame in &self.frames {
            let (x, y) = frame.at;
            canvas.text("name", (x + 12, y + 21), &frame.lines[0]);
            canvas.text("label", (x + 12, y + 38), &frame.lines[1]);
        }
        for tile in self.servers.values() {
            canvas.tile(tile);
        }
    }

    /// Organizations of a kind below each other; their width, and where they end.
    fn column(&mut self, shown: &Shown<'_>, kind: OrganizationKind, left: i32) -> (i32, i32) {
        let organizations = shown.of(kind);
        let servers = organizations.iter().flat_map(|(_, servers, _)| servers);
        let widths = servers.map(|id| tile_width(&lines(shown.topology, *id)));
        let headings = organizations.iter().map(|each| tile_width(&each.2));
        let width = widths.chain(headings).max().unwrap_or(96) + 24;
        let mut top = MARGIN;
        for (_, servers, heading) in organizations {
            let mut y = top + 52;
            for id in servers {
                let lines = lines(shown.topology, id);
                self.put(id, kind, (left + 12, y), width - 24, lines);
                y += STEP;
            }
            self.frame(heading, (left, top), (width, y - top));
            top = y + 24;
        }
        (width, top - 24)
    }

    /// The hosts of the Internet beside each other, as many in a line as there is room for.
    fn row(&mut self, shown: &Shown<'_>, left: i32, top: i32) {
        let kind = OrganizationKind::Internet;
        let organizations = shown.of(kind);
        let hosts: Vec<ServerId> = organizations
            .iter()
            .flat_map(|(_, servers, _)| servers.iter().copied())
            .take(SERVERS_SHOWN)
            .collect();
        if hosts.is_empty() {
            return;
        }
        // The heading stands before the hosts: arrows come from above.
        let (mut x, y) = (left + 124, top + 16);
        for id in hosts {
            let lines = lines(shown.topology, id);
            let width = tile_width(&lines);
            self.put(id, kind, (x, y), width, lines);
            x += width + 16;
        }
        let (width, height) = (x - 4 - left, STEP + 16);
        let heading = vec!["Internet".to_owned(), "hosts outside".to_owned()];
        let middle = (self.width - width) / 2;
        let shift = (middle - left).max(0);
        for tile in self.servers.values_mut().filter(|tile| tile.at.1 == y) {
            tile.at.0 += shift;
        }
        self.frame(heading, (left + shift, top), (width, height));
        self.width = self.width.max(left + shift + width);
        self.height = top + height + 60;
    }

    fn put(
        &mut self,
        id: ServerId,
        kind: OrganizationKind,
        at: Point,
        width: i32,
        lines: Vec<String>,
    ) {
        let tile = Tile {
            class: "server".to_owned(),
            at,
            size: (width, HEIGHT),
            lines,
        };
        self.servers.insert(id, tile);
        self.sides.insert(id, kind);
    }

    fn frame(&mut self, lines: Vec<String>, at: Point, size: (i32, i32)) {
        self.frames.push(Tile {
            class: "frame".to_owned(),
            at,
            size,
            lines,
        });
    }
}

fn lines(topology: &Topology, id: ServerId) -> Vec<String> {
    let server = topology.server(id);
    vec![server.name.clone(), server.role.as_str().to_owned()]
}

/// The servers that are drawn.
struct Shown<'a> {
    topology: &'a Topology,
    busy: BTreeSet<ServerId>,
}

impl<'a> Shown<'a> {
    fn new(topology: &'a Topology, rows: &[Row]) -> Self {
        let hops = rows.iter().flat_map(|row| &row.fork.hops);
        Self {
            topology,
            busy: hops.map(|hop| hop.server).collect(),
        }
    }

    /// The organizations of a kind with their servers, those that carry mail first, and a heading.
    fn of(&self, kind: OrganizationKind) -> Vec<(OrganizationId, Vec<ServerId>, Vec<String>)> {
        let all = self.topology.organizations();
        let own = all.filter(|(_, organization)| organization.kind == kind);
        own.map(|(id, organization)| {
            let servers = self.topology.servers();
            let servers = servers.filter(|(_, server)| server.organization == id);
            let mut servers: Vec<ServerId> = servers.map(|(server, _)| server).collect();
            servers.sort_by_key(|server| !self.busy.contains(server));
            let more = servers.len().saturating_sub(SERVERS_SHOWN);
            servers.truncate(SERVERS_SHOWN);
            let mut what = word(kind).to_owned();
            if more > 0 {
                what += &format!(", {} not drawn", words::plural(more, "server"));
            }
            (id, servers, vec![organization.name.clone(), what])
        })
        .filter(|(_, servers, _)| !servers.is_empty())
        .collect()
    }
}

const fn word(kind: OrganizationKind) -> &'static str {
    match kind {
        OrganizationKind::OnPremises => "on premises",
        OrganizationKind::ExchangeOnline => "Exchange Online",
        OrganizationKind::Internet => "Internet",
    }
}

/// Draws arrows so that their ends and their numbers do not fall on each other.
struct Arrows<'a> {
    places: &'a Places,
    /// How many arrows already end at a side of a server.
    used: BTreeMap<(ServerId, bool), i32>,
    /// How many arrows run within the columns of each side.
    outside: BTreeMap<OrganizationKind, i32>,
    badges: Vec<(Point, usize, bool)>,
}

impl<'a> Arrows<'a> {
    fn new(places: &'a Places) -> Self {
        Self {
            places,
            used: BTreeMap::new(),
            outside: BTreeMap::new(),
            badges: Vec::new(),
        }
    }

    fn draw(
        &mut self,
        canvas: &mut Canvas,
        (from, to): (ServerId, ServerId),
        number: usize,
        wrong: bool,
    ) {
        let inner = self.places.sides[&from] != self.places.sides[&to] || from == to;
        let (start, out) = self.port(from, inner);
        let (end, back) = self.port(to, inner);
        let reach = if inner { 130 } else { self.outer(from) };
        let bend = |(x, y): Point, (dx, dy): Point| (x + dx * reach, y + dy * reach);
        let (first, second) = (bend(start, out), bend(end, back));
        let data = format!(
            "M{} {}C{} {} {} {} {} {}",
            start.0, start.1, first.0, first.1, second.0, second.1, end.0, end.1
        );
        let class = if wrong { "bad" } else { "" };
        canvas.arrow(class, &data, &format!("arrow {number}"));
        let place = self.free([start, first, second, end]);
        canvas.reach(place);
        self.badges.push((place, number, wrong));
    }

    /// How far the next arrow within a column goes out: each further than the one before.
    fn outer(&mut self, id: ServerId) -> i32 {
        let drawn = self.outside.entry(self.places.sides[&id]).or_default();
        *drawn += 1;
        (20 + 18 * *drawn).min(120)
    }

    /// Where the next arrow leaves or enters a server, and in which direction it leaves.
    fn port(&mut self, id: ServerId, inner: bool) -> (Point, Point) {
        let tile = &self.places.servers[&id];
        let ((x, y), (width, height)) = (tile.at, tile.size);
        let used = self.used.entry((id, inner)).or_default();
        *used += 1;
        // 1, 2, 3, 4 → the middle, a little before it, a little behind it, further before it.
        let away = *used / 2 * if *used % 2 == 0 { -9 } else { 9 };
        let along = |length: i32| length / 2 + away.clamp(6 - length / 2, length / 2 - 6);
        match (self.places.sides[&id], inner) {
            (OrganizationKind::OnPremises, true) => ((x + width, y + along(height)), (1, 0)),
            (OrganizationKind::OnPremises, false) => ((x, y + along(height)), (-1, 0)),
            (OrganizationKind::ExchangeOnline, true) => ((x, y + along(height)), (-1, 0)),
            (OrganizationKind::ExchangeOnline, false) => ((x + width, y + along(height)), (1, 0)),
            (OrganizationKind::Internet, true) => ((x + along(width), y), (0, -1)),
            (OrganizationKind::Internet, false) => ((x + along(width), y + height), (0, 1)),
        }
    }

    /// A point of a curve that no number stands on yet.
    fn free(&self, curve: [Point; 4]) -> Point {
        let tries = [50, 40, 60, 32, 68, 24, 76, 18, 82];
        let points = tries.map(|percent| point(curve, percent));
        let is_free = |point: &&Point| {
            self.badges
                .iter()
                .all(|((x, y), ..)| (x - point.0).abs() > 22 || (y - point.1).abs() > 22)
        };
        *points.iter().find(is_free).unwrap_or(&points[0])
    }
}

/// The point of a cubic Bézier curve at so many hundredths of its parameter.
fn point(curve: [Point; 4], percent: i64) -> Point {
    let (t, s) = (percent, 100 - percent);
    let weights = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
    let sum = |part: fn(Point) -> i32| {
        let terms = curve.iter().zip(weights);
        let sum: i64 = terms
            .map(|(point, weight)| i64::from(part(*point)) * weight)
            .sum();
        i32::try_from(sum / 1_000_000).unwrap_or_default()
    };
    (sum(|point| point.0), sum(|point| point.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_begins_and_ends_at_its_ends() {
        let curve = [(0, 0), (100, 0), (0, 100), (100, 100)];
        assert_eq!(point(curve, 0), (0, 0));
        assert_eq!(point(curve, 50), (50, 50));
        assert_eq!(point(curve, 100), (100, 100));
    }
}
