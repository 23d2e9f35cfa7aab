//! What must hold of every decision, whatever the right one is.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use hybridmx::mail::{
    ByteSize, Domain, EnhancedStatus, Limit, LocalPart, Mailbox, NamePattern, ReversePath,
};
use hybridmx::model::{Action, AddressSpace, DomainPattern, IpRange, SmartHost, Topology};
use hybridmx::route::{self, Categorized, Copy, MailItem, NextHop, Subject};

use super::super::support::order::Reordered;
use super::super::support::{Dice, question, seeds, world};
use super::words;

/// Random worlds for each law, and questions about each.
const WORLDS: u64 = 1000;
const QUESTIONS: usize = 5;

#[test]
fn the_order_of_a_world_decides_nothing() {
    for seed in seeds(WORLDS) {
        let mut dice = Dice::new(seed);
        let parts = world::world(&mut dice);
        let reordered = Reordered::new(&mut dice, &parts);
        let (before, after) = (Topology::new(parts), Topology::new(reordered.parts.clone()));
        for _ in 0..QUESTIONS {
            let server = question::categorizer(&mut dice, before.parts());
            let question = Asked {
                domain: question::domain(&mut dice),
                size: question::size(&mut dice),
                connection: question::connection(&mut dice),
                reverse_path: question::reverse_path(&mut dice),
                recipient: world::mailbox(&mut dice),
                item: question::item(&mut dice, before.parts(), server),
            };
            let there = Asked {
                item: reordered.item(&question.item),
                ..question.clone()
            };
            let expected = question.answers(&before, server);
            let actual = there.answers(&after, reordered.server(server));
            assert!(
                expected == actual,
                "SEED={seed} at {}, {question:?}\nbefore: {expected:#?}\nafter: {actual:#?}",
                words::server(before.parts(), server)
            );
        }
    }
}

/// One question for each door.
#[derive(Clone, Debug)]
struct Asked {
    domain: Domain,
    size: ByteSize,
    connection: route::Connection,
    reverse_path: ReversePath,
    recipient: Mailbox,
    item: MailItem,
}

impl Asked {
    /// All answers in words, by names alone.
    fn answers(&self, topology: &Topology, server: hybridmx::model::ServerId) -> Vec<String> {
        let selection = route::select(topology, server, &self.domain, self.size);
        let verdict = route::accept(
            topology,
            server,
            &self.connection,
            &self.reverse_path,
            &self.recipient,
        );
        let mut answers = words::fates(topology, &route::categorize(topology, server, &self.item));
        answers.push(words::selection(topology, &selection));
        answers.push(words::verdict(topology, &verdict));
        answers
    }
}

/// Of each recipient at least one thing becomes, alone and among others; and no mailbox is met twice in
/// one expansion, but whom a mail-flow rule brings in is expanded anew, and so is what a user forwards.
#[test]
fn every_recipient_ends_in_a_copy_a_failure_or_a_suppression() {
    for seed in seeds(WORLDS) {
        let mut dice = Dice::new(seed);
        let topology = Topology::new(world::world(&mut dice));
        let mut unruled = topology.parts().clone();
        unruled.rules.clear();
        let unruled = Topology::new(unruled);
        for _ in 0..QUESTIONS {
            let server = question::categorizer(&mut dice, topology.parts());
            let item = question::item(&mut dice, topology.parts(), server);
            let whole = route::categorize(&topology, server, &item);
            for recipient in &item.recipients {
                let alone = MailItem {
                    recipients: vec![recipient.clone()],
                    ..item.clone()
                };
                let part = route::categorize(&topology, server, &alone);
                assert!(
                    count(&part) > 0,
                    "SEED={seed}: nothing becomes of {recipient} in {item:?}"
                );
            }
            let addressed: BTreeSet<&Mailbox> = item.recipients.iter().collect();
            assert!(count(&whole) >= addressed.len(), "SEED={seed}: {item:?}");
            for copy in &whole.copies {
                assert_eq!(copy.transfer.recipients.len(), 1, "SEED={seed}: {item:?}");
            }
            let added = |copy: &Copy| brings_in(&topology, copy);
            let own = whole.copies.iter().filter(|copy| !added(copy));
            assert!(item.resolved || is_met_once(own), "SEED={seed}: {item:?}");
            let whole = route::categorize(&unruled, server, &item);
            let once = is_met_once(whole.copies.iter());
            assert!(item.resolved || once, "SEED={seed} unruled: {item:?}");
        }
    }
}

/// Whether no mailbox gets two of these copies, but for what is a message of its own.
fn is_met_once<'a>(copies: impl Iterator<Item = &'a Copy>) -> bool {
    let mut mailboxes = BTreeSet::new();
    let mut first = copies.filter(|copy| !copy.sent_anew);
    first.all(|copy| match copy.next_hop {
        NextHop::Mailbox(Some(id)) => mailboxes.insert(id),
        _ => true,
    })
}

/// Whether a rule that brings in recipients had to do with a copy.
fn brings_in(topology: &Topology, copy: &Copy) -> bool {
    let changes = |action: &Action| matches!(action, Action::Add(_) | Action::Redirect(_));
    copy.steps.iter().any(|step| match step.chosen {
        Some(Subject::Rule(id)) => topology.rule(id).actions.iter().any(changes),
        _ => false,
    })
}

fn count(result: &Categorized) -> usize {
    result.copies.len() + result.failures.len() + result.suppressed.len()
}

#[test]
fn what_is_printed_is_read_back() {
    for seed in seeds(2000) {
        let mut dice = Dice::new(seed);
        let name = domain_text(&mut dice);
        let local = local_text(&mut dice);
        let domain: Domain = same(&name);
        same::<Mailbox>(&format!("{local}@{name}"));
        same::<ReversePath>(&format!("{local}@{name}"));
        same::<ReversePath>("<>");
        same::<SmartHost>(&name);
        same_by(&local, LocalPart::parse, |part| part.as_str().to_owned());
        for text in [name.clone(), format!("*.{name}")] {
            same_by(&text, NamePattern::parse, ToString::to_string);
            same::<DomainPattern>(&text);
            address_space(&mut dice, &text);
        }
        for text in ["*", "--"] {
            same::<DomainPattern>(text);
            address_space(&mut dice, text);
        }
        let bytes = ByteSize(size_number(&mut dice));
        assert_eq!(bytes.to_string().parse(), Ok(bytes), "SEED={seed}");
        for limit in [Limit::Unlimited, Limit::Bytes(bytes)] {
            assert_eq!(limit.to_string().parse(), Ok(limit), "SEED={seed}");
        }
        same::<IpRange>(&range_text(&mut dice));
        let class = *dice.pick(&[2, 4, 5]);
        same::<EnhancedStatus>(&format!(
            "{class}.{}.{}",
            dice.below(1000),
            dice.below(1000)
        ));
        assert!(domain.is_within(&domain) && !domain.is_below(&domain));
    }
}

/// Reads a text, prints it, and reads that: the same value.
fn same<T: FromStr + Display + PartialEq>(text: &str) -> T {
    let read = |text: &str| match T::from_str(text) {
        Ok(value) => value,
        Err(_) => panic!("`{text}` cannot be read"),
    };
    let value = read(text);
    assert!(read(&value.to_string()) == value, "{text}");
    value
}

/// The same for what has no `FromStr`.
fn same_by<T: PartialEq, E: std::fmt::Debug>(
    text: &str,
    parse: impl Fn(&str) -> Result<T, E>,
    print: impl Fn(&T) -> String,
) {
    let value = parse(text).expect(text);
    assert!(parse(&print(&value)).expect(text) == value, "{text}");
}

/// `[Type:]Space[;Cost]` in every spelling is the same space.
fn address_space(dice: &mut Dice, space: &str) {
    let cost = dice.between(1, 100);
    let kind = *dice.pick(&["", "SMTP:", "smtp: "]);
    let text = format!("{kind}{space};{cost}");
    let read = |text: &str| text.parse::<AddressSpace>().expect("an address space");
    let value = read(&text);
    assert_eq!(usize::from(value.cost), cost, "{text}");
    assert_eq!(read(&format!("{};{}", value.pattern, value.cost)), value);
}

fn domain_text(dice: &mut Dice) -> String {
    let labels = dice.list(1, 5, |dice| {
        *dice.pick(&[
            "a",
            "B",
            "x-9",
            "groups",
            "bücher",
            "xn--bcher-kva",
            "_dmarc",
        ])
    });
    let dot = if dice.percent(10) { "." } else { "" };
    format!("{}{dot}", labels.join("."))
}

fn local_text(dice: &mut Dice) -> String {
    if dice.percent(20) {
        return (*dice.pick(&["\"a b\"", "\"a@b\"", "\"\\\"\"", "\"\""])).to_owned();
    }
    dice.list(1, 3, |dice| {
        *dice.pick(&["ann", "O'Neil", "a+b", "#1", "jürgen", "X_Y", "{z}"])
    })
    .join(".")
}

fn size_number(dice: &mut Dice) -> u64 {
    let number = u64::try_from(dice.below(5000)).expect("small");
    number << *dice.pick(&[0, 10, 20, 30, 40])
}

fn range_text(dice: &mut Dice) -> String {
    let octet = |dice: &mut Dice| dice.below(256);
    let v4 = format!("192.0.{}.{}", octet(dice), octet(dice));
    match dice.below(5) {
        0 => v4,
        1 => format!("{v4}/{}", dice.below(33)),
        2 => format!("{v4}-203.0.113.{}", octet(dice)),
        3 => format!("2001:db8::{:x}/{}", octet(dice), dice.below(129)),
        _ => format!("::1-2001:db8::{:x}", octet(dice)),
    }
}
