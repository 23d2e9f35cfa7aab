//! A message on its way, from left to right: servers in columns, one row for each end.

use super::canvas::{Canvas, LINE, MARGIN, Tile, text_width, tile_width};
use crate::flow::Flow;
use crate::model::Topology;
use crate::report::graph::{Graph, Node, What};
use crate::report::words::{self, Tone, heading, submission};

/// From one row to the next.
const ROW: i32 = 76;
/// The least room between two columns.
const GAP: i32 = 48;
/// How far an arrow takes to change its row.
const BEND: i32 = 36;
/// Where the rows begin.
const TOP: i32 = 68;

/// Draws a flow.
pub(super) fn trace(topology: &Topology, flow: &Flow) -> Canvas {
    let graph = Graph::of(flow);
    let layout = Layout::new(topology, &graph);
    let mut canvas = Canvas::default();
    let from = submission(topology, &flow.question.submission);
    canvas.heading((MARGIN, 24), &heading(&flow.question));
    canvas.text("label", (MARGIN, 24 + LINE), &from);
    canvas.reach((MARGIN + text_width(&from), TOP));
    for (at, node) in graph.nodes.iter().enumerate() {
        layout.arrow(&mut canvas, topology, at, node);
    }
    for tile in &layout.tiles {
        canvas.tile(tile);
    }
    canvas
}

/// Where everything is.
struct Layout {
    tiles: Vec<Tile>,
}

impl Layout {
    fn new(topology: &Topology, graph: &Graph<'_>) -> Self {
        let columns = columns(graph);
        let lefts = lefts(topology, graph, &columns);
        let rows = middles(graph);
        let nodes = graph.nodes.iter().enumerate();
        let tiles = nodes.map(|(at, node)| {
            let lines = lines(topology, &node.what);
            let height = i32::try_from(lines.len()).unwrap_or(1) * LINE + 12;
            Tile {
                class: class(&node.what),
                at: (lefts[columns[at]], rows[at] - height / 2),
                size: (tile_width(&lines), height),
                lines,
            }
        });
        Self {
            tiles: tiles.collect(),
        }
    }

    /// The arrow to a node: it changes its row beside its beginning, then runs straight.
    fn arrow(&self, canvas: &mut Canvas, topology: &Topology, at: usize, node: &Node<'_>) {
        let Some(parent) = node.parent else { return };
        let (from, to) = (&self.tiles[parent], &self.tiles[at]);
        let (x, y) = (from.at.0 + from.size.0, from.at.1 + from.size.1 / 2);
        let (end, row) = (to.at.0 - 2, to.at.1 + to.size.1 / 2);
        let (half, bend) = (x + BEND / 2, x + BEND);
        let data = format!("M{x} {y}C{half} {y} {half} {row} {bend} {row}H{end}");
        let label = label(topology, node);
        canvas.arrow(&class(&node.what), &data, &label);
        canvas.text("label", (bend - 4, row - 6), &label);
    }
}

/// The column of each node: servers by the number of hops, ends all in the last one.
fn columns(graph: &Graph<'_>) -> Vec<usize> {
    let depths = graph.depths();
    let last = depths.iter().copied().max().unwrap_or(0);
    let nodes = graph.nodes.iter().zip(depths);
    nodes
        .map(|(node, depth)| match node.what {
            What::End(_) => last,
            What::Server(_) | What::Elsewhere(_) | What::Laps(..) => depth,
        })
        .collect()
}

/// Where each column begins: behind the widest box of the one before, and the widest label.
fn lefts(topology: &Topology, graph: &Graph<'_>, columns: &[usize]) -> Vec<i32> {
    let count = columns.iter().copied().max().unwrap_or(0) + 1;
    let mut boxes = vec![0; count];
    let mut gaps = vec![0; count];
    for (node, column) in graph.nodes.iter().zip(columns) {
        let width = tile_width(&lines(topology, &node.what));
        boxes[*column] = width.max(boxes[*column]);
        let room = match label(topology, node).as_str() {
            "" => GAP,
            label => BEND + text_width(label) + 16,
        };
        // The label stands right behind the node that the arrow comes from.
        let behind = node.parent.map_or(0, |parent| columns[parent] + 1);
        gaps[behind] = room.max(gaps[behind]);
    }
    let mut left = MARGIN;
    let mut lefts = Vec::with_capacity(count);
    for column in 0..count {
        left += if column == 0 { 0 } else { gaps[column] };
        lefts.push(left);
        left += boxes[column];
    }
    lefts
}

/// The height of the middle of each node: ends below each other, others between their children.
fn middles(graph: &Graph<'_>) -> Vec<i32> {
    let mut middles = vec![0; graph.nodes.len()];
    let mut next = TOP + ROW / 2;
    for at in leaves(graph) {
        middles[at] = next;
        next += ROW;
    }
    // Parents stand before their children, so their children are known when they are reached.
    for at in (0..graph.nodes.len()).rev() {
        let children = graph.children(at);
        if let (Some(first), Some(last)) = (children.first(), children.last()) {
            let (top, bottom) = (middles[*first], middles[*last]);
            middles[at] = top.midpoint(bottom);
        }
    }
    middles
}

/// The ends in the order of the tree, so that no two arrows cross.
fn leaves(graph: &Graph<'_>) -> Vec<usize> {
    let mut leaves = Vec::new();
    let roots = graph.nodes.iter().enumerate();
    let roots = roots.filter(|(_, node)| node.parent.is_none());
    let mut open: Vec<usize> = roots.map(|(at, _)| at).collect();
    open.reverse();
    while let Some(at) = open.pop() {
        let mut children = graph.children(at);
        if children.is_empty() {
            leaves.push(at);
        }
        children.reverse();
        open.extend(children);
    }
    leaves
}

fn lines(topology: &Topology, what: &What<'_>) -> Vec<String> {
    match what {
        What::Server(id) => {
            let server = topology.server(*id);
            vec![server.name.clone(), server.role.as_str().to_owned()]
        }
        What::Elsewhere(subject) => vec![subject.name(topology)],
        What::Laps(hops, round) => vec![
            format!("↻ {}", words::plural(*hops, "more hop")),
            words::round(topology, round),
        ],
        What::End(fork) => words::end(fork),
    }
}

fn class(what: &What<'_>) -> String {
    match what {
        What::Server(_) => "server".to_owned(),
        What::Elsewhere(_) => "dashed".to_owned(),
        What::Laps(..) => "bad".to_owned(),
        What::End(fork) => Tone::of(fork).class().to_owned(),
    }
}

/// The connector, and whether TLS is in use.
fn label(topology: &Topology, node: &Node<'_>) -> String {
    let connector = node.connector.map(|id| &topology.send_connector(id).name);
    match (connector, node.tls) {
        (Some(name), true) => format!("{name}, TLS"),
        (Some(name), false) => name.clone(),
        (None, true) => "TLS".to_owned(),
        (None, false) => String::new(),
    }
}
