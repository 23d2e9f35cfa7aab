//! Whom an authenticated user may write as (Exchange Server, "Recipient resolution", sender
//! permissions).

use crate::mail::{Mailbox, ReversePath, Status};
use crate::model::{Member, RecipientId, RecipientKind, ServerId, Topology};

/// Whether a user of a server may send with a reverse-path: any address of the own mailbox, and of
/// recipients that it may send as. As a written-back group nobody may: who is on premises cannot send
/// as a Microsoft 365 Group, whatever the permission says ("Configure Microsoft 365 Groups with
/// on-premises Exchange hybrid").
///
/// # Errors
/// The answer to MAIL FROM.
pub fn may_send_as(
    topology: &Topology,
    server: ServerId,
    user: &Mailbox,
    reverse_path: &ReversePath,
) -> Result<(), Status> {
    let server = topology.server(server);
    let own = topology.recipients_at(server.organization, user);
    let has =
        |id: &RecipientId, sender: &Mailbox| topology.recipient(*id).addresses.contains(sender);
    let owns = |sender: &Mailbox| sender == user || own.iter().any(|id| has(id, sender));
    let may = |sender: &Mailbox| {
        let permissions = topology.parts().send_as.iter();
        permissions
            .filter(|each| matches!(&each.trustee, Member::Recipient(id) if own.contains(id)))
            .filter_map(|each| each.identity)
            .any(|id| {
                let remote = matches!(
                    topology.recipient(id).kind,
                    RecipientKind::RemoteGroup { .. }
                );
                !remote && has(&id, sender)
            })
    };
    let sender = reverse_path.mailbox();
    if sender.is_some_and(|sender| owns(sender) || may(sender)) {
        return Ok(());
    }
    Err(server.profile.cannot_send_as.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        EXCHANGE_2013, EXCHANGE_SERVER, Organization, OrganizationKind, Parts, Profile, Recipient,
        SendAsPermission, Server, ServerRole, Settings,
    };

    fn answer(profile: &'static Profile, sender: &str) -> Result<(), String> {
        let organization = crate::model::OrganizationId::new(0);
        let server = ServerId::new(0);
        let kind = RecipientKind::Mailbox {
            server,
            echo: false,
        };
        let group = RecipientKind::RemoteGroup {
            target_address: None,
            mail_enabled: true,
            members: Vec::new(),
        };
        let may_as = |index| SendAsPermission {
            organization,
            identity: Some(RecipientId::new(index)),
            trustee: Member::Recipient(RecipientId::new(0)),
            settings: Settings::default(),
        };
        let address = |text: &str| text.parse::<Mailbox>().expect("an address");
        let addresses = vec![address("ann@contoso.com"), address("a.b@contoso.com")];
        let fqdn = "ex01.contoso.com".parse().expect("a domain");
        let topology = Topology::new(Parts {
            organizations: vec![Organization::new(
                "Contoso",
                OrganizationKind::OnPremises,
                profile,
            )],
            servers: vec![Server::new(
                organization,
                "EX01",
                fqdn,
                ServerRole::Mailbox,
                profile,
            )],
            recipients: vec![
                Recipient::new(organization, addresses, kind.clone()),
                Recipient::new(organization, vec![address("desk@contoso.com")], kind),
                Recipient::new(organization, vec![address("group@contoso.com")], group),
            ],
            send_as: [1, 2].map(may_as).to_vec(),
            ..Parts::default()
        });
        let reverse_path = sender.parse().expect("a reverse-path");
        may_send_as(
            &topology,
            server,
            &address("ann@contoso.com"),
            &reverse_path,
        )
        .map_err(|status| status.to_string())
    }

    #[test]
    fn a_user_writes_under_the_own_addresses_and_as_those_that_let_it() {
        assert_eq!(answer(&EXCHANGE_SERVER, "A.B@contoso.com"), Ok(()));
        let refusal = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
        assert_eq!(answer(&EXCHANGE_SERVER, "desk@contoso.com"), Ok(()));
        for other in ["team@contoso.com", "group@contoso.com", "<>"] {
            assert_eq!(answer(&EXCHANGE_SERVER, other), Err(refusal.to_owned()));
        }
        let older = "550 5.7.1 Client does not have permissions to send as this sender";
        assert_eq!(
            answer(&EXCHANGE_2013, "team@contoso.com"),
            Err(older.to_owned())
        );
    }
}
