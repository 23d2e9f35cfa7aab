//! A trace for Graphviz and what else reads its language.

use super::graph::{Graph, Node, What};
use super::printable::one_line;
use super::words::{self, Tone, heading};
use crate::flow::{Flow, Fork};
use crate::model::Topology;

/// One message with every fork: servers as boxes, connectors on the arrows, ends in colour.
#[must_use]
pub fn trace(topology: &Topology, flow: &Flow) -> String {
    let graph = Graph::of(flow);
    let mut lines = vec![
        "digraph trace {".to_owned(),
        format!("  label={};", quoted(&[heading(&flow.question)])),
        "  labelloc=t;".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f6f8fa\", \
         fontname=\"sans-serif\"];"
            .to_owned(),
        "  edge [fontname=\"sans-serif\", fontsize=11];".to_owned(),
    ];
    for (at, node) in graph.nodes.iter().enumerate() {
        lines.push(format!("  n{at} [{}];", shape(topology, &node.what)));
    }
    for (at, node) in graph.nodes.iter().enumerate() {
        lines.extend(arrow(topology, at, node));
    }
    lines.push("}".to_owned());
    lines.into_iter().map(|line| line + "\n").collect()
}

fn shape(topology: &Topology, what: &What<'_>) -> String {
    match what {
        What::Server(id) => {
            let server = topology.server(*id);
            let label = [server.name.clone(), server.role.as_str().to_owned()];
            format!("label={}", quoted(&label))
        }
        What::Elsewhere(subject) => {
            format!("label={}, style=dashed", quoted(&[subject.name(topology)]))
        }
        What::Laps(hops, round) => {
            let label = [format!("… {hops} more hops"), words::round(topology, round)];
            format!("label={}, style=dashed", quoted(&label))
        }
        What::End(fork) => end(fork),
    }
}

fn end(fork: &Fork) -> String {
    let (fill, line) = match Tone::of(fork) {
        Tone::Bad | Tone::Refused => ("#ffebe9", "#b3261e"),
        Tone::Warning => ("#fff3cd", "#8a5a00"),
        Tone::Faint => ("#f6f8fa", "#59636e"),
        Tone::Good => ("#dafbe1", "#1a7f37"),
    };
    let label = words::end(fork);
    format!(
        "label={}, shape=note, style=filled, fillcolor=\"{fill}\", color=\"{line}\"",
        quoted(&label)
    )
}

fn arrow(topology: &Topology, at: usize, node: &Node<'_>) -> Option<String> {
    let parent = node.parent?;
    let mut label = Vec::new();
    label.extend(
        node.connector
            .map(|id| topology.send_connector(id).name.clone()),
    );
    label.extend(node.tls.then(|| "TLS".to_owned()));
    Some(match label.as_slice() {
        [] => format!("  n{parent} -> n{at};"),
        label => format!("  n{parent} -> n{at} [label={}];", quoted(label)),
    })
}

/// Lines as one quoted string: in it a backslash begins an escape, and `&` an entity.
fn quoted(lines: &[String]) -> String {
    let lines = lines.iter().map(|line| {
        let line = one_line(line).replace('\\', "\\\\");
        line.replace('&', "&amp;").replace('"', "\\\"")
    });
    format!("\"{}\"", lines.collect::<Vec<String>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_quotes() {
        let hostile = "a\"]; b [\\N&lt;\n".to_owned();
        let expected = r#""a\"]; b [\\N&amp;lt;\\n\nz""#;
        assert_eq!(quoted(&[hostile, "z".to_owned()]), expected);
    }
}
