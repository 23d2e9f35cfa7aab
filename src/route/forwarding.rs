//! Mail that goes on to another address: target addresses of those who are elsewhere (Exchange
//! Server, "Recipient resolution").

use super::resolve::{Resolver, holders};
use super::step::{Event, Reason, Step, Subject};
use crate::mail::Mailbox;
use crate::model::RecipientId;

impl Resolver<'_> {
    /// Mail for somebody who is elsewhere goes to the target address; if that is another recipient
    /// here, resolution goes on with it.
    pub(super) fn redirect(
        &mut self,
        id: RecipientId,
        target: &Mailbox,
        address: &Mailbox,
        group: Option<RecipientId>,
        mut steps: Vec<Step>,
    ) {
        steps.push(
            Step::new(Event::Redirect, address)
                .chosen(Subject::Recipient(id))
                .because(Reason::TargetAddress(target.clone())),
        );
        let another = holders(self.topology, self.item, target)
            .iter()
            .any(|holder| *holder != id);
        if another {
            self.redirected.push(id);
            self.resolve(target, group, steps);
            self.redirected.pop();
        } else {
            self.elsewhere(target, group, steps)
        }
    }
}
