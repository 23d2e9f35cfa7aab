//! Edge Transport servers on the way of hybrid mail, as servers (Exchange hybrid, "Edge Transport servers
//! with hybrid deployments"; Exchange Server, "Edge Subscriptions in Exchange Server").

use jiff::SignedDuration;

use super::builds;
use crate::dns::{self, View};
use crate::flow::Disposition;
use crate::model::{
    RecipientValidation, Routing, SendConnector, Server, ServerId, ServerRole, SmartHost,
};
use crate::route::Reason;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::questions::Asked;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::EdgeSource, not_subscribed),
    Rule::new(Stage::Notes, of_a_bad_build),
    Rule::new(Stage::Notes, subscribed_after_the_wizard),
    Rule::new(Stage::Notes, not_synchronized),
];

/// How old what an Edge server knows may be, in hours. Choice: EdgeSync copies the configuration every
/// few minutes; a day without it is no pause any more.
const SYNCHRONIZED_WITHIN: i64 = 24;

/// The build of Exchange 2016 CU1, less its revision.
const CU1: [u32; 3] = [15, 1, 396];

/// Edge servers whose build refuses valid recipients, where recipients are looked up.
fn of_a_bad_build(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let bad = topology.servers().filter(|(_, server)| {
        let build = builds::build_of(server);
        server.role == ServerRole::Edge
            && server.recipient_validation == RecipientValidation::Authoritative
            && server.recipient_filter.enabled
            && build.is_some_and(|build| build[..3] == CU1)
    });
    let found = bad.map(|(_, server)| {
        const KEY: &str = "RecipientValidationEnabled";
        let message = format!(
            "the Edge server {} looks recipients up, and its build, Exchange 2016 CU1, refuses valid ones",
            server.name
        );
        let place = server.settings.at("AdminDisplayVersion");
        Finding::of("edge-build-rejects-valid-recipients", place, message)
            .help("install a later cumulative update; until then let the categorizer find out who exists")
            .fix(
                Side::OnPremises,
                format!("Set-RecipientFilterConfig -{KEY} $false"),
                server
                    .settings
                    .written(KEY)
                    .map(|at| edit::replace(at, "false".to_owned())),
            )
            .claims_nothing(people::count(topology, server.organization), None)
    });
    found.collect()
}

/// The Edge servers that hybrid mail passes, of every deployment.
fn on_the_way(context: &Context<'_>) -> Vec<(Pair, ServerId)> {
    let topology = context.topology;
    let mut found = Vec::new();
    for pair in hybrid::pairs(topology) {
        let edge = topology.servers().filter(|(_, server)| {
            server.organization == pair.on_premises && server.role == ServerRole::Edge
        });
        found.extend(
            edge.filter(|(id, server)| {
                sends(context, pair, *id) || receives(context, pair, server)
            })
            .map(|(id, _)| (pair, id)),
        );
    }
    found
}

/// Whether a server is a source of a connector to the cloud.
fn sends(context: &Context<'_>, pair: Pair, id: ServerId) -> bool {
    let carriers = pair.carriers(context.topology);
    let mut carriers = carriers
        .iter()
        .map(|id| context.topology.send_connector(*id));
    carriers.any(|connector| connector.sources.contains(&id))
}

/// Whether a server is the smart host of an outbound connector of the tenant.
fn receives(context: &Context<'_>, pair: Pair, server: &Server) -> bool {
    let leads_there = |host: &SmartHost| {
        let addresses = match host {
            SmartHost::Address(address) => vec![*address],
            SmartHost::Name(name) => {
                dns::addresses_of(context.zones, View::Public, name).unwrap_or_default()
            }
        };
        addresses
            .iter()
            .any(|address| server.addresses.contains(address))
    };
    let outbound = context.topology.send_connectors_of(pair.tenant).iter();
    let mut outbound = outbound.map(|id| context.topology.send_connector(*id));
    outbound.any(|connector: &SendConnector| match &connector.routing {
        Routing::SmartHosts(hosts) if connector.enabled => hosts.iter().any(leads_there),
        _ => false,
    })
}

/// Edge servers without a subscription: they know nobody of the organization, and nobody knows them.
fn not_subscribed(context: &Context<'_>) -> Vec<Found> {
    let found = on_the_way(context).into_iter().filter_map(|(pair, id)| {
        let server = context.topology.server(id);
        (!server.subscribed).then(|| not_subscribed_found(context, pair, id))
    });
    found.collect()
}

fn not_subscribed_found(context: &Context<'_>, pair: Pair, id: ServerId) -> Found {
    let topology = context.topology;
    let server = topology.server(id);
    let message = format!(
        "hybrid mail passes the Edge server {}, which is not subscribed to a site",
        server.name
    );
    let mut draft = Finding::of(
        "edge-not-subscribed",
        server.settings.object.as_ref(),
        message,
    )
    .help("subscribe it, then run the hybrid wizard");
    let mailbox = pair.mailbox_servers(topology);
    if let Some(site) = mailbox.first().map(|id| &topology.server(*id).site) {
        let script = format!(
            "New-EdgeSubscription -FileData ([System.IO.File]::ReadAllBytes(\"<file of {}>\")) -Site {}\nStart-EdgeSynchronization",
            powershell::in_comment(&server.name),
            powershell::quoted(site)
        );
        let keys = [
            ("Name", edit::quoted(&server.name)),
            ("Site", edit::quoted(site)),
        ];
        let organization = &topology.organization(pair.on_premises).settings;
        let edit = edit::add_object(organization, None, "OnPremises.EdgeSubscriptions", &keys);
        draft = draft.fix(Side::OnPremises, script, edit);
    }
    let passes = |asked: &Asked| {
        let mut answers = asked.answers.iter();
        answers.any(|(_, flow)| {
            let mut hops = flow.forks.iter().flat_map(|fork| &fork.hops);
            hops.any(|hop| hop.server == id)
        })
    };
    // Nor is there a way out for what its subscription would send to the Internet.
    draft.explains(context, |asked| {
        context.is_amiss(asked) && (passes(asked) || is_stranded(asked))
    })
}

/// Subscriptions that were made again, and the hybrid wizard has not run since.
fn subscribed_after_the_wizard(context: &Context<'_>) -> Vec<Found> {
    const KEY: &str = "LastHybridConfiguration";
    let topology = context.topology;
    let found = on_the_way(context).into_iter().filter_map(|(_, id)| {
        let server = topology.server(id);
        let (made, ran) = (server.subscribed_at?, server.wizard_ran?);
        let message = format!(
            "the subscription of the Edge server {} is newer than the last run of the hybrid wizard",
            server.name
        );
        let now = topology.as_of();
        let draft = Finding::of("edge-subscription-newer-than-wizard", server.settings.at(KEY), message)
            .because(format!("subscribed {made}, and the wizard ran {ran}"))
            .help("run the hybrid wizard: it configures the Edge server anew")
            .fix(
                Side::OnPremises,
                "# run the Hybrid Configuration wizard, then\nStart-EdgeSynchronization",
                edit::set_key(&server.settings, KEY, &edit::quoted(&now.to_string())),
            );
        let people = people::count(topology, server.organization);
        (made > ran).then(|| draft.claims_nothing(people, None))
    });
    found.collect()
}

/// Edge servers that EdgeSync has not written to for long.
fn not_synchronized(context: &Context<'_>) -> Vec<Found> {
    const KEY: &str = "LastEdgeSynchronization";
    let topology = context.topology;
    let now = topology.as_of();
    let edge = topology
        .servers()
        .map(|(_, server)| server)
        .filter(|server| server.role == ServerRole::Edge && server.subscribed);
    let found = edge.filter_map(|server| {
        let last = server.synchronized_at?;
        let age = now.duration_since(last);
        if age <= SignedDuration::from_hours(SYNCHRONIZED_WITHIN) {
            return None;
        }
        let message = format!(
            "EdgeSync has not written to the Edge server {} for {} days",
            server.name,
            age.as_hours() / 24
        );
        let place = server.settings.at(KEY);
        let draft = Finding::of("edge-not-synchronized", place, message)
            .help("see what Test-EdgeSynchronization says, and synchronize")
            .fix(
                Side::OnPremises,
                "Start-EdgeSynchronization",
                edit::set_key(&server.settings, KEY, &edit::quoted(&now.to_string())),
            );
        Some(draft.claims_nothing(people::count(topology, server.organization), None))
    });
    found.collect()
}

/// Whether mail finds no connector, or no server that takes it for mail of the organization.
fn is_stranded(asked: &Asked) -> bool {
    asked.ordinary().forks.iter().any(|fork| {
        let steps = fork.hops.iter().flat_map(|hop| &hop.steps);
        let reasons = steps.flat_map(|step| &step.because);
        let apart = |reason: &Reason| *reason == Reason::ExchangeAuthenticationMissing;
        fork.disposition == Disposition::Unreachable || reasons.into_iter().any(apart)
    })
}
