//! The size limits of an organization, against each other and against those of the tenant (Exchange Server,
//! "Message size and recipient limits in Exchange Server"; Exchange Online, "Exchange Online limits").

use crate::mail::Limit;
use crate::model::{RecipientKind, Settings};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Notes, unequal),
    Rule::new(Stage::Notes, across),
];

const SEND: &str = "MaxSendSize";
const RECEIVE: &str = "MaxReceiveSize";

/// Organizations that send and receive messages of different sizes: documents tell the two limits the
/// one way and the other for mail from and to others.
fn unequal(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let mut found = Vec::new();
    for (id, organization) in topology.organizations() {
        let transport = &organization.transport;
        let (send, receive) = (transport.max_send_size, transport.max_receive_size);
        if hybrid::is_tenant(topology, id) || send == receive {
            continue;
        }
        let message = format!(
            "{SEND} of `{}` is {send} and {RECEIVE} {receive}: the smaller one holds mail from and to others",
            organization.name
        );
        let smaller = send.min(receive);
        let draft = Finding::of(
            "organization-size-limits-differ",
            transport.settings.at(RECEIVE),
            message,
        )
        .because("documents name the one and the other for mail that comes from outside")
        .help("give both the same value")
        .fix(
            Side::OnPremises,
            script(smaller),
            both(&transport.settings, smaller),
        );
        found.push(draft.claims_nothing(people::count(topology, id), None));
    }
    found
}

/// Premises whose limit somebody has set, and set to what the tenant's mailboxes do not have.
fn across(context: &Context<'_>) -> Vec<Found> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    pairs.filter_map(|pair| differs(context, pair)).collect()
}

fn differs(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    let premises = topology.organization(pair.on_premises);
    let tenant = &topology.organization(pair.tenant).transport;
    let settings = &premises.transport.settings;
    let (send, receive) = (
        premises.transport.max_send_size,
        premises.transport.max_receive_size,
    );
    let written = settings.written(SEND).or(settings.written(RECEIVE));
    let place = written.filter(|_| send == receive)?;
    let message = if send > tenant.max_receive_size {
        format!(
            "`{}` lets messages up to {send} through, and mailboxes of the tenant take {}",
            premises.name, tenant.max_receive_size
        )
    } else if receive < tenant.max_send_size {
        format!(
            "mailboxes of the tenant send messages up to {}, and `{}` takes {receive}",
            tenant.max_send_size, premises.name
        )
    } else {
        return None;
    };
    let draft = Finding::of("size-limits-differ-across-premises", Some(place), message)
        .because("mailboxes with a limit of their own go by that")
        .help("give both sides the same limit")
        .fix(
            Side::OnPremises,
            script(tenant.max_send_size),
            both(settings, tenant.max_send_size),
        );
    let mailboxes = topology.recipients().filter(|(_, recipient)| {
        let own = [pair.on_premises, pair.tenant].contains(&recipient.organization);
        let kind = &recipient.kind;
        own && matches!(kind, RecipientKind::Mailbox { .. })
    });
    Some(draft.claims_nothing(mailboxes.count(), None))
}

fn script(limit: Limit) -> String {
    format!("Set-TransportConfig -{SEND} {limit} -{RECEIVE} {limit}")
}

fn both(settings: &Settings, limit: Limit) -> Vec<Edit> {
    let value = edit::quoted(&limit.to_string());
    let keys = [SEND, RECEIVE].into_iter();
    keys.filter_map(|key| edit::set_key(settings, key, &value))
        .collect()
}
