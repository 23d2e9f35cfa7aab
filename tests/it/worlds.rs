//! The world reader: files with mistakes and the messages they give, places, what is implied, the
//! schema, and the worlds that ship.
//!
//! `tests/worlds/<name>.{toml,json}` is an input; `<name>.txt` is what is said about it. `UPDATE=1`
//! rewrites the latter.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hybridmx::config::{self, World};
use hybridmx::diag::{Diagnostic, Location};
use hybridmx::dns::{Answer, RecordType, View};
use hybridmx::mail::{Domain, Mailbox};
use hybridmx::model::{
    DomainPattern, DomainType, Matcher, Member, Parts, ReceiveConnector, RecipientKind, Routing,
    SendConnector, Server, Settings, TransportRole,
};
use jiff::Timestamp;

const CONTOSO: &str = include_str!("../../testnet/contoso/world.toml");

/// A small world with an Edge server, that says as little as it can.
const SMALL: &str = r#"
[[OnPremises]]
Name = "Contoso"

[[OnPremises.Servers]]
Name = "EX01"
Fqdn = "ex01.contoso.com"
Site = "HQ"
IPAddress = "192.0.2.10"

[[OnPremises.Servers]]
Name = "EDGE01"
ServerRole = "edge"
Fqdn = "edge01.contoso.com"
IPAddress = ["40.107.0.25", "198.18.255.1"]

[[OnPremises.EdgeSubscriptions]]
Name = "edge01"
Site = "hq"

[[OnPremises.AcceptedDomains]]
DomainName = "contoso.com"

[[OnPremises.Mailboxes]]
EmailAddresses = ["x500:/o=Contoso/cn=David", "smtp:d@contoso.com", "SMTP:david@contoso.com"]

[[ExchangeOnline]]
Name = "contoso.onmicrosoft.com"

[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.com"
"#;

// --- Mistakes ------------------------------------------------------------------------------------

#[test]
fn twenty_mistakes_give_twenty_messages() {
    let found = check_golden("twenty-mistakes.toml");
    assert_eq!(found.len(), 20);
}

#[test]
fn mistakes_of_syntax_are_told_from_their_consequences() {
    check_golden("broken-syntax.toml");
    check_golden("broken.json");
}

#[test]
fn mistakes_about_recipients_and_rules_are_found() {
    let found = check_golden("recipients-and-rules.toml");
    assert!(found.len() >= 45, "{}", found.len());
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    check_golden("conflicts.toml");
}

/// Reads an input and compares what is said with the golden file beside it.
#[track_caller]
fn check_golden(name: &str) -> Vec<Diagnostic> {
    let folder = root().join("tests/worlds");
    let (world, found) = config::read(name, &read(&folder.join(name)), now());
    assert!(world.is_none(), "{name} is accepted");
    let said = found
        .iter()
        .fold(String::new(), |said, each| said + &show(each));
    let golden = folder.join(name).with_extension("txt");
    if update() {
        write(&golden, said.as_bytes());
    }
    let differs = format!(
        "{}, which UPDATE=1 rewrites, is not:\n{said}",
        golden.display()
    );
    assert!(said == read(&golden), "{differs}");
    found
}

/// A diagnostic as text, with every part.
fn show(diagnostic: &Diagnostic) -> String {
    let mut text = format!(
        "{}[{}]: {}\n",
        diagnostic.severity, diagnostic.code, diagnostic.message
    );
    if let Some(place) = &diagnostic.location {
        let _ = writeln!(text, "  --> {place}");
    }
    for reason in &diagnostic.because {
        let _ = writeln!(text, "  because: {reason}");
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text + "\n"
}

// --- Files that cannot be read -------------------------------------------------------------------

#[test]
fn unreadable_files_are_explained() {
    let folder = scratch("unreadable");
    write(&folder.join("contoso/world.toml"), CONTOSO.as_bytes());
    write(&folder.join("folder/world.toml/x"), b"");
    write(&folder.join("other/wrold.toml"), CONTOSO.as_bytes());
    write(&folder.join("broken/world.toml"), b"");
    write(
        &folder.join("utf16.toml"),
        &utf16(&format!("\u{feff}{CONTOSO}")),
    );
    write(&folder.join("utf16-without-mark.toml"), &utf16(CONTOSO));
    write(&folder.join("latin1.toml"), b"# x\nName = \"M\xfcller\"\n");
    write(
        &folder.join("binary.toml"),
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0",
    );
    make_folder(&folder.join("empty"));
    for (path, message, help) in [
        ("contosso", "does not exist", "did you mean `…/contoso`?"),
        (
            "contosso/world.toml",
            "`…/contosso` does not exist",
            "did you mean `…/contoso`?",
        ),
        (
            "contoso/word.toml",
            "does not exist",
            "did you mean `…/contoso/world.toml`?",
        ),
        (
            "nothing-like-it",
            "does not exist",
            "give a file that ends in `.toml` or `.json`",
        ),
        ("empty", "is an empty folder", "put a `world.toml` in it"),
        (
            "other",
            "is a folder without a `world.toml`",
            "did you mean `…/other/wrold.toml`?",
        ),
        (".", "is a folder without a `world.toml`", "binary.toml"),
        (
            "folder",
            "`…/folder/world.toml` is a folder, and a file is wanted",
            "in it",
        ),
        (
            "broken",
            "`…/broken/world.toml` is empty",
            "`[[OnPremises]]`",
        ),
        ("utf16.toml", "this is UTF-16", "save it as UTF-8"),
        (
            "utf16-without-mark.toml",
            "this is UTF-16",
            "save it as UTF-8",
        ),
        (
            "latin1.toml",
            "the byte `0xFC` is not UTF-8",
            "save the file as UTF-8",
        ),
        ("binary.toml", "is not text", "give a UTF-8 file"),
    ] {
        let (world, found) = config::load(&folder.join(path), now());
        assert!(world.is_none() && found.len() == 1, "{path}: {found:#?}");
        assert_eq!(found[0].code, "unreadable-file");
        let said = show(&found[0]).replace(&folder.display().to_string(), "…");
        assert!(
            said.contains(message) && said.contains(help),
            "{path}: {said}"
        );
    }
    let (_, found) = config::load(&folder.join("latin1.toml"), now());
    let place = found[0]
        .location
        .as_ref()
        .map(|place| (place.line, place.column));
    assert_eq!(place, Some((2, 10)));
}

#[test]
fn a_byte_order_mark_moves_offsets_and_not_columns() {
    let folder = scratch("mark");
    let text = format!("\u{feff}AsOf = 2026-01-01T00:00:00Z\n{SMALL}");
    write(&folder.join("world.toml"), text.as_bytes());
    let world = world(config::load(&folder, now()));
    let server = &world.topology.parts().servers[0];
    assert_eq!(
        slice(&text, server.settings.written("Fqdn")),
        "\"ex01.contoso.com\""
    );
    let text = "\u{feff}AsOf = 1\n";
    let (_, found) = config::read("w.toml", text, now());
    assert_eq!(
        found[0].location.as_ref().map(ToString::to_string),
        Some("w.toml:1:1".into())
    );
}

#[test]
fn a_zone_may_stand_in_a_file_of_its_own() {
    let folder = scratch("zones");
    let zone =
        |file: &str| format!("{SMALL}\n[[Dns.Zones]]\nName = \"contoso.com\"\nFile = \"{file}\"\n");
    write(
        &folder.join("zones/contoso.zone"),
        b"@ MX 0 mail\nmail A 192.0.2.10\n",
    );
    write(
        &folder.join("zones/broken.zone"),
        b"@ MX 0 mail\nmail A 192.0.2.256\n",
    );
    write(
        &folder.join("world.toml"),
        zone("zones/contoso.zone").as_bytes(),
    );
    let world = world(config::load(&folder, now()));
    let query = world
        .zones
        .query(View::Public, &domain("contoso.com"), RecordType::Mx);
    let Answer::Records(records) = query else {
        panic!("no answer: {query:?}");
    };
    let place = records[0]
        .location
        .as_ref()
        .map(|place| place.file.to_string());
    assert_eq!(
        place,
        Some(folder.join("zones/contoso.zone").display().to_string())
    );

    write(
        &folder.join("world.toml"),
        zone("zones/broken.zone").as_bytes(),
    );
    let (_, found) = config::load(&folder, now());
    assert!(
        show(&found[0]).contains("zones/broken.zone:2:1"),
        "{found:#?}"
    );

    write(
        &folder.join("world.toml"),
        zone("zones/contosso.zone").as_bytes(),
    );
    let (_, found) = config::load(&folder, now());
    assert_eq!(found[0].code, "unreadable-file");
    assert_eq!(
        found[0].location.as_ref().map(|place| place.column),
        Some(8)
    );
    assert!(
        show(&found[0]).contains("zones/contoso.zone`?"),
        "{found:#?}"
    );

    let (_, found) = config::read("world.toml", &zone("zones/contoso.zone"), now());
    assert_eq!(found[0].code, "unreadable-file");
}

#[test]
fn damaged_worlds_are_refused_and_never_panic() {
    let check = |text: &str| {
        for name in ["w.toml", "w.json"] {
            let (world, found) = config::read(name, text, now());
            assert!(world.is_some() || !found.is_empty());
            assert!(
                found
                    .iter()
                    .all(|each| each.help.is_some() && each.location.is_some())
            );
        }
    };
    let json = to_json(SMALL);
    for text in [SMALL, json.as_str()] {
        let characters = text.char_indices().map(|(at, _)| at);
        for at in characters.filter(|at| at % 7 == 0) {
            check(&text[..at]);
            check(&text[at..]);
            for damage in ["[", "]", "\"", "\"\"\"", "{", "=", "\n", "\0", "é"] {
                check(&format!("{}{damage}{}", &text[..at], &text[at + 1..]));
            }
        }
    }
    for deep in ["[", "{\"a\":", "a = [", "a = {a = ", "a.", "[[a."] {
        check(&deep.repeat(20_000));
        check(&format!("{}a = 1", deep.repeat(20_000)));
        check(&format!("{}a]]", deep.repeat(20_000)));
    }
}

// --- What a world means --------------------------------------------------------------------------

#[test]
fn contoso_is_in_order() {
    let (world, found) = config::load(&root().join("testnet/contoso"), now());
    assert!(found.is_empty(), "{found:#?}");
    let world = world.expect("no mistakes, so a world");
    let parts = world.topology.parts();
    assert_eq!(parts.as_of.to_string(), "2026-11-22T00:00:00Z");
    assert_eq!(parts.expectations.len(), 5);
    assert_eq!(
        (parts.outside_senders.len(), parts.outside_recipients.len()),
        (1, 1)
    );
    let group = recipient(parts, "engineering@groups.contoso.com", 1);
    let RecipientKind::Group {
        members,
        subscribers,
        ..
    } = &group
    else {
        panic!("not a group: {group:?}");
    };
    assert_eq!((members.len(), subscribers.len()), (4, 4));
    let sales = recipient(parts, "sales@groups.contoso.com", 1);
    assert!(
        matches!(&sales, RecipientKind::Group { subscribers, .. } if subscribers.len() == 1),
        "{sales:?}"
    );
    let partners: Vec<_> = parts
        .organizations
        .iter()
        .map(|o| o.partners.len())
        .collect();
    assert_eq!(partners, [1, 1, 0, 0, 0]);
}

#[test]
fn json_and_toml_say_the_same() {
    for text in [CONTOSO, SMALL] {
        let toml = world(config::read("w.toml", text, now()));
        let json = world(config::read("w.json", &to_json(text), now()));
        assert_eq!(without_places(&toml), without_places(&json));
    }
}

#[test]
fn what_nobody_writes_is_implied() {
    let world = world(config::read("w.toml", SMALL, now()));
    let parts = world.topology.parts();
    assert_eq!(parts.as_of, now());
    let servers: Vec<_> = parts
        .servers
        .iter()
        .map(|each| each.name.as_str())
        .collect();
    assert_eq!(servers, ["EX01", "EDGE01", "EOP", "EXO", "Internet"]);
    assert_eq!(server(parts, "EDGE01").site, "HQ");
    // The usual addresses are taken.
    let address = |name| server(parts, name).addresses[0].to_string();
    assert_eq!(address("EOP"), "40.107.0.26");
    assert_eq!(address("EXO"), "40.107.1.1");
    assert_eq!(address("Internet"), "198.18.255.2");
    assert_eq!(server(parts, "EOP").front_end_for.len(), 1);

    let listening: Vec<_> = parts.receive_connectors.iter().map(listening).collect();
    assert_eq!(
        listening,
        [
            "EX01: Default Frontend EX01 FrontendTransport 25",
            "EX01: Client Frontend EX01 FrontendTransport 587",
            "EX01: Outbound Proxy Frontend EX01 FrontendTransport 717",
            "EX01: Client Proxy EX01 HubTransport 465",
            "EX01: Default EX01 HubTransport 2525",
            "EDGE01: Default internal receive connector EDGE01 HubTransport 25",
            "EOP: EOP HubTransport 25",
            "EXO: EXO FrontendTransport FrontendTransport 25",
            "EXO: EXO HubTransport HubTransport 2525",
            "Internet: SMTP HubTransport 25",
        ]
        .map(|text| text.to_owned())
    );
    fn listening(connector: &ReceiveConnector) -> String {
        let servers = ["EX01", "EDGE01", "EOP", "EXO", "Internet"];
        let server = servers[connector.server.index()];
        match &connector.matcher {
            Matcher::Endpoint {
                transport_role,
                bindings,
                ..
            } => format!(
                "{server}: {} {} {}",
                connector.name,
                transport_role.as_str(),
                bindings[0].port()
            ),
            Matcher::Peer { .. } => format!("{server}: {} by peer", connector.name),
        }
    }

    let sending: Vec<_> = parts.send_connectors.iter().map(sending).collect();
    assert_eq!(
        sending,
        [
            "EdgeSync - Inbound to HQ: --;1".to_owned(),
            "EdgeSync - HQ to Internet: *;100".to_owned()
        ]
    );
    fn sending(connector: &SendConnector) -> String {
        let space = &connector.address_spaces[0];
        format!("{}: {};{}", connector.name, space.pattern, space.cost)
    }
    let routing = &parts.send_connectors[0].routing;
    assert!(matches!(routing, Routing::Servers(servers) if servers.len() == 1));

    let default = parts.accepted_domains.iter().filter(|each| each.default);
    let default: Vec<_> = default.map(|each| each.domain.as_str()).collect();
    assert_eq!(default, ["contoso.com", "contoso.com"]);
    assert!(
        parts
            .certificates
            .iter()
            .any(|each| each.subject == "CN=mail.protection.outlook.com")
    );
    let david = &parts.recipients[0];
    assert_eq!(david.name, "david@contoso.com");
    assert_eq!(david.addresses.len(), 2);
}

#[test]
fn dns_follows_from_the_tenants_domains() {
    let world = world(config::read("w.toml", SMALL, now()));
    let answer = |name: &str, kind| match world.zones.query(View::Public, &domain(name), kind) {
        Answer::Records(records) => format!("{:?}", records[0].data),
        Answer::Failed(failure) => format!("{failure:?}"),
    };
    let a = |name| answer(name, RecordType::A);
    assert_eq!(
        a("contoso-com.mail.protection.outlook.com"),
        "A(40.107.0.26)"
    );
    assert_eq!(a("eop.mail.protection.outlook.com"), "A(40.107.0.26)");
    assert_eq!(a("fabrikam-com.mail.protection.outlook.com"), "NameError");
    let mx = answer("contoso.onmicrosoft.com", RecordType::Mx);
    assert!(mx.contains("contoso.mail.protection.outlook.com"), "{mx}");
}

#[test]
fn a_host_that_an_mx_record_names_for_a_tenants_domain_is_the_services() {
    let text = format!(
        r#"{SMALL}
[[ExchangeOnline.AcceptedDomains]]
Name = "c"
DomainName = "my-big-contoso.com"
[[Dns.Zones]]
Name = "contoso.com"
Records = """
@ MX 0 contoso-com.p-v1.mx.microsoft.
"""
[[Dns.Zones]]
Name = "my-big-contoso.com"
Records = """
@ MX 0 mybigcontoso-com0x.mail.protection.outlook.com.
"""
[[Dns.Zones]]
Name = "fabrikam.com"
Records = """
@ MX 0 fabrikam-com.p-v1.mx.microsoft.
"""
"#
    );
    let world = world(config::read("w.toml", &text, now()));
    let a = |name: &str| match world
        .zones
        .query(View::Public, &domain(name), RecordType::A)
    {
        Answer::Records(records) => format!("{:?}", records[0].data),
        Answer::Failed(failure) => format!("{failure:?}"),
    };
    let front_end = a("eop.mail.protection.outlook.com");
    assert_eq!(a("contoso-com.p-v1.mx.microsoft"), front_end);
    assert_eq!(
        a("mybigcontoso-com0x.mail.protection.outlook.com"),
        front_end
    );
    assert_eq!(a("fabrikam-com.p-v1.mx.microsoft"), "NameError");
}

#[test]
fn what_is_written_goes_before_what_is_implied() {
    let text = format!(
        "{SMALL}
[[OnPremises.ReceiveConnectors]]
Server = \"EX01\"
Name = \"default frontend ex01\"
MaxMessageSize = \"10MB\"

[[OnPremises.ReceiveConnectors]]
Server = \"EX01\"
Name = \"Relay\"
TransportRole = \"HubTransport\"
PermissionGroups = \"AnonymousUsers, ExchangeServers\"
RemoteIPRanges = \"192.0.2.0/24\"
[[OnPremises.ReceiveConnectors.ADPermissions]]
User = 'NT AUTHORITY\\ANONYMOUS LOGON'
ExtendedRights = [\"Ms-Exch-SMTP-Accept-Any-Recipient\"]

[[Dns.Zones]]
Name = \"mail.protection.outlook.com\"
Records = \"contoso-com A 203.0.113.9\"
"
    );
    let text = text.replace("[[ExchangeOnline]]", "[[ExchangeOnline]] # the tenant");
    // The tables of Contoso must stand together, before those of the tenant.
    let (before, after) = text.split_once("[[ExchangeOnline]]").expect("the tenant");
    let (tenant, added) = after.split_once("\n[[OnPremises").expect("what was added");
    let (added, zone) = added.split_once("[[Dns").expect("the zone");
    let text = format!("{before}[[OnPremises{added}[[ExchangeOnline]]{tenant}\n[[Dns{zone}");
    let world = world(config::read("w.toml", &text, now()));
    let parts = world.topology.parts();
    let named = |name: &str| {
        let mut connectors = parts.receive_connectors.iter();
        connectors
            .find(|each| each.name == name)
            .expect("a connector")
    };
    let front_end = named("default frontend ex01");
    assert_eq!(front_end.max_message_size.to_string(), "10MB");
    assert_eq!(front_end.permission_groups.len(), 3);
    assert!(
        parts
            .receive_connectors
            .iter()
            .all(|each| each.name != "Default Frontend EX01")
    );
    let relay = named("Relay");
    assert!(relay.anonymous_relay && relay.offers_tls);
    let Matcher::Endpoint {
        transport_role,
        bindings,
        remote_ip_ranges,
    } = &relay.matcher
    else {
        panic!("{relay:?}");
    };
    assert_eq!(
        (*transport_role, bindings[0].port()),
        (TransportRole::HubTransport, 2525)
    );
    assert_eq!(remote_ip_ranges.len(), 1);
    let front_end = &server(parts, "EOP").addresses;
    assert!(front_end.contains(&"203.0.113.9".parse().expect("an address")));
}

#[test]
fn groups_resolve_their_members() {
    let text = format!(
        "{SMALL}
[[ExchangeOnline.Mailboxes]]
PrimarySmtpAddress = \"julie@contoso.com\"
[[ExchangeOnline.MailUsers]]
PrimarySmtpAddress = \"david@contoso.com\"
ExternalEmailAddress = \"SMTP:david@contoso.com\"
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = \"a@contoso.com\"
Members = [\"JULIE@contoso.com\", \"david@contoso.com\", \"gone@contoso.com\"]
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = \"b@contoso.com\"
Members = [\"julie@contoso.com\", \"david@contoso.com\"]
Subscribers = [\"julie@contoso.com\"]
"
    );
    let world = world(config::read("w.toml", &text, now()));
    let parts = world.topology.parts();
    let lists = |address: &str| match recipient(parts, address, 1) {
        RecipientKind::Group {
            members,
            subscribers,
            ..
        } => (names(parts, &members), names(parts, &subscribers)),
        other => panic!("not a group: {other:?}"),
    };
    let (members, subscribers) = lists("a@contoso.com");
    assert_eq!(
        members,
        ["julie@contoso.com", "david@contoso.com", "nobody"]
    );
    assert_eq!(subscribers, ["david@contoso.com"]);
    assert_eq!(lists("b@contoso.com").1, ["julie@contoso.com"]);
}

#[test]
fn what_real_organizations_contain_is_no_mistake() {
    let twice = "[[OnPremises.MailUsers]]\nPrimarySmtpAddress = \"david@contoso.com\"\n";
    let text = SMALL.replace(
        "[[ExchangeOnline]]",
        &format!("{twice}{twice}[[ExchangeOnline]]"),
    );
    let world = world(config::read("w.toml", &text, now()));
    let topology = &world.topology;
    let organization = topology.parts().recipients[0].organization;
    let address = Mailbox::parse("david@contoso.com").expect("an address");
    assert_eq!(topology.recipients_at(organization, &address).len(), 3);
}

#[test]
fn values_have_exchanges_defaults_and_any_case() {
    let text = SMALL.replace(
        "[[OnPremises.Mailboxes]]",
        "[[OnPremises.SendConnectors]]
Name = \"Out\"
AddressSpaces = [\"smtp:*.fabrikam.com;20\"]
SourceTransportServers = [\"ex01.contoso.com\"]
SmartHosts = [\"[192.0.2.99]\"]
RequireTLS = true
TlsAuthLevel = \"domainvalidation\"
TlsDomain = \"*.fabrikam.com\"

[[OnPremises.AcceptedDomains]]
DomainName = \"*.groups.contoso.com\"
DomainType = \"INTERNALRELAY\"

[[OnPremises.Mailboxes]]",
    );
    let world = world(config::read("w.toml", &text, now()));
    let parts = world.topology.parts();
    let connector = &parts.send_connectors[0];
    assert_eq!(connector.max_message_size.to_string(), "35MB");
    assert!(matches!(connector.routing, Routing::SmartHosts(_)));
    assert_eq!(connector.sources.len(), 1);
    let space = &connector.address_spaces[0];
    assert_eq!(
        space.pattern,
        DomainPattern::WithSubdomains(domain("fabrikam.com"))
    );
    assert_eq!(
        slice(&text, space.location.as_ref()),
        "\"smtp:*.fabrikam.com;20\""
    );
    let groups = &parts.accepted_domains[1];
    assert!(groups.subdomains && !groups.default);
    assert_eq!(groups.kind, DomainType::InternalRelay);
}

// --- Places --------------------------------------------------------------------------------------

#[test]
fn every_value_can_be_written_over() {
    let world = world(config::read("w.toml", CONTOSO, now()));
    let mut count = 0;
    for settings in all_settings(world.topology.parts()) {
        let header = slice(CONTOSO, settings.object.as_ref());
        assert!(
            header.starts_with("[[") && header.ends_with("]]"),
            "{header}"
        );
        for (key, place) in &settings.values {
            let value = slice(CONTOSO, Some(place));
            let line = format!("{key} = {value}");
            assert!(CONTOSO.contains(&line), "{line}");
            assert!(line.parse::<toml::Table>().is_ok(), "{line}");
            count += 1;
        }
    }
    assert!(count > 100, "only {count} values");
}

#[test]
fn a_value_written_over_is_read_anew() {
    let before = world(config::read("w.toml", CONTOSO, now()));
    let connector = &before.topology.parts().send_connectors[0];
    for (key, value) in [
        ("AddressSpaces", "[\"contoso.mail.onmicrosoft.com\"]"),
        ("CloudServicesMailEnabled", "false"),
        ("Name", "\"Outbound to Office 365 - 2\""),
    ] {
        let place = connector.settings.written(key).expect("the key is written");
        let (start, end) = (place.offset, place.offset + place.length);
        let text = format!("{}{value}{}", &CONTOSO[..start], &CONTOSO[end..]);
        let text = match key {
            "Name" => text.replace("Through = \"Outbound to Office 365\"", ""),
            _ => text,
        };
        let after = world(config::read("w.toml", &text, now()));
        let changed = &after.topology.parts().send_connectors[0];
        let place = changed.settings.written(key);
        assert_eq!(slice(&text, place), value);
        assert_ne!(without_place(connector), without_place(changed), "{key}");
    }
}

#[test]
fn places_in_json_and_inline_tables_are_braces() {
    let json = to_json(SMALL);
    let from_json = world(config::read("w.json", &json, now()));
    for settings in all_settings(from_json.topology.parts()) {
        assert_eq!(slice(&json, settings.object.as_ref()), "{");
        for (_, place) in &settings.values {
            let value = slice(&json, Some(place));
            assert!(
                serde_json::from_str::<serde_json::Value>(value).is_ok(),
                "{value}"
            );
        }
    }
    let inline = "OnPremises = [{ Name = \"Contoso\" }]";
    let inline_world = world(config::read("w.toml", inline, now()));
    let settings = &inline_world.topology.parts().organizations[0].settings;
    let place = settings.object.as_ref().expect("the object is written");
    assert_eq!((place.column, slice(inline, Some(place))), (15, "{"));
}

#[test]
fn records_have_places() {
    let world = world(config::read("w.toml", CONTOSO, now()));
    let stated = world
        .zones
        .all()
        .iter()
        .filter(|zone| zone.location.is_some());
    let mut count = 0;
    for record in stated.flat_map(|zone| &zone.records) {
        if let Some(place) = &record.location {
            let line = CONTOSO
                .lines()
                .nth(place.line as usize - 1)
                .expect("a line");
            assert_eq!(slice(CONTOSO, Some(place)), line);
            count += 1;
        }
    }
    assert_eq!(count, 14);
}

// --- The schema ----------------------------------------------------------------------------------

#[test]
fn the_schema_names_every_key() {
    let schema = config::schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let definitions = schema["$defs"].as_object().expect("definitions");
    assert!(definitions.len() > 20);
    for object in definitions.values().chain([&schema]) {
        assert_eq!(object["additionalProperties"], false);
        let properties = object["properties"].as_object().expect("properties");
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{name}");
            let kinds = ["type", "anyOf", "$ref"];
            assert!(
                kinds.iter().any(|kind| property.get(kind).is_some()),
                "{name}"
            );
        }
        let required = object.get("required").and_then(|list| list.as_array());
        for name in required.into_iter().flatten() {
            assert!(
                properties.contains_key(name.as_str().expect("a name")),
                "{name}"
            );
        }
        check_references(&schema, object);
    }
}

/// Every reference leads to a definition.
fn check_references(schema: &serde_json::Value, part: &serde_json::Value) {
    match part {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(reference) if key == "$ref" => {
                        let pointer = reference.trim_start_matches('#');
                        assert!(schema.pointer(pointer).is_some(), "{reference}");
                    }
                    _ => check_references(schema, value),
                }
            }
        }
        serde_json::Value::Array(list) => {
            list.iter().for_each(|each| check_references(schema, each));
        }
        _ => {}
    }
}

#[test]
fn the_worlds_that_ship_satisfy_the_schema() {
    let schema = config::schema();
    let everything = read(&root().join("tests/worlds/everything.toml"));
    for text in [CONTOSO, everything.as_str()] {
        let world: serde_json::Value = serde_json::from_str(&to_json(text)).expect("JSON");
        check_instance(&schema, &schema, &world, "");
    }
}

/// Holds a value against the part of JSON Schema that ours uses.
fn check_instance(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    value: &serde_json::Value,
    path: &str,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#'));
        return check_instance(root, target.expect("a definition"), value, path);
    }
    if let Some(kind) = schema["type"].as_str() {
        let fits = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64(),
            _ => value.is_string(),
        };
        assert!(fits, "{path} is no {kind}");
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{path}");
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let property = schema["properties"].get(key);
        let property = property.unwrap_or_else(|| panic!("{path}.{key} is unknown"));
        check_instance(root, property, member, &format!("{path}.{key}"));
    }
    if let Some(items) = schema.get("items") {
        for item in value.as_array().into_iter().flatten() {
            check_instance(root, items, item, path);
        }
    }
}

// --- Support -------------------------------------------------------------------------------------

/// The world of a reading without errors.
#[track_caller]
fn world((world, found): (Option<World>, Vec<Diagnostic>)) -> World {
    let said = found
        .iter()
        .fold(String::new(), |said, each| said + &show(each));
    world.unwrap_or_else(|| panic!("{said}"))
}

fn server<'a>(parts: &'a Parts, name: &str) -> &'a Server {
    let mut servers = parts.servers.iter();
    servers
        .find(|server| server.name == name)
        .expect("a server")
}

/// What holds an address in the organization with an index.
fn recipient(parts: &Parts, address: &str, organization: usize) -> RecipientKind {
    let address = Mailbox::parse(address).expect("an address");
    let mut recipients = parts.recipients.iter();
    let found = recipients.find(|each| {
        each.organization.index() == organization && each.addresses.contains(&address)
    });
    found.expect("a recipient").kind.clone()
}

fn names(parts: &Parts, members: &[Member]) -> Vec<String> {
    let name = |member: &Member| match member {
        Member::Recipient(id) => parts.recipients[id.index()].primary().to_string(),
        Member::Nobody(_) => "nobody".to_owned(),
    };
    members.iter().map(name).collect()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

fn slice<'a>(text: &'a str, place: Option<&Location>) -> &'a str {
    let place = place.expect("a place");
    &text[place.offset..place.offset + place.length]
}

/// The settings of every object that is written.
fn all_settings(parts: &Parts) -> Vec<&Settings> {
    let all = parts.organizations.iter().map(|each| &each.settings);
    let all = all.chain(parts.servers.iter().map(|each| &each.settings));
    let all = all.chain(parts.accepted_domains.iter().map(|each| &each.settings));
    let all = all.chain(parts.remote_domains.iter().map(|each| &each.settings));
    let all = all.chain(parts.receive_connectors.iter().map(|each| &each.settings));
    let all = all.chain(parts.send_connectors.iter().map(|each| &each.settings));
    let all = all.chain(parts.recipients.iter().map(|each| &each.settings));
    let all = all.chain(parts.certificates.iter().map(|each| &each.settings));
    let all = all.chain(parts.sites.iter().map(|each| &each.settings));
    let all = all.chain(parts.site_links.iter().map(|each| &each.settings));
    let all = all.chain(parts.rules.iter().map(|each| &each.settings));
    let all = all.chain(parts.entra.iter().map(|each| &each.settings));
    let all = all.chain(parts.expectations.iter().map(|each| &each.settings));
    all.filter(|settings| settings.object.is_some()).collect()
}

/// A world as text, without the places of what it holds.
fn without_places(world: &World) -> String {
    let parts = format!("{:#?}", world.topology.parts());
    let zones = format!("{:#?}", world.zones.all());
    strip(&parts) + &strip(&zones)
}

fn without_place(connector: &SendConnector) -> String {
    strip(&format!("{connector:#?}"))
}

/// Leaves the blocks out of a pretty-printed value that are places.
fn strip(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        let is_place = ["settings:", "location:", "Location {"]
            .iter()
            .any(|start| trimmed.starts_with(start));
        match is_place {
            true if trimmed.ends_with(['{', '(']) => {
                let closes = |line: &str| {
                    line.strip_prefix(indent)
                        .is_some_and(|rest| rest.starts_with(['}', ')']))
                };
                lines.by_ref().find(|line| closes(line));
            }
            true => {}
            false => {
                let _ = writeln!(kept, "{line}");
            }
        }
    }
    kept
}

/// The same world in JSON.
fn to_json(text: &str) -> String {
    fn convert(value: &toml::Value) -> serde_json::Value {
        match value {
            toml::Value::String(text) => text.as_str().into(),
            toml::Value::Integer(number) => (*number).into(),
            toml::Value::Float(number) => (*number).into(),
            toml::Value::Boolean(boolean) => (*boolean).into(),
            toml::Value::Datetime(moment) => moment.to_string().into(),
            toml::Value::Array(list) => list.iter().map(convert).collect(),
            toml::Value::Table(table) => {
                let members = table
                    .iter()
                    .map(|(key, value)| (key.clone(), convert(value)));
                serde_json::Value::Object(members.collect())
            }
        }
    }
    let table: toml::Table = text.parse().expect("TOML");
    serde_json::to_string_pretty(&convert(&toml::Value::Table(table))).expect("JSON")
}

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a moment")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[expect(clippy::disallowed_methods, reason = "the one setting of these tests")]
fn update() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// An empty folder for one test.
#[expect(clippy::disallowed_methods, reason = "files are what is tested here")]
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("worlds")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    make_folder(&folder);
    folder
}

#[expect(clippy::disallowed_methods, reason = "files are what is tested here")]
fn make_folder(folder: &Path) {
    std::fs::create_dir_all(folder).expect("the folder can be made");
}

#[expect(clippy::disallowed_methods, reason = "files are what is tested here")]
fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "files are what is tested here")]
fn write(path: &Path, bytes: &[u8]) {
    make_folder(path.parent().expect("the file is in a folder"));
    std::fs::write(path, bytes).expect("the file can be written");
}
