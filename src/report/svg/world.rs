//! A world with the mail that flows in it: organizations, their servers, and an arrow for each pair
//! of servers between which mail was seen.
//!
//! On-premises organizations stand on the left, tenants on the right, the Internet below between
//! them. Arrows run through the free room in the middle, or around the outer side within one column.

use std::collections::{BTreeMap, BTreeSet};

use super::arrows::Arrows;
use super::canvas::{Canvas, Tile};
use super::places::Places;
use crate::model::{OrganizationId, SendConnectorId, ServerId, Topology};
use crate::report::words;
use crate::verify::Row;

/// How many arrows within one organization are drawn where nothing is wrong with them.
const QUIET_SHOWN: usize = 8;

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
    let wrong = rows.iter().filter(|row| is_wrong(row));
    let mut ended: BTreeMap<ServerId, usize> = BTreeMap::new();
    for last in wrong.filter_map(|row| row.fork.hops.last()) {
        *ended.entry(last.server).or_default() += 1;
    }
    let places = Places::new(topology, rows, &ended);
    let mut canvas = Canvas::default();
    for frame in &places.frames {
        canvas.tile(&Tile {
            lines: Vec::new(),
            ..frame.clone()
        });
    }
    let traffic = traffic(rows, &is_wrong);
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
