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
mod policies;
mod recipients;
mod rules;
mod sessions;
mod sites;
mod tenants;
mod words;

use hybridmx::model::Topology;
use hybridmx::route;

use super::support::{Dice, question, seeds, world};

/// Random worlds for each comparison, and questions about each world.
const WORLDS: u64 = 2000;
const QUESTIONS: usize = 6;

/// One question and both answers, in words.
struct Case {
    question: String,
    reference: String,
    route: String,
}

/// A question to both engines about a random world; `None` where there is nothing to ask.
type Ask = fn(&mut Dice, &Topology) -> Option<Case>;

/// Every question that is asked.
const QUESTIONERS: [Ask; 6] = [
    connector_choice,
    acceptance,
    admission,
    resolution,
    certificate_judged,
    certificate_shown,
];

/// Asks questions of random worlds and holds the two answers against each other.
fn compare(ask: Ask) {
    for seed in seeds(WORLDS) {
        let mut dice = Dice::new(seed);
        let topology = Topology::new(world::world(&mut dice));
        for _ in 0..QUESTIONS {
            let Some(case) = ask(&mut dice, &topology) else {
                continue;
            };
            assert!(
                case.reference == case.route,
                "SEED={seed}\nquestion: {}\nreference: {}\nroute:     {}\n{}",
                case.question,
                case.reference,
                case.route,
                words::world(topology.parts())
            );
        }
    }
}

#[test]
fn connector_choice_is_what_the_documents_say() {
    compare(connector_choice);
}

#[test]
fn acceptance_is_what_the_documents_say() {
    compare(acceptance);
}

#[test]
fn admission_is_what_the_documents_say() {
    compare(admission);
}

#[test]
fn resolution_and_routing_are_what_the_documents_say() {
    compare(resolution);
}

#[test]
fn certificates_are_judged_as_the_documents_say() {
    compare(certificate_judged);
}

#[test]
fn the_certificate_shown_is_what_the_documents_say() {
    compare(certificate_shown);
}

/// Agreement on nothing proves nothing: every kind of answer must come up, and not once only.
#[test]
fn random_worlds_reach_every_kind_of_answer() {
    let mut answers = Vec::new();
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed);
        let topology = Topology::new(world::world(&mut dice));
        for ask in QUESTIONERS.iter().cycle().take(3 * QUESTIONERS.len()) {
            answers.extend(ask(&mut dice, &topology).map(|case| case.route));
        }
    }
    for kind in words::KINDS {
        let count = answers
            .iter()
            .filter(|answer| answer.contains(kind))
            .count();
        assert!(count >= 5, "`{kind}` came up {count} times");
    }
}

fn connector_choice(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let server = question::server(dice, parts);
    let domain = question::domain(dice);
    let size = question::size(dice);
    let selection = route::select(topology, server, &domain, size);
    let at = words::server(parts, server);
    Some(Case {
        question: format!("select at {at} for {domain}, {} bytes", size.0),
        reference: connectors::choose(parts, server, &domain, size).name(),
        route: words::selection(topology, &selection),
    })
}

fn acceptance(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let server = question::door(dice, parts);
    let connection = question::connection(dice);
    let reverse_path = question::reverse_path(dice);
    let recipient = world::mailbox(dice);
    let expected = acceptance::accept(parts, server, &connection, &reverse_path, &recipient);
    let verdict = route::accept(topology, server, &connection, &reverse_path, &recipient);
    let at = words::server(parts, server);
    Some(Case {
        question: format!("accept at {at}, {connection:?}, {reverse_path} to {recipient}"),
        reference: words::accepted(parts, expected.as_ref()),
        route: words::verdict(topology, &verdict),
    })
}

fn admission(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let server = question::door(dice, parts);
    let connection = question::connection(dice);
    let transfer = question::transfer(dice, parts, server);
    let (reverse_path, recipient) = (&transfer.reverse_path, &transfer.recipients[0]);
    let accepted = acceptance::accept(parts, server, &connection, reverse_path, recipient);
    let verdict = route::accept(topology, server, &connection, reverse_path, recipient);
    // That both refuse alike at RCPT TO is the question before this one.
    let (Ok(accepted), Ok(admission)) = (accepted, verdict.decision) else {
        return None;
    };
    let expected = acceptance::admit(parts, server, &connection, &accepted, &transfer);
    let actual = route::admit(topology, server, &connection, &admission, &transfer)
        .map(|(item, _)| words::admitted(item))
        .map_err(|refusal| refusal.status);
    let at = words::server(parts, server);
    Some(Case {
        question: format!("admit at {at}, {connection:?}, {transfer:?}"),
        reference: format!("{expected:?}"),
        route: format!("{actual:?}"),
    })
}

fn resolution(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let server = question::categorizer(dice, parts);
    let item = question::item(dice, parts, server);
    let result = route::categorize(topology, server, &item);
    let at = words::server(parts, server);
    let line = "\n           ";
    Some(Case {
        question: format!("categorize at {at}, {item:?}"),
        reference: recipients::fates(parts, server, &item).join(line),
        route: words::fates(topology, &result).join(line),
    })
}

fn certificate_judged(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let certificate = parts.certificates.first().filter(|_| dice.percent(80));
    let demand = question::tls_demand(dice);
    let offered = dice.percent(80);
    let expected = certificates::judge(&demand, offered, certificate, parts.as_of);
    let actual = route::judge(&demand, offered, certificate, parts.as_of);
    Some(Case {
        question: format!("judge {demand:?}, offered {offered}, {certificate:?}"),
        reference: format!("TLS {expected:?}"),
        route: format!("TLS {:?}", actual.ok()),
    })
}

fn certificate_shown(dice: &mut Dice, topology: &Topology) -> Option<Case> {
    let parts = topology.parts();
    let server = question::server(dice, parts);
    if parts.send_connectors.is_empty() {
        return None;
    }
    let connector = dice.pick(&parts.send_connectors);
    let presented = route::presented(topology, server, Some(connector));
    let at = words::server(parts, server);
    Some(Case {
        question: format!("certificate shown by {at} through {connector:?}"),
        reference: certificates::presented(parts, server, connector),
        route: words::presented(&presented),
    })
}
