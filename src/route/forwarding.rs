//! Mail that goes on to another address: target addresses of those who are elsewhere, and what
//! mailboxes forward (Exchange Server, "Recipient resolution"; "Configure email forwarding for a
//! mailbox"; "Remote domains").

use super::item::LoopKind;
use super::resolve::{By, Link, Resolver, Way, holders, mailbox_place};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::{AuthAs, Domain, Mailbox, ReversePath};
use crate::model::{
    AutoForwarding, InboxRule, Member, OrganizationId, Recipient, RecipientId, ServerId, Topology,
    replies,
};

/// What holds automatic forwarding back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// An NDR tells the sender.
    Refused(Reason),
    /// The copy is not sent, and nobody is told.
    Dropped(Reason),
}

/// Whether something forbids an organization's automatic forwarding to a domain: nothing does to an own
/// one.
#[must_use]
pub fn forwarding_is_held(
    topology: &Topology,
    organization: OrganizationId,
    domain: &Domain,
) -> Option<Held> {
    if topology.accepted_domain_for(organization, domain).is_some() {
        return None;
    }
    let own = topology.organization(organization);
    // Exchange Online, "Control automatic external email forwarding": whichever control blocks,
    // blocks; the outbound spam policy answers.
    if own.profile.forwarding_refused.is_some() && own.tenant.auto_forwarding != AutoForwarding::On
    {
        return Some(Held::Refused(Reason::AutoForwardingOff));
    }
    let remote = topology.remote_domain_for(organization, domain);
    let allowed = remote.map_or(own.profile.forwards_to_undescribed, |remote| {
        remote.auto_forward
    });
    (!allowed).then(|| Held::Dropped(Reason::AutoForwardDisabled(domain.clone())))
}

impl Resolver<'_> {
    /// Mail for somebody who is elsewhere goes to the target address; if that is another recipient
    /// here, resolution goes on with it.
    pub(super) fn redirect(
        &mut self,
        id: RecipientId,
        target: &Mailbox,
        address: &Mailbox,
        mut way: Way,
    ) {
        way.steps.push(
            Step::new(Event::Redirect, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::TargetAddress(target.clone())),
        );
        let another = holders(self.topology, self.item, target)
            .iter()
            .any(|holder| *holder != id);
        if another {
            way.by = By::Redirect;
            self.chain.push(Link {
                id,
                by: LoopKind::Recipient,
            });
            self.resolve(target, way);
            self.chain.pop();
        } else {
            self.elsewhere(target, way);
        }
    }

    /// Mail for a mailbox: into it, on to where it is forwarded, or both.
    pub(super) fn mailbox(
        &mut self,
        id: RecipientId,
        server: ServerId,
        address: &Mailbox,
        mut way: Way,
    ) {
        let recipient = self.topology.recipient(id);
        let forwarding = &recipient.policy().forwarding;
        let forwards = forwarding.address.is_some() || forwarding.smtp_address.is_some();
        let again = self.keeps(recipient, &way);
        if forwards && again {
            way.steps.push(
                Step::new(Event::DuplicateRedirect, address)
                    .chosen(Subject::Recipient(id))
                    .because(Reason::ForwardedBefore),
            );
        }
        let forwards = forwards && !again;
        if !forwards || forwarding.deliver_too {
            let place = mailbox_place(self.topology, id, server);
            self.go_on(recipient.primary(), place, way.clone());
            // Somebody has it now, so that mail that comes back here is a harmless loop.
            let chain = std::mem::take(&mut self.chain);
            if forwards {
                self.forward(id, address, way.clone());
            }
            for rule in &forwarding.inbox_rules {
                self.inbox_rule(id, rule, way.clone());
            }
            self.chain = chain;
        } else {
            self.chain.push(Link {
                id,
                by: LoopKind::Forwarding,
            });
            self.forward(id, address, way);
            self.chain.pop();
        }
    }

    /// Whether a mailbox has its own mail back and does not forward it once more.
    pub(super) fn keeps(&self, recipient: &Recipient, way: &Way) -> bool {
        self.organization().profile.stops_forwarding_again
            && self.forwarded_before(recipient.primary(), way)
    }

    /// Whether a mailbox has sent the message on already: on another server, or on the way here.
    fn forwarded_before(&self, primary: &Mailbox, way: &Way) -> bool {
        self.item.trace.forwarded_for.contains(primary)
            || way.changes.forwarded_for.contains(primary)
    }

    /// `ForwardingAddress`, else `ForwardingSmtpAddress`.
    fn forward(&mut self, id: RecipientId, address: &Mailbox, mut way: Way) {
        let recipient = self.topology.recipient(id);
        let forwarding = &recipient.policy().forwarding;
        let target = match (&forwarding.address, &forwarding.smtp_address) {
            (Some(Member::Recipient(to)), _) => self.topology.recipient(*to).primary(),
            (Some(Member::Nobody(to)), _) | (None, Some(to)) => to,
            (None, None) => return,
        };
        way.steps.push(
            Step::new(Event::Redirect, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::ForwardingAddress(target.clone())),
        );
        way.by = By::Redirect;
        if self.organization().profile.stops_forwarding_again {
            way.changes.forwarded_for.push(recipient.primary().clone());
        }
        match &forwarding.address {
            Some(Member::Recipient(to)) => self.known(*to, target, way),
            Some(Member::Nobody(_)) => {
                let step = Step::new(Event::Fail, target)
                    .chosen(Subject::Recipient(id))
                    .because(Reason::NotFound);
                self.fail(target, replies::FORWARDING_NOT_FOUND.clone(), way, step);
            }
            // Choice: an administrator's forwarding to a recipient object is not what the controls of
            // automatic forwarding are about; an address, which users may set themselves, is.
            None => self.forward_automatically(id, target, way),
        }
    }

    /// What a user's rule sends on once the message is in the mailbox.
    ///
    /// After so many rules the message is not sent on any more, and nobody is told (Exchange Online,
    /// "Loop detection": X-MS-Exchange-Inbox-Rules-Loop).
    ///
    /// Choice: it leaves from the server that resolves the mailbox, which need not be the one that
    /// holds it; and in both products a mailbox whose rule sent a message on does not do so again,
    /// though the limit would let it pass three times on premises.
    fn inbox_rule(&mut self, id: RecipientId, rule: &InboxRule, mut way: Way) {
        let primary = self.topology.recipient(id).primary().clone();
        let before = &self.item.trace.redirected_by;
        if before.contains(&primary) || way.changes.redirected_by.contains(&primary) {
            return;
        }
        let count = self.item.trace.redirected_by.len() + way.changes.redirected_by.len();
        let limit = self.organization().profile.inbox_rules_max;
        if let Some(limit) = limit.filter(|limit| count >= *limit) {
            let step = Step::new(Event::Drop, &rule.target).chosen(Subject::Recipient(id));
            way.steps
                .push(step.because(Reason::TooManyInboxRules { count, limit }));
            return self.suppress(&rule.target, way);
        }
        way.steps.push(
            Step::new(Event::Redirect, &primary)
                .chosen(Subject::Recipient(id))
                .because(Reason::InboxRule(rule.target.clone())),
        );
        way.by = By::Redirect;
        way.changes.redirected_by.push(primary.clone());
        // Choice: what has the null reverse-path keeps it (RFC 5321 §4.5.5). A report that a rule made a
        // message of would be reported again where it fails, for ever.
        if rule.redirects || self.item.reverse_path == ReversePath::Null {
            self.forward_automatically(id, &rule.target, way);
        } else {
            // A new message, from the owner of the mailbox: who has the first one gets it all the same.
            // Choice: further rules make no more of it for those who have it, so that what users send
            // each other by rules stays as many messages as they are.
            let met = (count == 0).then(|| std::mem::take(&mut self.seen));
            way.changes.reverse_path = Some(ReversePath::Mailbox(primary));
            way.changes.auth_as = Some(AuthAs::Internal);
            way.changes.notify_never = false;
            way.original = None;
            self.forward_automatically(id, &rule.target, way);
            self.seen = met.unwrap_or_else(|| std::mem::take(&mut self.seen));
        }
    }

    fn forward_automatically(&mut self, id: RecipientId, target: &Mailbox, mut way: Way) {
        let step = |event| Step::new(event, target).chosen(Subject::Recipient(id));
        match forwarding_is_held(self.topology, self.item.organization, &target.domain) {
            None => self.resolve(target, way),
            Some(Held::Refused(reason)) => {
                let status = self.organization().profile.forwarding_refused.clone();
                let status = status.unwrap_or_else(|| replies::RECIPIENT_RESTRICTED.clone());
                self.fail(target, status, way, step(Event::Fail).because(reason));
            }
            Some(Held::Dropped(reason)) => {
                way.steps.push(step(Event::Drop).because(reason));
                self.suppress(target, way);
            }
        }
    }
}
