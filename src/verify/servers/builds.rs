//! Versions of Exchange Server that a hybrid deployment may have: the latest cumulative update or the
//! one before, of a product that is in support (Exchange hybrid, "Hybrid deployment prerequisites").

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::diag::Severity;
use crate::model::Server;
use crate::verify::context::{Context, Found};
use crate::verify::edit;
use crate::verify::finding::{Finding, Side};
use crate::verify::hybrid::{self, Pair};
use crate::verify::people;
use crate::verify::powershell;
use crate::verify::stage::{Rule, Stage};

/// The rules of this file.
pub(in crate::verify) const RULES: &[Rule] = &[Rule::new(Stage::Notes, check)];

/// Major version, minor version, build and revision.
pub(in crate::verify) type Build = [u32; 4];

/// A product, or what one version number has been.
struct Product {
    name: &'static str,
    /// When its support ended or ends.
    supported_until: Date,
    /// The cumulative updates that matter, oldest first.
    updates: &'static [(&'static str, Build, Date)],
}

/// When the table was last compared with its source.
const AS_OF: Date = date(2026, 9, 30);

/// Products by age (Exchange Server, "Exchange Server build numbers and release dates"; dates as the
/// Exchange Health Checker of September 2026 has them). Of the older ones the last two updates are
/// enough: what is older than both is out of date at any later time.
const PRODUCTS: &[Product] = &[
    Product {
        name: "Exchange Server 2013",
        supported_until: date(2023, 4, 11),
        updates: &[
            ("CU22", [15, 0, 1473, 3], date(2019, 2, 12)),
            ("CU23", [15, 0, 1497, 2], date(2019, 6, 18)),
        ],
    },
    Product {
        name: "Exchange Server 2016",
        supported_until: date(2025, 10, 14),
        updates: &[
            ("CU22", [15, 1, 2375, 7], date(2021, 9, 28)),
            ("CU23", [15, 1, 2507, 6], date(2022, 4, 20)),
        ],
    },
    Product {
        name: "Exchange Server 2019",
        supported_until: date(2025, 10, 14),
        updates: &[
            ("CU12", [15, 2, 1118, 7], date(2022, 4, 20)),
            ("CU13", [15, 2, 1258, 12], date(2023, 5, 3)),
            ("CU14", [15, 2, 1544, 4], date(2024, 2, 13)),
            ("CU15", [15, 2, 1748, 10], date(2025, 2, 10)),
        ],
    },
    Product {
        name: "Exchange Server SE",
        supported_until: date(2035, 12, 31),
        updates: &[("RTM", [15, 2, 2562, 17], date(2025, 7, 1))],
    },
];

/// One finding for each deployment: the servers that send to the cloud.
fn check(context: &Context<'_>) -> Vec<Found> {
    let pairs = hybrid::pairs(context.topology).into_iter();
    pairs.filter_map(|pair| found(context, pair)).collect()
}

fn found(context: &Context<'_>, pair: Pair) -> Option<Found> {
    let topology = context.topology;
    let now = topology.as_of().to_zoned(TimeZone::UTC).date();
    let connectors = pair.hybrid_send_connectors(topology).into_iter();
    let mut sources: Vec<_> = connectors
        .flat_map(|id| topology.send_connector(id).sources.clone())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let servers = sources.into_iter().map(|id| topology.server(id));
    let old: Vec<(&Server, String)> = servers
        .filter_map(|server| Some((server, trouble(build_of(server)?, now)?)))
        .collect();
    let (first, why) = old.first()?;
    let message = format!(
        "out of date on the hybrid server {}: {why}",
        people::and_others(&first.name, old.len())
    );
    let latest = latest(now);
    let written = first.settings.written("AdminDisplayVersion");
    let edits = old.iter().filter_map(|(server, _)| {
        let at = server.settings.written("AdminDisplayVersion")?;
        let (_, build) = latest.as_ref()?;
        Some(edit::replace(at, edit::quoted(&printed(*build))))
    });
    let ruled_out = old
        .iter()
        .any(|(server, _)| build_of(server).is_some_and(|build| build < least(build)));
    let mut draft = Finding::of("hybrid-server-out-of-date", written, message)
        .because(format!("judged by the releases known on {AS_OF}"))
        .help(match &latest {
            Some((name, build)) => format!("install {name}, {} or later", dotted(*build)),
            None => "install the latest cumulative update".to_owned(),
        });
    let servers: Vec<&Server> = old.iter().map(|(server, _)| *server).collect();
    draft = draft.fix(Side::OnPremises, script(&servers, now), edits);
    let mut found = draft.claims_nothing(old.len(), None);
    if !ruled_out {
        found.finding.diagnostic.severity = Severity::Warning;
    }
    Some(found)
}

/// The oldest build of a version number that groups in hybrid deployments work with: Exchange Server 2013
/// CU11 and 2016 CU1 (Exchange Server, "Configure Microsoft 365 Groups with on-premises Exchange hybrid").
fn least(build: Build) -> Build {
    match build {
        [15, 0, ..] => [15, 0, 1156, 6],
        [15, 1, ..] => [15, 1, 396, 30],
        _ => build,
    }
}

/// How servers get to a release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// Its setup upgrades them.
    InPlace,
    /// An update of their own product comes first.
    InTwoSteps,
    /// Another server takes their place.
    NewServer,
}

/// The way of a build to the latest release of a day. Setup upgrades what has the same number, and goes
/// from Exchange Server 2019 to SE where that is at CU14 or CU15 (Exchange Server, "Upgrade to Exchange
/// Server SE").
fn way(build: Build, now: Date) -> Way {
    const LAST_OF_2019: Build = [15, 2, 1544, 4];
    let Some((name, newest)) = latest(now) else {
        return Way::InPlace;
    };
    if build[..2] != newest[..2] {
        Way::NewServer
    } else if name.starts_with("Exchange Server SE") && build < LAST_OF_2019 {
        Way::InTwoSteps
    } else {
        Way::InPlace
    }
}

/// What an administrator does, for each way that some of the servers go.
fn script(servers: &[&Server], now: Date) -> String {
    const LICENCE: &str = "/IAcceptExchangeServerLicenseTerms_DiagnosticDataON";
    let ways = [Way::InPlace, Way::InTwoSteps, Way::NewServer];
    let parts = ways.into_iter().filter_map(|chosen| {
        let goes = |server: &&&Server| build_of(server).is_some_and(|build| way(build, now) == chosen);
        let names: Vec<String> = servers
            .iter()
            .filter(goes)
            .map(|server| powershell::in_comment(&server.name))
            .collect();
        let on = names.join(", ");
        let text = match chosen {
            Way::InPlace => format!("# on {on}\nSetup.exe /Mode:Upgrade {LICENCE}"),
            Way::InTwoSteps => format!(
                "# on {on}: with the setup of Exchange Server 2019 CU15, then with that of SE\nSetup.exe /Mode:Upgrade {LICENCE}"
            ),
            Way::NewServer => format!(
                "# on a new server: {on} cannot be upgraded in place\nSetup.exe /Mode:Install /Roles:Mailbox {LICENCE}\n# move mailboxes, certificates, Receive connectors and SourceTransportServers to it, run the Hybrid Configuration Wizard, then on {on}\nSetup.exe /Mode:Uninstall"
            ),
        };
        (!names.is_empty()).then_some(text)
    });
    parts.collect::<Vec<_>>().join("\n")
}

/// What is wrong with a build on a day, in words; `None`: nothing that is known.
fn trouble(build: Build, now: Date) -> Option<String> {
    let product = PRODUCTS.iter().rev().find(|product| is(product, build))?;
    if now > product.supported_until {
        return Some(format!(
            "{} ({}), which is out of support since {}",
            product.name,
            dotted(build),
            product.supported_until
        ));
    }
    let released = product.updates.iter().filter(|(.., at)| *at <= now);
    let (update, oldest, _) = released.rev().take(2).last()?;
    (build < *oldest).then(|| {
        format!(
            "{} ({}), which is older than {update}, the oldest update that hybrid deployments may have",
            product.name,
            dotted(build)
        )
    })
}

/// Whether a build is one of a product: SE goes on with the number of 2019.
fn is(product: &Product, build: Build) -> bool {
    let [(_, first, _), ..] = product.updates else {
        return false;
    };
    let se = product.name == "Exchange Server SE";
    build[..2] == first[..2] && (!se || build >= *first)
}

/// The latest update of the newest product on a day.
fn latest(now: Date) -> Option<(String, Build)> {
    let all = PRODUCTS
        .iter()
        .flat_map(|product| product.updates.iter().map(move |update| (product, update)));
    let mut released = all.filter(|(_, (.., at))| *at <= now);
    let (product, (update, build, _)) = released.next_back()?;
    Some((format!("{} {update}", product.name), *build))
}

/// The build of a server: major and minor version, build and revision, from `Version 15.2 (Build 2562.46)`.
pub(in crate::verify) fn build_of(server: &Server) -> Option<Build> {
    let digits = |c: char| !c.is_ascii_digit();
    let numbers = server.version.as_ref()?.split(digits);
    let numbers: Vec<u32> = numbers.filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().ok()
}

fn dotted([major, minor, build, revision]: Build) -> String {
    format!("{major}.{minor}.{build}.{revision}")
}

/// As `Get-ExchangeServer` prints it.
fn printed([major, minor, build, revision]: Build) -> String {
    format!("Version {major}.{minor} (Build {build}.{revision})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_judged_by_the_day() {
        let cu14 = [15, 2, 1544, 4];
        assert_eq!(trouble(cu14, date(2025, 3, 1)), None);
        assert!(trouble(cu14, date(2025, 10, 15)).is_some());
        let cu12 = [15, 2, 1118, 7];
        assert_eq!(trouble(cu12, date(2023, 6, 1)), None);
        assert!(trouble(cu12, date(2024, 3, 1)).is_some());
        assert_eq!(trouble([15, 2, 2562, 53], date(2026, 11, 22)), None);
        assert!(trouble([15, 1, 225, 42], date(2021, 10, 1)).is_some());
        assert_eq!(trouble([16, 0, 1, 1], date(2026, 11, 22)), None);
    }

    #[test]
    fn setup_upgrades_what_has_the_same_number() {
        let today = date(2026, 11, 22);
        assert!(way([15, 1, 2507, 6], today) == Way::NewServer);
        assert!(way([15, 2, 1258, 12], today) == Way::InTwoSteps);
        assert!(way([15, 2, 1544, 4], today) == Way::InPlace);
        assert!(way([15, 2, 1258, 12], date(2025, 3, 1)) == Way::InPlace);
    }

    #[test]
    fn products_stand_by_age() {
        for product in PRODUCTS {
            let sorted = product
                .updates
                .is_sorted_by_key(|(_, build, at)| (*build, *at));
            assert!(sorted, "{}", product.name);
        }
        let latest = latest(AS_OF).map(|(name, _)| name);
        assert_eq!(latest.as_deref(), Some("Exchange Server SE RTM"));
    }
}
