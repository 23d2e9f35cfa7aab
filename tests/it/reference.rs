//! The second engine: connector choice, acceptance, resolution and expansion decided again, naively,
//! from the documents, and compared with `route` on random worlds.
//!
//! It shares the model with `route` and nothing else: plain lists, nested loops, names as text, and
//! sorting by whole keys. Where documents are silent it makes the choices that `route` states. Both
//! must give the same answer for every seed; the laws need no second answer.
//!
//! `SEED=n cargo test --test it reference` runs one seed and prints where the two part.

mod acceptance;
mod certificates;
mod connectors;
mod laws;
mod names;
mod recipients;
mod words;

use hybridmx::model::Topology;
use hybridmx::route;

use super::support::{Dice, question, seeds, world};

/// Random worlds for each comparison, and questions about each world.
const WORLDS: u64 = 3000;
const QUESTIONS: usize = 5;

/// Asks questions of random worlds and holds the two answers against each other.
fn compare(ask: impl Fn(&mut Dice, &Topology) -> (String, String, String)) {
    for seed in seeds(WORLDS) {
        let mut dice = Dice::new(seed);
        let topology = Topology::new(world::world(&mut dice));
        for _ in 0..QUESTIONS {
            let (question, expected, actual) = ask(&mut dice, &topology);
            assert!(
                expected == actual,
                "SEED={seed}\nquestion: {question}\nreference: {expected}\nroute:     {actual}\n{}",
                words::world(topology.parts())
            );
        }
    }
}

#[test]
fn connector_choice_is_what_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let server = question::server(dice, parts);
        let domain = question::domain(dice);
        let size = question::size(dice);
        let expected = connectors::choose(parts, server, &domain, size).name();
        let actual = words::selection(topology, &route::select(topology, server, &domain, size));
        let question = format!("select at {} for {domain}, {} bytes", words::server(parts, server), size.0);
        (question, expected, actual)
    });
}

#[test]
fn acceptance_is_what_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let server = question::server(dice, parts);
        let connection = question::connection(dice);
        let reverse_path = question::reverse_path(dice);
        let recipient = world::mailbox(dice);
        let expected = acceptance::accept(parts, server, &connection, &reverse_path, &recipient);
        let verdict = route::accept(topology, server, &connection, &reverse_path, &recipient);
        let question = format!(
            "accept at {}, {connection:?}, {reverse_path} to {recipient}",
            words::server(parts, server)
        );
        (
            question,
            words::accepted(parts, expected.as_ref()),
            words::verdict(topology, &verdict),
        )
    });
}

#[test]
fn admission_is_what_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let server = question::server(dice, parts);
        let connection = question::connection(dice);
        let transfer = question::transfer(dice, parts, server);
        let (reverse_path, recipient) = (&transfer.reverse_path, &transfer.recipients[0]);
        let question = format!(
            "admit at {}, {connection:?}, {transfer:?}",
            words::server(parts, server)
        );
        let accepted = acceptance::accept(parts, server, &connection, reverse_path, recipient);
        let verdict = route::accept(topology, server, &connection, reverse_path, recipient);
        let (Ok(accepted), Ok(admission)) = (accepted, verdict.decision) else {
            // That they refuse alike is another test.
            return (question, String::new(), String::new());
        };
        let expected = acceptance::admit(parts, server, &connection, &accepted, &transfer);
        let actual = route::admit(topology, server, &connection, &admission, &transfer)
            .map(|(item, _)| words::admitted(item))
            .map_err(|refusal| refusal.status);
        let (expected, actual) = (format!("{expected:?}"), format!("{actual:?}"));
        (question, expected, actual)
    });
}

#[test]
fn resolution_and_routing_are_what_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let server = question::server(dice, parts);
        let item = question::item(dice, parts, server);
        let expected = recipients::fates(parts, server, &item);
        let actual = words::fates(topology, &route::categorize(topology, server, &item));
        let question = format!("categorize at {}, {item:?}", words::server(parts, server));
        (question, expected.join("\n           "), actual.join("\n           "))
    });
}

#[test]
fn certificates_are_judged_as_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let certificate = dice.maybe(80, |_| ()).and(parts.certificates.first());
        let demand = question::tls_demand(dice);
        let offered = dice.percent(80);
        let expected = certificates::judge(&demand, offered, certificate, parts.as_of);
        let actual = route::judge(&demand, offered, certificate, parts.as_of).ok();
        let question = format!("judge {demand:?}, offered {offered}, {certificate:?}");
        (question, format!("{expected:?}"), format!("{actual:?}"))
    });
}

#[test]
fn the_certificate_shown_is_what_the_documents_say() {
    compare(|dice, topology| {
        let parts = topology.parts();
        let server = question::server(dice, parts);
        if parts.send_connectors.is_empty() {
            return (String::new(), String::new(), String::new());
        }
        let connector = dice.pick(&parts.send_connectors);
        let expected = certificates::presented(parts, server, connector);
        let actual = words::presented(&route::presented(topology, server, Some(connector)));
        let question = format!("presented by {}, {connector:?}", words::server(parts, server));
        (question, expected, actual)
    });
}
