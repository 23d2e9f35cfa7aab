//! Certificates whose servers do not send what leads to their root (Exchange Online, "550 5.7.64
//! TenantAttribution when sending emails through Microsoft 365": the service fetches nothing).

use super::presented::in_hybrid_use;
use crate::flow::{FlagKind, Fork};
use crate::mail::EnhancedStatus;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Certificates, incomplete)];

fn incomplete(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let used = in_hybrid_use(context).into_iter();
    let broken = used.map(|id| topology.certificate(id));
    let broken = broken.filter(|certificate| !certificate.chain_complete);
    broken
        .map(|certificate| {
            let message = format!(
                "the servers that show `{}` do not send the certificates between it and its root",
                certificate.subject
            );
            let name = |id: &crate::model::ServerId| topology.server(*id).name.clone();
            let servers: Vec<String> = certificate.servers.iter().map(name).collect();
            let script = format!(
                "# the intermediate certificates of `{}`, on {}:\nImport-Certificate -FilePath <file> -CertStoreLocation Cert:\\LocalMachine\\CA",
                powershell::in_comment(&certificate.issuer),
                powershell::in_comment(servers.join(", "))
            );
            let settings = &certificate.settings;
            Finding::of(
                "certificate-chain-incomplete",
                settings.at("ChainComplete"),
                message,
            )
            .because("Exchange Online fetches no certificates: what is not sent is not trusted")
            .help("install the intermediate certificates of its authority on every hybrid server")
            .fix(
                Side::OnPremises,
                script,
                edit::set_key(settings, "ChainComplete", "true"),
            )
            .explains(context, |asked| asked.ordinary().forks.iter().any(fails))
        })
        .collect()
}

/// Whether a copy is not sent for want of a certificate that can be trusted, or loses its trust for it.
fn fails(fork: &Fork) -> bool {
    let tls = [EnhancedStatus::new(4, 7, 5), EnhancedStatus::new(4, 4, 317)];
    let status = fork.status.as_ref();
    let untrusted = |flag: &crate::flow::Flag| flag.kind == FlagKind::WrongTrust;
    status.is_some_and(|status| tls.contains(&status.enhanced)) || fork.flags.iter().any(untrusted)
}
