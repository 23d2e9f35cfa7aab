//! Which questions a world poses: one for each pair of classes and each range of sizes that a limit
//! sets apart.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::classes::domains::Domains;
use super::classes::marks;
use super::classes::pairs::Pairs;
use super::classes::relation::Relation;
use super::classes::{MadeUp, RecipientClass, SenderClass, classes};
use super::row::{Row, SizeBucket};
use crate::dns::Zones;
use crate::flow::{Flow, Fork, Question, Submission, walk};
use crate::mail::{ByteSize, Limit, Mailbox, MessageKind, ReversePath};
use crate::model::{Matcher, Topology};

/// The size of an ordinary message: what a question asks about unless a limit is near.
const ORDINARY: ByteSize = ByteSize(10 * 1024);

/// One pair of classes, asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Index of the sender class.
    pub(super) from: usize,
    /// Index of the recipient class.
    pub(super) to: usize,
    /// What the senders are to the recipients.
    pub(super) relation: Relation,
    /// Which of several flows of this relation it is, from 1.
    pub(super) variant: usize,
    /// How many pairs of addresses it stands for.
    pub(super) pairs: usize,
    /// The flow of each range of sizes, smallest first; equal neighbours are one.
    pub(super) answers: Vec<(SizeBucket, Flow)>,
}

impl Asked {
    /// The flow of an ordinary message.
    pub(super) fn ordinary(&self) -> &Flow {
        &self.answers[0].1
    }
}

/// Every question of a world with its answer.
#[derive(Clone, Debug)]
pub(super) struct Survey<'a> {
    /// Classes of senders.
    pub(super) senders: Vec<SenderClass<'a>>,
    /// Classes of recipients.
    pub(super) recipients: Vec<RecipientClass<'a>>,
    /// Pairs of them.
    pub(super) asked: Vec<Asked>,
    /// The numbers of addresses are below this one.
    numbers: usize,
    /// Addresses that several recipients of one organization hold.
    pub(super) shared: Vec<&'a Mailbox>,
}

impl Survey<'_> {
    /// The name of the senders of a question, as `flows` prints it.
    pub(super) fn sender_name(&self, asked: &Asked) -> String {
        let name = &self.senders[asked.from].name;
        let suffix = asked.relation.suffix();
        match asked.variant {
            1 => format!("{name}{suffix}"),
            variant => format!("{name}{suffix} ({variant})"),
        }
    }

    /// How many different addresses these classes of senders and of recipients have.
    pub(super) fn count(
        &self,
        senders: impl Iterator<Item = usize>,
        recipients: impl Iterator<Item = usize>,
    ) -> usize {
        // A class may have a million addresses: one bit for each is counted soonest.
        let mut met = vec![0_u64; self.numbers.div_ceil(64)];
        let mut mark = |number: &u32| met[*number as usize / 64] |= 1 << (number % 64);
        for class in senders {
            self.senders[class].numbers.iter().for_each(&mut mark);
        }
        for class in recipients {
            self.recipients[class].numbers.iter().for_each(&mut mark);
        }
        met.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// How many addresses the classes stand for.
    pub(super) fn addresses(&self) -> usize {
        self.count(0..self.senders.len(), 0..self.recipients.len())
    }

    /// The class of an address as a recipient.
    pub(super) fn recipient_class(&self, address: &Mailbox) -> Option<usize> {
        let mut classes = self.recipients.iter();
        classes.position(|class| class.members.contains(&address))
    }
}

/// The flow table of a world.
#[must_use]
pub fn flows(topology: &Topology, zones: &Zones) -> Vec<Row> {
    let made_up = MadeUp::new(topology);
    let survey = survey(topology, zones, &made_up);
    let mut rows = Vec::new();
    for asked in &survey.asked {
        for (size, flow) in &asked.answers {
            for (index, fork) in flow.forks.iter().enumerate() {
                rows.push(Row {
                    origin: topology
                        .server(flow.question.submission.server())
                        .name
                        .clone(),
                    from_class: survey.sender_name(asked),
                    to_class: survey.recipients[asked.to].name.clone(),
                    index,
                    size: *size,
                    example: flow.question.clone(),
                    addresses: asked.pairs,
                    fork: fork.clone(),
                });
            }
        }
    }
    rows
}

/// Asks every question.
pub(super) fn survey<'a>(topology: &'a Topology, zones: &Zones, made_up: &'a MadeUp) -> Survey<'a> {
    let classes = classes(topology, Domains::new(topology, zones), made_up);
    let sizes = size_limits(topology);
    let mut asked: Vec<Asked> = Vec::new();
    let all = classes.pairs.par_iter().map(|pairs| {
        let submission = &classes.senders[pairs.from].submission;
        answers(topology, zones, submission, &pairs.example, &sizes)
    });
    let all: Vec<Vec<(SizeBucket, Flow)>> = all.collect();
    for (pairs, answers) in classes.pairs.iter().zip(all) {
        let before = asked
            .iter()
            .rposition(|asked| (asked.from, asked.to) != (pairs.from, pairs.to))
            .map_or(0, |position| position + 1);
        add(topology, &mut asked, before, pairs, answers);
    }
    Survey {
        senders: classes.senders,
        recipients: classes.recipients,
        asked,
        numbers: classes.numbers,
        shared: classes.shared,
    }
}

/// Adds what was asked of pairs to the questions of the same two classes, which begin at a position.
/// Senders who have a place in what happens and find the same as those who have none, or have another,
/// are one question with them.
fn add(
    topology: &Topology,
    asked: &mut Vec<Asked>,
    begin: usize,
    pairs: &Pairs,
    answers: Vec<(SizeBucket, Flow)>,
) {
    let alike = |one: &&mut Asked| {
        one.answers.len() == answers.len()
            && one
                .answers
                .iter()
                .zip(&answers)
                .all(|(a, b)| a.0 == b.0 && same_ends(topology, &a.1, &b.1))
    };
    if let Some(same) = asked[begin..].iter_mut().find(alike) {
        same.pairs += pairs.count;
        return;
    }
    let relation = pairs.relation;
    let others = asked[begin..].iter().filter(|one| one.relation == relation);
    asked.push(Asked {
        from: pairs.from,
        to: pairs.to,
        relation,
        variant: others.count() + 1,
        pairs: pairs.count,
        answers,
    });
}

/// Every size at which some limit ends.
fn size_limits(topology: &Topology) -> BTreeSet<ByteSize> {
    let send =
        topology
            .send_connectors()
            .filter_map(|(_, connector)| match connector.max_message_size {
                Limit::Bytes(size) => Some(size),
                Limit::Unlimited => None,
            });
    let receive =
        topology
            .receive_connectors()
            .filter_map(|(_, connector)| match connector.matcher {
                Matcher::Endpoint { .. } => Some(connector.max_message_size),
                Matcher::Peer { .. } => None,
            });
    let bytes = |limit| match limit {
        Limit::Bytes(size) => Some(size),
        Limit::Unlimited => None,
    };
    let organizations = topology.organizations().flat_map(|(_, organization)| {
        let transport = &organization.transport;
        [transport.max_send_size, transport.max_receive_size]
    });
    let recipients = topology.exceptions().flat_map(|(_, recipient)| {
        let policy = recipient.exceptions.as_deref();
        let limits = policy.map(|policy| [policy.max_send_size, policy.max_receive_size]);
        limits.into_iter().flatten()
    });
    let links = topology.parts().site_links.iter();
    let links = links.map(|link| link.max_message_size);
    let limits = organizations.chain(recipients).chain(links);
    send.chain(receive)
        .chain(limits.filter_map(bytes))
        .chain(marks::sizes(topology))
        .collect()
}

/// Walks one question in every range of sizes and joins neighbours that end alike.
fn answers(
    topology: &Topology,
    zones: &Zones,
    submission: &Submission,
    (from, to): &(Mailbox, Mailbox),
    limits: &BTreeSet<ByteSize>,
) -> Vec<(SizeBucket, Flow)> {
    let ask = |size| {
        let from = ReversePath::Mailbox(from.clone());
        walk(
            topology,
            zones,
            &Question {
                from,
                to: vec![to.clone()],
                size,
                kind: MessageKind::Message,
                submission: submission.clone(),
            },
        )
    };
    let ranges = ranges(limits);
    let mut flows = vec![None; ranges.len()];
    for at in apart(topology, &ranges) {
        flows[at] = Some(ask(ranges[at].1));
    }
    for (from, to) in apart(topology, &ranges)
        .windows(2)
        .map(|pair| (pair[0], pair[1]))
    {
        settle(&mut flows, (from, to), &|at| ask(ranges[at].1), topology);
    }
    let mut answers: Vec<(SizeBucket, Flow)> = Vec::new();
    for ((bucket, _), flow) in ranges.into_iter().zip(flows) {
        match (answers.last_mut(), flow) {
            (Some((last, same)), Some(flow)) if ends_alike(topology, same, &flow) => {
                last.max = bucket.max;
            }
            (_, Some(flow)) => answers.push((bucket, flow)),
            (Some((last, _)), None) => last.max = bucket.max,
            (None, None) => unreachable!("the smallest size is asked about"),
        }
    }
    answers
}

/// The ranges of sizes between limits, smallest first, and the size to ask about in each.
fn ranges(limits: &BTreeSet<ByteSize>) -> Vec<(SizeBucket, ByteSize)> {
    let mut ranges = Vec::new();
    let mut min = ByteSize(0);
    for max in limits.iter().map(|limit| Some(*limit)).chain([None]) {
        let size = if min.0 == 0 {
            max.map_or(ORDINARY, |limit| limit.min(ORDINARY))
        } else {
            min
        };
        ranges.push((SizeBucket { min, max }, size));
        if let Some(limit) = max {
            min = ByteSize(limit.0.saturating_add(1));
        }
    }
    ranges
}

/// The ranges that are asked about in any case: the first, the last, and those on both sides of a size
/// that a mail-flow rule asks for, because a rule may do something to large messages, and an exception
/// of it undo that for larger ones.
fn apart(topology: &Topology, ranges: &[(SizeBucket, ByteSize)]) -> Vec<usize> {
    let ruled: BTreeSet<ByteSize> = marks::sizes(topology).collect();
    let ends = |at: &usize| ranges[*at].0.max.is_some_and(|max| ruled.contains(&max));
    let ruled = (0..ranges.len()).filter(ends);
    let mut all: BTreeSet<usize> = ruled.flat_map(|at| [at, at + 1]).collect();
    all.extend([0, ranges.len() - 1]);
    all.into_iter().collect()
}

/// Asks about the ranges between two that have been asked about, where these end differently. A limit
/// takes ways away as messages grow and gives none back: what goes the same way at both ends goes it in
/// between.
fn settle(
    flows: &mut [Option<Flow>],
    (from, to): (usize, usize),
    ask: &dyn Fn(usize) -> Flow,
    topology: &Topology,
) {
    let alike = match (&flows[from], &flows[to]) {
        (Some(a), Some(b)) => ends_alike(topology, a, b),
        _ => false,
    };
    if alike || to - from < 2 {
        return;
    }
    let middle = from.midpoint(to);
    flows[middle] = Some(ask(middle));
    settle(flows, (from, middle), ask, topology);
    settle(flows, (middle, to), ask, topology);
}

/// Whether two flows differ in nothing that a row of the table shows.
fn ends_alike(topology: &Topology, a: &Flow, b: &Flow) -> bool {
    let recipients = |flow: &Flow| -> Vec<Mailbox> {
        let forks = flow.forks.iter();
        forks.map(|fork| fork.recipient.clone()).collect()
    };
    same_ends(topology, a, b) && recipients(a) == recipients(b)
}

/// The same, whoever the recipients are.
fn same_ends(topology: &Topology, a: &Flow, b: &Flow) -> bool {
    a.forks.len() == b.forks.len()
        && a.forks
            .iter()
            .zip(&b.forks)
            .all(|(a, b)| shown(topology, a) == shown(topology, b))
}

fn shown<'a>(topology: &Topology, fork: &'a Fork) -> impl PartialEq + 'a {
    let path: Vec<_> = fork
        .hops
        .iter()
        .map(|hop| (topology.server(hop.server).name.clone(), hop.connector))
        .collect();
    (
        fork.disposition,
        &fork.status,
        &fork.final_status,
        fork.trust,
        &fork.flags,
        path,
    )
}
