//! Microsoft Entra Connect and what group writeback needs of it (Exchange Server, "Configure Microsoft
//! 365 Groups with on-premises Exchange hybrid"): licences, features, an organizational unit in the
//! forest of Exchange, permissions there, a run.
//!
//! Mail to groups flows without writeback, by the type of their domain; what is missing is what people
//! on premises see of groups. So these are warnings, but one: without the attributes that synchronization
//! writes back for a hybrid deployment, replies to users who were moved are lost.

use crate::diag::Severity;
use crate::model::{EntraConnect, Recipient, RecipientKind, ServerRole, SignInMethod, Topology};
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Edit, Finding, Side};
use crate::verify::hybrid;
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[
    Rule::new(Stage::Notes, hindered),
    Rule::new(Stage::Notes, not_run_yet),
    Rule::new(Stage::Notes, no_single_sign_on),
    Rule::new(Stage::Notes, owners),
    Rule::new(Stage::Notes, old_version),
    Rule::new(Stage::Notes, shared_content),
];

/// What hinders writeback, in the order in which one masks the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hindrance {
    Licence,
    Features,
    Unit,
    Permissions,
}

/// Whether nothing can be written back, whatever groups there are.
pub(super) fn is_hindered(topology: &Topology) -> bool {
    let all = topology.parts().entra.iter();
    all.filter_map(|entra| hindrance(topology, entra))
        .any(|hindrance| hindrance != Hindrance::Features)
}

fn hindrance(topology: &Topology, entra: &EntraConnect) -> Option<Hindrance> {
    let written = |key| entra.settings.written(key).is_some();
    if written("Licenses") && !entra.licenses.iter().any(|name| is_premium(name)) {
        return Some(Hindrance::Licence);
    }
    if written("Features") && !missing_features(entra).is_empty() {
        return Some(Hindrance::Features);
    }
    if entra
        .writeback_forest
        .as_ref()
        .is_some_and(|forest| !has_exchange(topology, forest))
    {
        return Some(Hindrance::Unit);
    }
    (!entra.writeback_permitted).then_some(Hindrance::Permissions)
}

/// The words of a licence's name.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
}

/// Whether a licence is, or contains, Microsoft Entra ID P1 or P2. Choice: by the words of its name,
/// as worlds name licences freely.
fn is_premium(name: &str) -> bool {
    const SUITES: [&str; 8] = ["E3", "E5", "F1", "F3", "A3", "A5", "G3", "G5"];
    let lower = name.to_ascii_lowercase();
    let suite =
        lower.starts_with("microsoft 365") && words(name).any(|word| SUITES.contains(&word));
    words(name).any(|word| ["P1", "P2", "EMS"].contains(&word))
        || suite
        || lower.contains("business premium")
}

/// Whether a licence has SharePoint and OneDrive. Choice: by the words of its name.
fn has_content(name: &str) -> bool {
    const SUITES: [&str; 11] = [
        "E1", "E3", "E5", "F1", "F3", "A1", "A3", "A5", "G1", "G3", "G5",
    ];
    let lower = name.to_ascii_lowercase();
    words(name).any(|word| SUITES.contains(&word))
        || lower.contains("sharepoint")
        || lower.contains("business")
}

/// The optional features that should be on beside each other.
fn missing_features(entra: &EntraConnect) -> Vec<&'static str> {
    let hash = entra.sign_in == Some(SignInMethod::PasswordHash);
    let needed = ["ExchangeHybrid", "GroupWriteback"]
        .into_iter()
        .chain(hash.then_some("PasswordHashSync"));
    let is_on = |feature: &str| entra.features.iter().any(|other| other == feature);
    needed.filter(|feature| !is_on(feature)).collect()
}

/// Whether Exchange is in a forest. Choice: a server belongs to the forest that its name lies in; a
/// forest whose trees have other names is the rarer case.
fn has_exchange(topology: &Topology, forest: &str) -> bool {
    let Ok(forest) = crate::mail::Domain::parse(forest) else {
        return true;
    };
    let servers = topology.servers().map(|(_, server)| server);
    let mut own =
        servers.filter(|server| server.role == ServerRole::Mailbox && server.version.is_some());
    own.any(|server| server.fqdn.is_within(&forest))
}

/// Groups of the tenants, whom a finding concerns.
fn groups<'a>(context: &Context<'a>) -> Vec<&'a Recipient> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    pairs
        .flat_map(|pair| people::groups(context, pair.tenant))
        .collect()
}

/// What hinders writeback: one finding for each synchronization.
fn hindered(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let affected = groups(context).len();
    let all = topology.parts().entra.iter();
    let found = all.filter_map(|entra| {
        Some(match hindrance(topology, entra)? {
            Hindrance::Licence => without_licence(entra, affected),
            Hindrance::Features => without_features(entra, affected),
            Hindrance::Unit => elsewhere(topology, entra, affected),
            Hindrance::Permissions => without_permission(entra, affected),
        })
    });
    found.collect()
}

fn without_licence(entra: &EntraConnect, affected: usize) -> Found {
    let mut licences = entra.licenses.clone();
    licences.push("P1".to_owned());
    let edit = edit::set_key(&entra.settings, "Licenses", &edit::list(licences));
    Finding::of(
        "writeback-without-premium-licence",
        entra.settings.at("Licenses"),
        "the tenant has no licence with Microsoft Entra ID P1 or P2: groups are not written back",
    )
    .help("buy and assign Microsoft Entra ID P1 or P2, alone or in a suite")
    .fix(
        Side::ExchangeOnline,
        "Set-MgUserLicense -UserId $user -AddLicenses @{SkuId = $p1} -RemoveLicenses @()",
        edit,
    )
    .claims_nothing(affected, None)
}

fn without_features(entra: &EntraConnect, affected: usize) -> Found {
    let missing = missing_features(entra);
    let all = entra.features.iter().cloned();
    let all = all.chain(missing.iter().map(|feature| (*feature).to_owned()));
    let edit = edit::set_key(&entra.settings, "Features", &edit::list(all));
    let named = missing.join(" and ");
    let verb = if missing.len() == 1 { "is" } else { "are" };
    let script = format!(
        "# Microsoft Entra Connect, Customize synchronization options, Optional features: select {named} beside what is selected\nStart-ADSyncSyncCycle -PolicyType Initial"
    );
    let mut found = Finding::of(
        "writeback-features-unticked",
        entra.settings.at("Features"),
        format!("{named} {verb} not among the optional features of Entra Connect"),
    )
    .help("run the wizard again, and keep what was selected before")
    .fix(Side::OnPremises, script, edit)
    .claims_nothing(affected, None);
    if !missing.contains(&"ExchangeHybrid") {
        found.finding.diagnostic.severity = Severity::Warning;
    }
    found
}

fn elsewhere(topology: &Topology, entra: &EntraConnect, affected: usize) -> Found {
    let forest = entra.writeback_forest.as_deref().unwrap_or_default();
    let pair = hybrid::pairs(topology).into_iter().next();
    let server = pair.and_then(|pair| pair.mailbox_servers(topology).first().copied());
    // The domain of a server of Exchange lies in its forest.
    let home = server.and_then(|id| topology.server(id).fqdn.parent());
    let edit = home.as_ref().and_then(|home| {
        let name = edit::quoted(home.as_str());
        edit::set_key(&entra.settings, "GroupWritebackForest", &name)
    });
    let script = format!(
        "# Microsoft Entra Connect, Customize synchronization options, Writeback: an organizational unit of {}\nStart-ADSyncSyncCycle -PolicyType Initial",
        powershell::in_comment(
            home.as_ref()
                .map_or("Exchange's forest", |home| home.as_str())
        )
    );
    Finding::of(
        "writeback-ou-unreachable",
        entra.settings.at("GroupWritebackForest"),
        format!("groups are written back to the forest `{forest}`, where Exchange is not"),
    )
    .help("choose an organizational unit in the forest of Exchange, and have it synchronized")
    .fix(Side::OnPremises, script, edit)
    .claims_nothing(affected, None)
}

fn without_permission(entra: &EntraConnect, affected: usize) -> Found {
    let unit = entra.writeback_unit.as_deref();
    let unit = unit.map(|unit| format!(" -ADObjectDN {}", powershell::quoted(unit)));
    let script = format!(
        "Import-Module \"C:\\Program Files\\Microsoft Azure Active Directory Connect\\AdSyncConfig\\AdSyncConfig.psm1\"\nSet-ADSyncUnifiedGroupWritebackPermissions -ADConnectorAccountDN $account{}",
        unit.unwrap_or_default()
    );
    let edit = edit::set_key(&entra.settings, "WritebackPermissions", "true");
    let draft = Finding::of(
        "writeback-lacks-permission",
        entra.settings.at("WritebackPermissions"),
        "the account of Entra Connect may not write groups to the organizational unit",
    )
    .help("give the account of the AD DS connector its rights on the unit");
    let draft = match is_old(entra) {
        true => draft.because("the cmdlet needs DSACLS, which this version does not bring along"),
        false => draft,
    };
    draft
        .fix(Side::OnPremises, script, edit)
        .claims_nothing(affected, None)
}

/// Groups that are younger than the last run.
fn not_run_yet(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    if is_hindered(topology) {
        return Vec::new();
    }
    let all = topology.parts().entra.iter();
    let found = all.filter_map(|entra| {
        let last = entra.last_sync?;
        let young = |group: &&Recipient| {
            let RecipientKind::Group { details, .. } = &group.kind else {
                return false;
            };
            details.created_at.is_some_and(|created| created > last)
        };
        let young: Vec<&Recipient> = groups(context).into_iter().filter(young).collect();
        let first = young.first()?;
        let message = format!(
            "Entra Connect has not run since somebody made the group {}",
            people::and_others(first.primary(), young.len())
        );
        let now = edit::quoted(&topology.as_of().to_string());
        let edit = edit::set_key(&entra.settings, "LastSync", &now);
        let draft = Finding::of(
            "writeback-not-run-yet",
            first.settings.at("WhenCreated"),
            message,
        )
        .because(format!("the last run was at {last}"))
        .help("wait for the next run, or start one; where none has come for hours, look at the scheduler")
        .fix(
            Side::OnPremises,
            "Start-ADSyncSyncCycle -PolicyType Delta",
            edit,
        );
        Some(draft.claims_nothing(young.len(), None))
    });
    found.collect()
}

/// No way to log on to the cloud with the account on premises.
fn no_single_sign_on(context: &Context<'_>) -> Vec<Found> {
    let all = context.topology.parts().entra.iter();
    let none = all.filter(|entra| entra.sign_in == Some(SignInMethod::Nothing));
    let found = none.map(|entra| {
        let value = edit::quoted("PHS");
        let edit: Option<Edit> = edit::set_key(&entra.settings, "SignInMethod", &value);
        Finding::of(
            "single-sign-on-missing",
            entra.settings.at("SignInMethod"),
            "Entra Connect has no sign-in method: people on premises cannot open what groups share",
        )
        .help("switch password hash synchronization on; federation is for those who have to")
        .fix(
            Side::OnPremises,
            "# Microsoft Entra Connect, Change user sign-in: Password Hash Synchronization, Enable single sign-on",
            edit,
        )
        .claims_nothing(groups(context).len(), None)
    });
    found.collect()
}

/// Owners on premises who have no place to manage their groups.
fn owners(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let pairs = hybrid::pairs(topology);
    let owned = groups(context).into_iter().filter(|group| {
        let RecipientKind::Group { details, .. } = &group.kind else {
            return false;
        };
        let mut owners = people::known(topology, &details.owners).map(|(_, owner)| owner);
        owners.any(|owner| {
            let mut pairs = pairs.iter();
            pairs.any(|pair| people::has_mailbox(topology, pair.on_premises, owner.primary()))
        })
    });
    let owned: Vec<&Recipient> = owned.collect();
    let Some(first) = owned.first() else {
        return Vec::new();
    };
    let all = topology.parts().entra.iter();
    let off = all.filter(|entra| !entra.self_service_groups);
    let found = off.map(|entra| {
        let message = format!(
            "self-service group management is off, so an owner on premises cannot manage the group {}",
            people::and_others(first.primary(), owned.len())
        );
        let edit = edit::set_key(&entra.settings, "SelfServiceGroupManagement", "true");
        Finding::of(
            "owners-cannot-manage",
            entra.settings.at("SelfServiceGroupManagement"),
            message,
        )
        .help("let owners manage group membership requests in My Groups")
        .fix(
            Side::ExchangeOnline,
            "# Microsoft Entra admin center, Groups, General: Owners can manage group membership requests in My Groups = Yes",
            edit,
        )
        .claims_nothing(owned.len(), None)
    });
    found.collect()
}

/// Whether a version of Entra Connect may come without DSACLS. Choice: those of the first generation,
/// as the article says "some older versions" and Microsoft retired all of them in 2022.
fn is_old(entra: &EntraConnect) -> bool {
    let version = entra.version.as_deref().unwrap_or_default();
    let major = version.split('.').next().map(str::parse::<u32>);
    matches!(major, Some(Ok(major)) if major < 2)
}

/// A version that may lack the tool with which permissions are given.
fn old_version(context: &Context<'_>) -> Vec<Found> {
    let topology = context.topology;
    let all = topology.parts().entra.iter();
    let old = all.filter(|entra| {
        is_old(entra) && hindrance(topology, entra) != Some(Hindrance::Permissions)
    });
    let found = old.map(|entra| {
        let version = entra.version.as_deref().unwrap_or_default();
        Finding::of(
            "writeback-tool-missing-dsacls",
            entra.settings.at("Version"),
            format!("Entra Connect {version} may come without DSACLS, which gives the writeback permissions"),
        )
        .help("install Entra Connect 2.x, or the AD DS tools of the Remote Server Administration Tools")
        .fix(
            Side::OnPremises,
            "Install-WindowsFeature RSAT-AD-Tools",
            // Choice: of what is there to install the world only knows that it is of the second generation.
            edit::set_key(&entra.settings, "Version", &edit::quoted("2.0.3.0")),
        )
        .claims_nothing(groups(context).len(), None)
    });
    found.collect()
}

/// Licences without the services whose pages groups share.
fn shared_content(context: &Context<'_>) -> Vec<Found> {
    let all = context.topology.parts().entra.iter();
    let without = all.filter(|entra| {
        let written = entra.settings.written("Licenses").is_some();
        written && !entra.licenses.iter().any(|name| has_content(name))
    });
    let found = without.map(|entra| {
        let mut licences = entra.licenses.clone();
        licences.push("Office 365 E1".to_owned());
        let edit = edit::set_key(&entra.settings, "Licenses", &edit::list(licences));
        Finding::of(
            "shared-content-needs-licence",
            entra.settings.at("Licenses"),
            "no licence of the tenant has SharePoint and OneDrive: people on premises get the mail of groups, and cannot open the files, site and plans that it is about",
        )
        .help("assign a suite with SharePoint to members who should open them")
        .fix(
            Side::ExchangeOnline,
            "Set-MgUserLicense -UserId $user -AddLicenses @{SkuId = $suite} -RemoveLicenses @()",
            edit,
        )
        .claims_nothing(groups(context).len(), None)
    });
    found.collect()
}
