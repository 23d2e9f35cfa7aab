//! Where the organizations and servers of a world stand in its drawing.

use std::collections::{BTreeMap, BTreeSet};

use super::canvas::{Canvas, MARGIN, Point, Tile, tile_width};
use crate::model::{OrganizationId, OrganizationKind, ServerId, Topology};
use crate::report::words;
use crate::verify::Row;

/// How many servers of one organization are drawn.
const SERVERS_SHOWN: usize = 12;
/// Room between the columns, for arrows.
const MIDDLE: i32 = 340;
/// Room beside a column, for arrows within it.
const SIDE: i32 = 100;
/// The height of a server.
const HEIGHT: i32 = 46;
/// From one server to the next.
const STEP: i32 = 62;

/// Where organizations and servers stand.
pub(super) struct Places {
    /// The organizations; the Internet is one.
    pub(super) frames: Vec<Tile>,
    /// The servers that are drawn.
    pub(super) servers: BTreeMap<ServerId, Tile>,
    /// In which column, or below, each server is.
    pub(super) sides: BTreeMap<ServerId, OrganizationKind>,
    /// How wide all of it is, with room for arrows.
    pub(super) width: i32,
    /// How high.
    pub(super) height: i32,
}

impl Places {
    /// Finds a place for everything; `ended` counts the rows that end badly at a server.
    pub(super) fn new(
        topology: &Topology,
        rows: &[Row],
        ended: &BTreeMap<ServerId, usize>,
    ) -> Self {
        let mut places = Self {
            frames: Vec::new(),
            servers: BTreeMap::new(),
            sides: BTreeMap::new(),
            width: 0,
            height: 0,
        };
        let shown = Shown::new(topology, rows, ended);
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
    pub(super) fn label(&self, canvas: &mut Canvas) {
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
        let widths = servers.map(|id| tile_width(&shown.lines(*id)));
        let headings = organizations.iter().map(|each| tile_width(&each.2));
        let width = widths.chain(headings).max().unwrap_or(96) + 24;
        let mut top = MARGIN;
        for (_, servers, heading) in organizations {
            let mut y = top + 52;
            for id in servers {
                let lines = shown.lines(id);
                let bad = shown.ended.contains_key(&id);
                self.put((id, kind), bad, (left + 12, y), width - 24, lines);
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
            let lines = shown.lines(id);
            let width = tile_width(&lines);
            let bad = shown.ended.contains_key(&id);
            self.put((id, kind), bad, (x, y), width, lines);
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
        (id, kind): (ServerId, OrganizationKind),
        bad: bool,
        at: Point,
        width: i32,
        lines: Vec<String>,
    ) {
        let tile = Tile {
            class: if bad { "bad" } else { "server" }.to_owned(),
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

/// The servers that are drawn.
struct Shown<'a> {
    topology: &'a Topology,
    ended: &'a BTreeMap<ServerId, usize>,
    busy: BTreeSet<ServerId>,
}

impl<'a> Shown<'a> {
    fn new(topology: &'a Topology, rows: &[Row], ended: &'a BTreeMap<ServerId, usize>) -> Self {
        let hops = rows.iter().flat_map(|row| &row.fork.hops);
        Self {
            topology,
            ended,
            busy: hops.map(|hop| hop.server).collect(),
        }
    }

    /// The name of a server, its role, and how much ends there that should not.
    fn lines(&self, id: ServerId) -> Vec<String> {
        let server = self.topology.server(id);
        let mut role = server.role.as_str().to_owned();
        if let Some(ended) = self.ended.get(&id) {
            role += &format!(" · ✗ {}", words::plural(*ended, "flow"));
        }
        vec![server.name.clone(), role]
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
