//! Which Receive connectors on premises serve the cloud (Exchange Server, "Receive connectors in Exchange
//! Server": the one with the narrowest range that contains the client).

use super::crossing::{Crossing, Landing, SERVICE, crossings, is_sent_by, takes_cloud_mail};
use crate::model::{
    IpRange, Matcher, PermissionGroup, ReceiveConnector, ReceiveConnectorId, SendConnectorId,
    Settings,
};
use crate::route::{Reason, Rejected, Subject};
use crate::verify::context::{Context, Found};
use crate::verify::draft::Draft;
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Certificates, serving),
    Rule::new(Stage::Notes, differing),
];

/// `RemoteIPRanges` of everyone.
const EVERYONE: [&str; 2] = [
    "0.0.0.0-255.255.255.255",
    "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// Servers on which another connector than the hybrid one serves the cloud, or none does.
fn serving(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for id in crossing.connectors() {
            let landings = crossing.landings(crossing.topology.send_connector(id));
            let draft = landings
                .iter()
                .find_map(|landing| crossing.misserved(id, landing));
            let claims = || crossing.astray(context, |fork| is_sent_by(fork, id));
            found.extend(draft.map(|draft| draft.claims(context, claims())));
        }
    }
    found
}

impl Crossing<'_> {
    fn misserved(&self, id: SendConnectorId, landing: &Landing) -> Option<Draft> {
        if !self.is_on_premises(landing) {
            return None;
        }
        let (serving, rejected) = self.reception(self.topology.send_connector(id), landing)?;
        let connector = |id| self.topology.receive_connector(id);
        if serving.is_some_and(|id| takes_cloud_mail(connector(id))) {
            return None;
        }
        let passed_over = |lost: &Rejected| match lost.candidate {
            Subject::ReceiveConnector(id) => Some((id, lost.reason.clone())),
            _ => None,
        };
        let mut hybrid = rejected
            .iter()
            .filter_map(passed_over)
            .filter(|(id, _)| takes_cloud_mail(connector(*id)));
        let (hybrid, reason) = hybrid.next()?;
        match (serving, reason) {
            (Some(serving), Reason::WiderRange | Reason::WiderBinding | Reason::LaterName) => {
                Some(self.captures(serving, hybrid))
            }
            (serving, Reason::AddressNotInRange) => Some(self.misses(serving, hybrid)),
            _ => None,
        }
    }

    /// Another connector has a narrower range with the cloud in it.
    fn captures(&self, serving: ReceiveConnectorId, hybrid: ReceiveConnectorId) -> Draft {
        let connector = self.topology.receive_connector(serving);
        let like = self.topology.receive_connector(hybrid);
        let name = self.identity(connector);
        let message = format!(
            "the Receive connector `{name}` serves Exchange Online in the place of `{}`",
            like.name
        );
        let settings = &connector.settings;
        let groups = connector.permission_groups.iter().copied();
        let groups: std::collections::BTreeSet<_> =
            groups.chain([PermissionGroup::AnonymousUsers]).collect();
        let groups: Vec<String> = groups
            .iter()
            .map(|group| group.as_str().to_owned())
            .collect();
        let mut script = format!(
            "Set-ReceiveConnector -Identity {} -TlsDomainCapabilities {SERVICE}:AcceptCloudServicesMail -PermissionGroups {}",
            powershell::quoted(&name),
            powershell::list(&groups)
        );
        let capability = edit::list([format!("{SERVICE}:AcceptCloudServicesMail")]);
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(edit::set_key(
            settings,
            "PermissionGroups",
            &edit::list(groups),
        ));
        edits.extend(edit::set_key(
            settings,
            "TlsDomainCapabilities",
            &capability,
        ));
        if let Some(certificate) = &like.tls_certificate_name {
            let (parameter, edit) = with_certificate(settings, certificate);
            script.push_str(&parameter);
            edits.extend(edit);
        }
        Finding::of(
            "receive-connector-captures-cloud",
            settings.at("RemoteIPRanges"),
            message,
        )
        .because("its RemoteIPRanges contain the cloud's addresses and are narrower")
        .help("take the cloud's addresses out of its RemoteIPRanges, or give it what the hybrid connector has")
        .fix(Side::OnPremises, script, edits)
    }

    /// The hybrid connector does not serve the cloud's addresses.
    fn misses(&self, serving: Option<ReceiveConnectorId>, hybrid: ReceiveConnectorId) -> Draft {
        let connector = self.topology.receive_connector(hybrid);
        let name = self.identity(connector);
        let message = format!(
            "the RemoteIPRanges of `{name}` do not contain the addresses of Exchange Online"
        );
        let mut script = format!(
            "Set-ReceiveConnector -Identity {} -RemoteIPRanges {}",
            powershell::quoted(&name),
            powershell::list(EVERYONE)
        );
        let settings = &connector.settings;
        let value = edit::list(EVERYONE.map(str::to_owned));
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(edit::set_key(settings, "RemoteIPRanges", &value));
        // One that serves everybody else would go on to do so, where it is bound more closely.
        let rest = serving.map(|id| self.topology.receive_connector(id));
        if let Some(rest) = rest.filter(|rest| serves_everyone(rest)) {
            script = format!(
                "{script}\nSet-ReceiveConnector -Identity {} -Enabled $false",
                powershell::quoted(self.identity(rest))
            );
            edits.extend(edit::set_key(&rest.settings, "Enabled", "false"));
        }
        Finding::of(
            "receive-connector-misses-cloud",
            settings.at("RemoteIPRanges"),
            message,
        )
        .because("the addresses of the service change, and no list of them stays right")
        .help("serve everyone: the certificate says who the cloud is, not the address")
        .fix(Side::OnPremises, script, edits)
    }

    /// `server\connector`.
    fn identity(&self, connector: &ReceiveConnector) -> String {
        let server = &self.topology.server(connector.server).name;
        format!("{server}\\{}", connector.name)
    }
}

fn serves_everyone(connector: &ReceiveConnector) -> bool {
    match &connector.matcher {
        Matcher::Endpoint {
            remote_ip_ranges, ..
        } => IpRange::are_for_everyone(remote_ip_ranges),
        Matcher::Peer { .. } => false,
    }
}

/// Servers behind one smart host whose connectors for the cloud are not alike.
///
/// The cloud takes either of them, so a part of its mail goes wrong; a prediction takes the first.
fn differing(context: &Context<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for crossing in crossings(context) {
        for id in crossing.connectors() {
            let connector = crossing.topology.send_connector(id);
            let landings = crossing.landings(connector);
            let serving = landings.iter().filter_map(|landing| {
                let (serving, _) = crossing.reception(connector, landing)?;
                serving.map(|id| crossing.topology.receive_connector(id))
            });
            let serving: Vec<&ReceiveConnector> = serving.collect();
            let Some((first, others)) = serving.split_first() else {
                continue;
            };
            let odd = others.iter().find(|other| !alike(first, other));
            if let Some(odd) = odd.filter(|_| takes_cloud_mail(first)) {
                let addresses = context.open_where(|asked| {
                    let mut forks = asked.ordinary().forks.iter();
                    forks.any(|fork| is_sent_by(fork, id))
                });
                let affected = context.affected(&addresses);
                let draft = crossing.differs(first, odd);
                found.push(draft.claims_nothing(affected, None));
            }
        }
    }
    found
}

/// Whether two connectors show the cloud the same certificate and take its headers alike.
fn alike(one: &ReceiveConnector, other: &ReceiveConnector) -> bool {
    one.tls_certificate_name == other.tls_certificate_name
        && takes_cloud_mail(one) == takes_cloud_mail(other)
        && matches!(other.matcher, Matcher::Endpoint { .. })
}

/// The parameter and the edits that give a Receive connector a certificate.
fn with_certificate(settings: &Settings, certificate: &str) -> (String, Option<Edit>) {
    (
        format!(" -TlsCertificateName {}", powershell::quoted(certificate)),
        edit::set_key(settings, "TlsCertificateName", &edit::quoted(certificate)),
    )
}

impl Crossing<'_> {
    fn differs(&self, first: &ReceiveConnector, odd: &ReceiveConnector) -> Draft {
        let name = self.identity(odd);
        let message = format!(
            "the Receive connectors `{}` and `{name}` serve the cloud behind one smart host, and are not alike",
            self.identity(first)
        );
        let settings = &odd.settings;
        let capability = format!("{SERVICE}:AcceptCloudServicesMail");
        let mut script = format!(
            "Set-ReceiveConnector -Identity {} -TlsDomainCapabilities {capability}",
            powershell::quoted(&name)
        );
        let mut edits: Vec<Edit> = Vec::new();
        edits.extend(edit::set_key(
            settings,
            "TlsDomainCapabilities",
            &edit::list([capability]),
        ));
        if let Some(certificate) = &first.tls_certificate_name {
            let (parameter, edit) = with_certificate(settings, certificate);
            script.push_str(&parameter);
            edits.extend(edit);
        }
        Finding::of(
            "hybrid-receive-connectors-differ",
            settings.object.as_ref(),
            message,
        )
        .because("the cloud sends to either of them")
        .help("give both the same TlsCertificateName and TlsDomainCapabilities")
        .fix(Side::OnPremises, script, edits)
    }
}
