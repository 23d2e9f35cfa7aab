//! Defects that no shipped world stands for: single messages go where the documents say, live as
//! predicted, and what goes round is named.

use std::path::{Path, PathBuf};

use hybridmx::flow::{Disposition, FlagKind};
use hybridmx::verify;

use crate::files::folders;
use crate::testnet::{check_flows, findings_text, load, name_of, worlds};

/// The folder of a world of the tests.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/worlds")
        .join(name)
}

macro_rules! defects {
    ($($test:ident: $world:literal,)+) => {
        /// Every world of the tests has its test here, or in `recipients`.
        #[test]
        fn no_world_of_the_tests_is_forgotten() {
            let mut tested = vec!["recipients", $($world),+];
            tested.sort_unstable();
            let mut found: Vec<String> = folders(&folder("")).iter().map(|path| name_of(path)).collect();
            found.sort();
            assert_eq!(found, tested);
        }

        $(#[test]
        fn $test() {
            let world = load(&folder($world));
            assert!(check_flows(&world, &folder($world).join("flows.toml")) > 1);
            crate::lab::agrees($world, world);
        })+
    };
}

defects! {
    strangers_write_to_a_group_under_centralized_transport: "centralized-open-group",
    centralized_transport_has_no_connector_for_a_domain: "centralized-scoped",
    subscribers_on_premises_under_centralized_transport: "centralized-subscribers",
    copies_of_a_message_meet: "copies-that-meet",
    dns_fails: "dns-facts",
    rules_demand_tls: "demanded-tls",
    mailboxes_forward_to_each_other: "forwarding-pairs",
    a_server_refuses_the_session: "session-refused",
    managers_are_told_of_failures: "who-is-told",
}

/// The servers or addresses of the shortest circle, in words, and the code that the sender sees.
#[test]
fn every_loop_is_named() {
    for (path, circle, code) in [
        (
            "testnet/broken-group-domain-sent-by-edge",
            "EDGE01 → EX01 → EDGE01",
            "554 5.4.6",
        ),
        (
            "testnet/broken-group-domain-mx-on-premises-loop",
            "EX01 → EX02 → EX01",
            "554 5.4.6",
        ),
        (
            "testnet/broken-domain-relayed-by-both-sides",
            "EOP → EXO → SEA01 → EOP",
            "554 5.4.6",
        ),
        (
            "testnet/broken-target-addresses-form-a-loop-inside",
            "`nora@contoso.com` on premises → `oscar@contoso.com`, `oscar@contoso.com` on premises → `nora@contoso.com`",
            "550 5.4.6",
        ),
        (
            "tests/worlds/forwarding-pairs",
            "`nora@contoso.com` → `oscar@contoso.com` → `nora@contoso.com`",
            "550 5.4.6",
        ),
        (
            "tests/worlds/centralized-scoped",
            "EXO → EOP → EXO",
            "554 5.4.14",
        ),
        (
            "testnet/broken-cloud-domain-relayed-nowhere",
            "EXO → EOP → EXO",
            "554 5.4.14",
        ),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let world = load(&folder);
        let text = findings_text(&verify::check(&world.topology, &world.zones));
        assert!(text.contains(circle), "{path} names {circle}:\n{text}");
        assert!(text.contains(code), "{path} says {code}:\n{text}");
    }
}

#[test]
fn nothing_goes_round_in_a_healthy_world() {
    let healthy = worlds("");
    let healthy = healthy
        .iter()
        .filter(|path| !name_of(path).starts_with("broken-"));
    for path in healthy {
        let world = load(path);
        for row in verify::flows(&world.topology, &world.zones) {
            let flagged = row
                .fork
                .flags
                .iter()
                .any(|flag| flag.kind == FlagKind::Loop);
            let looped = row.fork.disposition == Disposition::Looped;
            assert!(!flagged && !looped, "{}: {:?}", path.display(), row.example);
        }
    }
}
