//! By which of the two organizations of a hybrid deployment a message passes.

use crate::flow::{Disposition, FlagKind, Fork};
use crate::model::{OrganizationId, Topology};
use crate::verify::hybrid::Pair;

/// Whether a message leaves a tenant for somebody outside by MX, not by the premises.
pub(super) fn leaves_by_mx(topology: &Topology, pair: Pair, fork: &Fork) -> bool {
    let owner = |index: usize| topology.server(fork.hops[index].server).organization;
    let Some(at) = (0..fork.hops.len()).rfind(|index| owner(*index) == pair.tenant) else {
        return false;
    };
    match fork.hops.get(at + 1) {
        Some(next) => next.connector.is_none() && owner(at + 1) != pair.on_premises,
        None => fork.disposition == Disposition::LeftWorld,
    }
}

/// Whether a message goes round between servers that are not those of another organization with
/// servers of its own: in a tenant and its front end alone.
pub(super) fn circles_in(topology: &Topology, tenant: OrganizationId, fork: &Fork) -> bool {
    let looped = fork.flags.iter().any(|flag| flag.kind == FlagKind::Loop);
    let servers = fork.cycle.servers();
    let of_tenant = |index: usize| {
        let server = topology.server(servers[index]);
        server.organization == tenant || server.is_front_end()
    };
    looped && !servers.is_empty() && (0..servers.len()).all(of_tenant)
}

/// Whether a message that comes to a tenant ends there, having been nowhere else on its way.
pub(super) fn stays_in(topology: &Topology, tenant: OrganizationId, fork: &Fork) -> bool {
    let mut passed = fork
        .hops
        .iter()
        .skip(1)
        .map(|hop| topology.server(hop.server));
    let last = fork
        .hops
        .last()
        .map(|hop| topology.server(hop.server).organization);
    !fork.disposition.is_failure()
        && last == Some(tenant)
        && passed.all(|server| server.organization == tenant || server.is_front_end())
}
