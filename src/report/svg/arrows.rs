//! The arrows of a world's drawing.

use std::collections::BTreeMap;

use super::canvas::{Canvas, Point, Tile};
use super::places::Places;
use crate::model::{OrganizationKind, ServerId};

/// How far an arrow between columns goes straight on, at most, before it turns.
const REACH: i32 = 130;
/// Half the width of a number.
const BADGE: i32 = 10;

/// Draws arrows so that their ends and their numbers do not fall on each other.
pub(super) struct Arrows<'a> {
    places: &'a Places,
    /// How many arrows already end at a side of a server.
    used: BTreeMap<(ServerId, bool), i32>,
    /// How many arrows run within the columns of each side.
    outside: BTreeMap<OrganizationKind, i32>,
    /// The numbers: where, which, and whether something is wrong.
    pub(super) badges: Vec<(Point, usize, bool)>,
}

impl<'a> Arrows<'a> {
    /// None so far.
    pub(super) fn new(places: &'a Places) -> Self {
        Self {
            places,
            used: BTreeMap::new(),
            outside: BTreeMap::new(),
            badges: Vec::new(),
        }
    }

    /// Draws the next arrow; its number is drawn later, over all arrows.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        (from, to): (ServerId, ServerId),
        number: usize,
        wrong: bool,
    ) {
        let inner = self.places.sides[&from] != self.places.sides[&to] || from == to;
        let (start, out) = self.port(from, inner);
        let (end, back) = self.port(to, inner);
        let reach = if inner { REACH } else { self.outer(from) };
        let bend = |port: Point, (dx, dy): Point, other: Point| {
            // An arrow to something behind its server makes a small bow, and passes under the server.
            let is_behind = inner && (other.0 - port.0) * dx < 0;
            let reach = if is_behind { REACH / 4 } else { reach };
            (port.0 + dx * reach, port.1 + dy * reach)
        };
        let (first, second) = (bend(start, out, end), bend(end, back, start));
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

    /// A point of a curve beside all servers that no number stands on yet.
    fn free(&self, curve: [Point; 4]) -> Point {
        let tries = [50, 40, 60, 32, 68, 24, 76, 18, 82];
        let points = tries.map(|percent| point(curve, percent));
        let is_free = |point: &&Point| {
            let mut numbers = self.badges.iter();
            let mut tiles = self.places.servers.values();
            numbers.all(|((x, y), ..)| (x - point.0).abs() > 22 || (y - point.1).abs() > 22)
                && tiles.all(|tile| is_beside(**point, tile))
        };
        *points.iter().find(is_free).unwrap_or(&points[0])
    }
}

/// Whether a number at a point leaves a server to be read.
fn is_beside((x, y): Point, tile: &Tile) -> bool {
    let ((left, top), (width, height)) = (tile.at, tile.size);
    let across = left - BADGE..=left + width + BADGE;
    let down = top - BADGE..=top + height + BADGE;
    !(across.contains(&x) && down.contains(&y))
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
