//! Whom an authenticated user may write as (Exchange Server, "Recipient resolution", sender
//! permissions).

use crate::mail::{Mailbox, ReversePath, Status};
use crate::model::{ServerId, Topology};

/// Whether a user of a server may send with a reverse-path: any address of the own mailbox. The world
/// describes no Send As permissions, and one for a group would not help: who is on premises cannot
/// send as a Microsoft 365 Group ("Configure Microsoft 365 Groups with on-premises Exchange hybrid").
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
    let owns = |sender: &Mailbox| {
        sender == user
            || topology
                .recipients_at(server.organization, user)
                .iter()
                .any(|id| topology.recipient(*id).addresses.contains(sender))
    };
    if reverse_path.mailbox().is_some_and(owns) {
        return Ok(());
    }
    Err(server.profile.cannot_send_as.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        EXCHANGE_2013, EXCHANGE_SERVER, Organization, OrganizationKind, Parts, Profile, Recipient,
        RecipientKind, Server, ServerRole,
    };

    fn answer(profile: &'static Profile, sender: &str) -> Result<(), String> {
        let organization = crate::model::OrganizationId::new(0);
        let server = ServerId::new(0);
        let kind = RecipientKind::Mailbox {
            server,
            echo: false,
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
            recipients: vec![Recipient::new(organization, addresses, kind)],
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
    fn a_user_writes_under_the_own_addresses_only() {
        assert_eq!(answer(&EXCHANGE_SERVER, "A.B@contoso.com"), Ok(()));
        let refusal = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
        for other in ["team@contoso.com", "<>"] {
            assert_eq!(answer(&EXCHANGE_SERVER, other), Err(refusal.to_owned()));
        }
        let older = "550 5.7.1 Client does not have permissions to send as this sender";
        assert_eq!(
            answer(&EXCHANGE_2013, "team@contoso.com"),
            Err(older.to_owned())
        );
    }
}
