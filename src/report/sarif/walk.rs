//! A witness flow as a SARIF code flow: a thread for each fork, a location for each decision.

use serde::Serialize;

use super::message::Message;
use super::place::{PhysicalLocation, Places};
use crate::flow::{Flow, Fork, Hop};
use crate::model::{ServerId, Topology};
use crate::report::course::Laps;
use crate::report::place;
use crate::report::words::{self, question, worst_first};
use crate::route::Step;
use crate::verify::deciding_place;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodeFlow {
    message: Message,
    thread_flows: Vec<ThreadFlow>,
}

#[derive(Serialize)]
struct ThreadFlow {
    id: String,
    message: Message,
    locations: Vec<ThreadLocation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThreadLocation {
    location: Location,
    nesting_level: usize,
    importance: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_location: Option<PhysicalLocation>,
    logical_locations: [LogicalLocation; 1],
    message: Message,
}

#[derive(Serialize)]
struct LogicalLocation {
    name: String,
    kind: &'static str,
}

impl CodeFlow {
    /// The flow; SARIF has no flows without a thread, and no threads without a location.
    pub(super) fn new(topology: &Topology, places: Places<'_>, flow: &Flow) -> Option<Self> {
        let teller = Teller { topology, places };
        let forks = worst_first(&flow.forks).into_iter();
        let forks = forks.filter(|fork| !fork.hops.is_empty()).enumerate();
        let threads: Vec<ThreadFlow> = forks
            .map(|(at, fork)| teller.thread(at + 1, fork))
            .collect();
        (!threads.is_empty()).then(|| Self {
            message: Message::new(&question(&flow.question)),
            thread_flows: threads,
        })
    }
}

#[derive(Clone, Copy)]
struct Teller<'a> {
    topology: &'a Topology,
    places: Places<'a>,
}

impl Teller<'_> {
    fn thread(self, number: usize, fork: &Fork) -> ThreadFlow {
        let laps = Laps::of(fork);
        let mut locations: Vec<ThreadLocation> = Vec::new();
        locations.extend(laps.first.iter().flat_map(|hop| self.hop(hop)));
        if let Some(first) = laps.lap.first().filter(|_| laps.folded > 0) {
            let round = words::round(self.topology, &laps.round());
            let more = format!("{}, cycle {round}", words::plural(laps.folded, "more hop"));
            locations.push(self.location(first.server, None, &more, "essential"));
        }
        locations.extend(laps.last.iter().flat_map(|hop| self.hop(hop)));
        let end = words::end(fork).join(" ");
        if let Some(last) = fork.hops.last() {
            locations.push(self.location(last.server, None, &end, "essential"));
        }
        ThreadFlow {
            // Not the recipient alone: two copies for one recipient are two threads.
            id: format!("{number} {}", fork.recipient),
            message: Message::new(&end),
            locations,
        }
    }

    fn hop(self, hop: &Hop) -> Vec<ThreadLocation> {
        let mut arrival = words::name(self.topology, hop.server).to_owned();
        if let Some(id) = hop.connector {
            arrival += &format!(", by {}", self.topology.send_connector(id).name);
        }
        arrival += if hop.tls { ", TLS" } else { "" };
        let mut locations = vec![self.location(hop.server, None, &arrival, "essential")];
        locations.extend(hop.steps.iter().map(|step| self.step(hop.server, step)));
        locations
    }

    fn step(self, server: ServerId, step: &Step) -> ThreadLocation {
        let chosen = step.chosen.as_ref();
        let mut words = step.event.as_str().to_owned();
        if let Some(subject) = chosen {
            words += &format!(" {}", subject.name(self.topology));
        }
        if !step.because.is_empty() {
            words += &format!(": {}", place::because(&step.because));
        }
        for loser in &step.rejected {
            let name = loser.candidate.name(self.topology);
            words += &format!("; not {name}: {}", loser.reason);
        }
        let place =
            chosen.and_then(|subject| deciding_place(self.topology, subject, &step.because));
        let mut location = self.location(server, place, &words, "important");
        location.nesting_level = 1;
        location
    }

    /// A place of the world's files, else the server's own.
    fn location(
        self,
        server: ServerId,
        place: Option<&crate::diag::Location>,
        words: &str,
        importance: &'static str,
    ) -> ThreadLocation {
        let server = self.topology.server(server);
        let place = place.or(server.settings.object.as_ref());
        ThreadLocation {
            location: Location {
                physical_location: place.map(|place| self.places.physical(place)),
                logical_locations: [LogicalLocation {
                    name: server.name.clone(),
                    kind: "server",
                }],
                message: Message::new(words),
            },
            nesting_level: 0,
            importance,
        }
    }
}
