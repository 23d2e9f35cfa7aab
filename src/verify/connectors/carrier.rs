//! Which Send connector carries a domain of the tenant, seen from every Mailbox server on premises,
//! and what to change where it is not a hybrid one (Exchange Server, "Connector selection in external
//! message routing").

use crate::diag::{Diagnostic, Location};
use crate::mail::{ByteSize, Domain, Limit};
use crate::model::{
    Routing, SendConnector, SendConnectorId, ServerId, ServerRole, TlsAuthLevel, Topology,
};
use crate::route::{self, Reason, Rejected, Selection, Subject};
use crate::verify::edit;
use crate::verify::finding::{Fix, Side};
use crate::verify::hybrid::Pair;
use crate::verify::powershell;

/// What is wrong, and how it is mended.
pub(in crate::verify) type Fault = (Diagnostic, Vec<Fix>);

/// A domain that mail from on premises should reach by a hybrid Send connector.
pub(in crate::verify) struct Carrier<'a> {
    pub(in crate::verify) topology: &'a Topology,
    pub(in crate::verify) pair: Pair,
    pub(in crate::verify) domain: &'a Domain,
}

impl Carrier<'_> {
    fn topology(&self) -> &Topology {
        self.topology
    }

    /// The selection that decides for mail from each Mailbox server: where the source is another
    /// server, that one selects again.
    fn selections(&self) -> Vec<Selection> {
        self.pair
            .mailbox_servers(self.topology)
            .into_iter()
            .map(|id| self.final_selection(id))
            .collect()
    }

    fn final_selection(&self, server: ServerId) -> Selection {
        let ordinary = ByteSize(10 * 1024);
        let mut at = server;
        // Each relay goes to a source server, which keeps the message; more hops would be a loop.
        for _ in 0..self.topology.parts().servers.len() {
            let selection = route::select(self.topology, at, self.domain, ordinary);
            let sources = selection
                .winner
                .ok()
                .map(|id| &self.topology.send_connector(id).sources);
            match sources
                .filter(|sources| !sources.contains(&at))
                .and_then(|sources| sources.first())
            {
                Some(source) if self.topology.server(*source).directory => at = *source,
                Some(_) | None => return selection,
            }
        }
        route::select(self.topology, server, self.domain, ordinary)
    }

    /// The connector is one that carries organization headers.
    pub(in crate::verify) fn not_on_hybrid_connector(
        &self,
        code: &'static str,
        what: &str,
    ) -> Option<Fault> {
        let hybrid = self.pair.carriers(self.topology);
        let is_hybrid = |id: SendConnectorId| hybrid.contains(&id);
        let selections = self.selections();
        let wrong = selections
            .iter()
            .find(|selection| !selection.winner.is_ok_and(is_hybrid))?;
        let message = self.carried_otherwise(wrong, what);
        if let Some(loser) = hybrid.iter().find(|id| self.is_covered_by(**id)) {
            return Some(self.passed_over(code, message, wrong, *loser));
        }
        // One that is switched off, which is another finding, can be mended as well.
        let enabled = hybrid.first().map(|id| self.topology.send_connector(*id));
        let made = || self.pair.wizard_connectors(self.topology).next();
        let Some(connector) = enabled.or_else(made) else {
            return Some((self.no_hybrid_connector(code, message), Vec::new()));
        };
        let place = connector.settings.at("AddressSpaces").cloned();
        let diagnostic = Diagnostic::new(code, place, message).help(format!(
            "add `{}` to the AddressSpaces of `{}`",
            self.domain, connector.name
        ));
        let edge = connector
            .sources
            .iter()
            .find(|id| !self.topology.server(**id).directory);
        let fix = match edge {
            // An Edge server would send an InternalRelay domain back inside.
            Some(edge) if what == "group domain" => {
                self.separate_connector(connector, &self.mailbox_servers_beside(*edge))
            }
            _ => set_address_spaces(
                self.topology,
                connector,
                spaces_of(connector)
                    .chain([self.domain.to_string()])
                    .collect(),
            ),
        };
        Some((diagnostic, vec![fix]))
    }

    /// By what the domain leaves instead.
    fn carried_otherwise(&self, selection: &Selection, what: &str) -> String {
        match selection.winner {
            Ok(id) => format!(
                "mail for the {what} `{}` leaves by `{}`, not by a hybrid Send connector",
                self.domain,
                self.topology.send_connector(id).name
            ),
            Err(_) => format!("no Send connector covers the {what} `{}`", self.domain),
        }
    }

    /// Whether a Send connector has an address space for the domain.
    fn is_covered_by(&self, id: SendConnectorId) -> bool {
        let (topology, own) = (self.topology, self.pair.on_premises);
        let mut spaces = topology.send_connector(id).address_spaces.iter();
        spaces.any(|space| route::covers(topology, own, &space.pattern, self.domain))
    }

    /// Whether a hybrid connector for the domain is switched off.
    pub(in crate::verify) fn is_switched_off(&self) -> bool {
        let (topology, own) = (self.topology, self.pair.on_premises);
        let covers = |connector: &SendConnector| {
            let mut spaces = connector.address_spaces.iter();
            spaces.any(|space| route::covers(topology, own, &space.pattern, self.domain))
        };
        let mut wizard = self.pair.wizard_connectors(topology);
        wizard.any(|connector| !connector.enabled && covers(connector))
    }

    /// There is no hybrid connector that the domain could be added to.
    fn no_hybrid_connector(&self, code: &'static str, message: String) -> Diagnostic {
        let organization = self.topology.organization(self.pair.on_premises);
        let place = organization.settings.object.clone();
        Diagnostic::new(code, place, message).help(
            "no enabled Send connector leads to Exchange Online as the wizard's does: run the Hybrid Configuration wizard",
        )
    }

    /// A hybrid connector covers the domain, and something else wins.
    fn passed_over(
        &self,
        code: &'static str,
        message: String,
        selection: &Selection,
        loser: SendConnectorId,
    ) -> Fault {
        let connector = self.topology.send_connector(loser);
        let lost = |each: &&Rejected| each.candidate == Subject::SendConnector(loser);
        let reason = selection
            .rejected
            .iter()
            .find(lost)
            .map(|each| &each.reason);
        let key = match reason {
            Some(Reason::TooLarge { .. }) => "MaxMessageSize",
            Some(Reason::OutOfScope) => "IsScopedConnector",
            Some(_) | None => "AddressSpaces",
        };
        let place = connector.settings.at(key).cloned();
        let mut diagnostic = Diagnostic::new(code, place, message);
        if let Some(reason) = reason {
            diagnostic =
                diagnostic.because(format!("`{}` is passed over: {reason}", connector.name));
        }
        let diagnostic = diagnostic.help(format!(
            "make `{}` win the connector selection: look at its {key}",
            connector.name
        ));
        let fix = match key {
            "MaxMessageSize" => set(
                self.topology,
                connector,
                key,
                "Unlimited",
                &edit::quoted("Unlimited"),
            ),
            "IsScopedConnector" => set(self.topology, connector, key, "$false", "false"),
            _ => {
                let rival = selection
                    .winner
                    .ok()
                    .map(|id| self.topology.send_connector(id));
                set(
                    self.topology,
                    rival.unwrap_or(connector),
                    "Enabled",
                    "$false",
                    "false",
                )
            }
        };
        (diagnostic, vec![fix])
    }

    /// The Mailbox servers of an Edge server's site.
    fn mailbox_servers_beside(&self, edge: ServerId) -> Vec<String> {
        let site = &self.topology.server(edge).site;
        let servers = self.pair.mailbox_servers(self.topology);
        let servers = servers.iter().map(|id| self.topology.server(*id));
        servers
            .filter(|server| server.site == *site)
            .map(|server| server.name.clone())
            .collect()
    }

    /// The source servers: Mailbox servers.
    pub(in crate::verify) fn sent_by_edge(&self) -> Option<Fault> {
        let topology = self.topology();
        let is_edge = |id: &ServerId| !topology.server(*id).directory;
        let winner = self
            .selections()
            .into_iter()
            .filter_map(|selection| selection.winner.ok())
            // What leaves by another connector is to leave by a hybrid one first.
            .filter(|id| self.pair.carriers(topology).contains(id))
            .find(|id| topology.send_connector(*id).sources.iter().any(is_edge));
        let connector = topology.send_connector(winner?);
        let edge = connector.sources.iter().copied().find(is_edge)?;
        let place = connector.settings.at("SourceTransportServers").cloned();
        let message = format!(
            "the Edge server {} is a source of `{}`, which carries the group domain `{}`",
            topology.server(edge).name,
            connector.name,
            self.domain
        );
        let diagnostic = Diagnostic::new("group-domain-sent-by-edge", place, message).help(
            "carry the group domain on a Send connector of its own, with Mailbox servers as sources (Mailbox and Edge servers cannot be mixed)",
        );
        let sources = self.mailbox_servers_beside(edge);
        let rest: Vec<String> = spaces_of(connector)
            .filter(|space| *space != self.domain.to_string())
            .collect();
        let mut fixes = Vec::new();
        if rest.is_empty() {
            let at = connector.settings.written("SourceTransportServers");
            let edits = at.map(|at| edit::replace(at, edit::list(sources.clone())));
            let list = format!("-SourceTransportServers {}", powershell::list(&sources));
            let script = script(self.topology, connector, &list);
            fixes.push(Fix {
                side: Side::OnPremises,
                script,
                edits: edits.into_iter().collect(),
            });
        } else {
            fixes.push(set_address_spaces(self.topology, connector, rest));
            fixes.push(self.separate_connector(connector, &sources));
        }
        Some((diagnostic, fixes))
    }

    /// A connector like the given one for the group domain alone, sourced on Mailbox servers.
    fn separate_connector(&self, like: &SendConnector, sources: &[String]) -> Fix {
        let name = format!("{} - groups", like.name);
        let keys = keys_like(like, name, self.domain.to_string(), sources);
        let parameters = keys
            .iter()
            .map(|(key, value)| format!("-{key} {}", value.in_powershell()));
        let script = format!(
            "New-SendConnector {}",
            parameters.collect::<Vec<_>>().join(" ")
        );
        let keys: Vec<(&str, String)> = keys
            .iter()
            .map(|(key, value)| (*key, value.in_world()))
            .collect();
        let edits = like
            .settings
            .object
            .iter()
            .map(|at| edit::insert_object(at, "OnPremises.SendConnectors", &keys));
        Fix {
            side: Side::OnPremises,
            script,
            edits: edits.collect(),
        }
    }
}

/// The keys of a connector of this name for one domain that is otherwise as the given one.
fn keys_like(
    like: &SendConnector,
    name: String,
    domain: String,
    sources: &[String],
) -> Vec<(&'static str, Value)> {
    use Value::{Text, Texts, Truth};
    let mut keys = vec![
        ("Name", Text(name)),
        ("AddressSpaces", Texts(vec![domain])),
        ("SourceTransportServers", Texts(sources.to_vec())),
        ("RequireTLS", Truth(like.require_tls)),
        ("CloudServicesMailEnabled", Truth(true)),
    ];
    if let Some(level) = like.tls_auth_level {
        keys.push(("TlsAuthLevel", Text(level.as_str().to_owned())));
    }
    if let Some(domain) = like
        .tls_domain
        .as_ref()
        .filter(|_| like.tls_auth_level == Some(TlsAuthLevel::DomainValidation))
    {
        keys.push(("TlsDomain", Text(domain.to_string())));
    }
    if let Some(certificate) = &like.tls_certificate_name {
        keys.push(("TlsCertificateName", Text(certificate.clone())));
    }
    if let Some(fqdn) = &like.fqdn {
        keys.push(("Fqdn", Text(fqdn.to_string())));
    }
    if let Routing::SmartHosts(hosts) = &like.routing {
        let hosts = hosts.iter().map(ToString::to_string);
        keys.push(("SmartHosts", Texts(hosts.collect())));
    }
    if let Limit::Bytes(size) = like.max_message_size {
        keys.push(("MaxMessageSize", Text(size.to_string())));
    }
    keys
}

/// What a key is set to.
enum Value {
    Text(String),
    Texts(Vec<String>),
    Truth(bool),
}

impl Value {
    fn in_powershell(&self) -> String {
        match self {
            Self::Text(text) => powershell::quoted(text),
            Self::Texts(texts) => powershell::list(texts),
            Self::Truth(truth) => format!("${truth}"),
        }
    }

    fn in_world(&self) -> String {
        match self {
            Self::Text(text) => edit::quoted(text),
            Self::Texts(texts) => edit::list(texts.clone()),
            Self::Truth(truth) => truth.to_string(),
        }
    }
}

/// The address spaces of a connector as its list has them.
fn spaces_of(connector: &SendConnector) -> impl Iterator<Item = String> {
    connector
        .address_spaces
        .iter()
        .map(|space| match space.cost {
            1 => space.pattern.to_string(),
            cost => format!("SMTP:{};{cost}", space.pattern),
        })
}

/// What follows a change of a connector whose sources are Edge servers: they have a copy, which EdgeSync
/// brings up to date (Exchange Server, "Edge Subscriptions").
pub(super) fn to_edge(topology: &Topology, sources: &[ServerId]) -> &'static str {
    let has_copy = |id: &ServerId| {
        let server = topology.server(*id);
        server.role == ServerRole::Edge && server.subscribed
    };
    if sources.iter().any(has_copy) {
        "\nStart-EdgeSynchronization"
    } else {
        ""
    }
}

/// `Set-SendConnector` with parameters.
pub(in crate::verify) fn script(
    topology: &Topology,
    connector: &SendConnector,
    parameters: &str,
) -> String {
    format!(
        "Set-SendConnector -Identity {} {parameters}{}",
        powershell::quoted(&connector.name),
        to_edge(topology, &connector.sources)
    )
}

/// `Set-SendConnector` with one key: as PowerShell and as the world write the value.
pub(in crate::verify) fn set(
    topology: &Topology,
    connector: &SendConnector,
    key: &str,
    value: &str,
    in_world: &str,
) -> Fix {
    let edit = edit::set_key(&connector.settings, key, in_world);
    Fix {
        side: Side::OnPremises,
        script: script(topology, connector, &format!("-{key} {value}")),
        edits: edit.into_iter().collect(),
    }
}

/// `Set-SendConnector -AddressSpaces`, which replaces the list.
fn set_address_spaces(topology: &Topology, connector: &SendConnector, spaces: Vec<String>) -> Fix {
    let list = format!("-AddressSpaces {}", powershell::list(&spaces));
    let script = script(topology, connector, &list);
    let at: Option<&Location> = connector.settings.written("AddressSpaces");
    let edits = at.map(|at| edit::replace(at, edit::list(spaces)));
    Fix {
        side: Side::OnPremises,
        script,
        edits: edits.into_iter().collect(),
    }
}
