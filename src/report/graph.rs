//! A flow as a tree: hops that forks have in common stand once, and each fork has its end.

use super::course::{Laps, Onward};
use crate::flow::{Flow, Fork, Hop};
use crate::model::{SendConnectorId, ServerId};
use crate::route::Subject;

/// The tree of a flow. Parents stand before their children.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    /// Everything that is drawn.
    pub(super) nodes: Vec<Node<'a>>,
}

/// One thing that is drawn, with the arrow that leads to it.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Where the arrow comes from; `None` for the origin.
    pub(super) parent: Option<usize>,
    /// What it is.
    pub(super) what: What<'a>,
    /// The Send connector of the arrow.
    pub(super) connector: Option<SendConnectorId>,
    /// Whether the arrow is under TLS.
    pub(super) tls: bool,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// A server.
    Server(ServerId),
    /// A host that is no server of the world, or a server that was not reached.
    Elsewhere(&'a Subject),
    /// The laps of a loop after the first: how many hops, and between whom.
    Laps(usize, Vec<ServerId>),
    /// How a fork ends.
    End(&'a Fork),
}

impl<'a> Graph<'a> {
    /// The tree of a flow.
    pub(super) fn of(flow: &'a Flow) -> Self {
        let mut graph = Self { nodes: Vec::new() };
        for fork in &flow.forks {
            graph.add(fork);
        }
        graph
    }

    /// The indexes of a node's children, in order.
    pub(super) fn children(&self, of: usize) -> Vec<usize> {
        let all = self.nodes.iter().enumerate();
        let own = all.filter(|(_, node)| node.parent == Some(of));
        own.map(|(at, _)| at).collect()
    }

    /// The number of arrows from the origin to every node.
    pub(super) fn depths(&self) -> Vec<usize> {
        let mut depths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            depths.push(node.parent.map_or(0, |parent| depths[parent] + 1));
        }
        depths
    }

    fn add(&mut self, fork: &'a Fork) {
        let laps = Laps::of(fork);
        let mut at = None;
        for hop in laps.first {
            at = Some(self.hop(at, hop));
        }
        if laps.folded > 0 {
            let what = What::Laps(laps.folded, laps.round());
            at = Some(self.push(at, what, None, false));
        }
        for hop in laps.last {
            at = Some(self.hop(at, hop));
        }
        let onward = Onward::of(fork);
        let mut connector = onward.connector;
        if let Some(to) = onward.to {
            at = Some(self.push(at, What::Elsewhere(to), connector.take(), false));
        }
        self.push(at, What::End(fork), connector, false);
    }

    /// The node of a hop: one that is there, or a new one.
    fn hop(&mut self, parent: Option<usize>, hop: &'a Hop) -> usize {
        let what = What::Server(hop.server);
        let same = self.nodes.iter().position(|node| {
            node.parent == parent
                && node.what == what
                && (node.connector, node.tls) == (hop.connector, hop.tls)
        });
        same.unwrap_or_else(|| self.push(parent, what, hop.connector, hop.tls))
    }

    fn push(
        &mut self,
        parent: Option<usize>,
        what: What<'a>,
        connector: Option<SendConnectorId>,
        tls: bool,
    ) -> usize {
        self.nodes.push(Node {
            parent,
            what,
            connector,
            tls,
        });
        self.nodes.len() - 1
    }
}
