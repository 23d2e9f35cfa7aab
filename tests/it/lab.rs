//! Worlds, live on loopback: what the article promises happens, prediction and observation agree, and
//! nobody relays for strangers.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hybridmx::config::{self, World};
use hybridmx::flow::{Disposition, Flag, FlagKind, Question, Submission, origin, walk};
use hybridmx::lab::agree::{self, AgreeOptions};
use hybridmx::lab::{Lab, LabOptions};
use hybridmx::mail::{ByteSize, EnhancedStatus, Mailbox, MessageKind, ReversePath};
use hybridmx::metrics;
use hybridmx::model::ServerRole;
use hybridmx::relay::Pace;
use hybridmx::{net, verify};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::Instant;

use crate::files::{golden, now, read_text};
use crate::mail_client::{Told, send};

/// Fast enough that two days of retries take seconds.
const PACE: Pace = Pace(60_000);

const ENGINEERING: &str = "engineering@groups.contoso.com";
const SALES: &str = "sales@groups.contoso.com";

fn load(world: &str) -> World {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testnet")
        .join(world);
    let (world, diagnostics) = config::load(&path, now());
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    world.expect("a world without diagnostics is loaded")
}

async fn start(world: World) -> Lab {
    let options = LabOptions {
        pace: PACE,
        folder: None,
    };
    Lab::start(Arc::new(world.topology), &world.zones, &options)
        .await
        .expect("the lab starts")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let bounded = async { tokio::time::timeout(Duration::from_secs(100), work).await };
    runtime.block_on(bounded).expect("the test ends in time")
}

/// What HTTP says: status and body.
async fn get(lab: &Lab, path: &str) -> (u16, String) {
    let mut stream = net::connect(None, lab.http(), Duration::from_secs(5))
        .await
        .expect("HTTP is there");
    let request = format!("GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a request can be sent");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("an answer in UTF-8");
    let code = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("a status");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    (code, body.to_owned())
}

/// The messages with this subject in a mailbox, as soon as there are so many.
async fn wait_for(lab: &Lab, address: &str, subject: &str, count: usize) -> Vec<Value> {
    let path = format!("/mailboxes/{address}/wait?subject={subject}&count={count}&timeout=20");
    let (code, body) = get(lab, &path).await;
    assert_eq!(code, 200, "{address}: {body}");
    let found: Vec<Value> = serde_json::from_str(&body).expect("a list");
    assert_eq!(found.len(), count, "{address}: {found:#?}");
    found
}

async fn has_none(lab: &Lab, address: &str, subject: &str) {
    let (code, body) = get(lab, &format!("/mailboxes/{address}")).await;
    assert_eq!(code, 200, "{body}");
    assert!(!body.contains(subject), "{address} has it: {body}");
}

fn server(lab: &Lab, name: &str) -> (SocketAddr, Option<SocketAddr>) {
    let server = lab
        .servers()
        .iter()
        .find(|server| server.name == name)
        .expect("the server runs");
    (server.smtp, server.submission)
}

/// A user's client hands a message over.
async fn post(lab: &Lab, at: &str, from: &str, to: &str, subject: &str) -> Told {
    let submission = server(lab, at).1.expect("users submit there");
    send(submission, None, Some((from, "lab")), from, to, subject).await
}

/// A stranger's server hands a message over.
async fn bring(
    lab: &Lab,
    from_host: &str,
    to_server: &str,
    from: &str,
    to: &str,
    subject: &str,
) -> Told {
    let local: IpAddr = server(lab, from_host).0.ip();
    send(
        server(lab, to_server).0,
        Some(local),
        None,
        from,
        to,
        subject,
    )
    .await
}

/// The counters that are not zero, of one name.
fn counted(lab: &Lab, name: &str) -> Vec<String> {
    let text = lab.metrics().render();
    let lines = text
        .lines()
        .filter(|line| line.starts_with(name) && !line.ends_with(" 0"));
    lines.map(str::to_owned).collect()
}

fn texts<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    value[key]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn an_on_premises_user_posts_to_a_group() {
    run(async {
        let lab = start(load("contoso")).await;
        assert_eq!(
            post(&lab, "EX02", "carol@contoso.com", ENGINEERING, "from-carol").await,
            Told::Accepted
        );
        for address in [
            ENGINEERING,
            "julie@contoso.com",
            "mike@contoso.com",
            "david@contoso.com",
        ] {
            let found = wait_for(&lab, address, "from-carol", 1).await;
            assert_eq!(found[0]["auth_as"], "Internal", "{address}");
        }
        has_none(&lab, "carol@contoso.com", "from-carol").await;
        lab.stop().await;
    });
}

#[test]
fn a_sender_who_wants_an_echo_has_it_once_and_it_is_flagged_as_expected() {
    run(async {
        let lab = start(load("contoso")).await;
        assert_eq!(
            post(&lab, "EX01", "david@contoso.com", ENGINEERING, "from-david").await,
            Told::Accepted
        );
        for address in [
            ENGINEERING,
            "julie@contoso.com",
            "mike@contoso.com",
            "carol@contoso.com",
            "david@contoso.com",
        ] {
            wait_for(&lab, address, "from-david", 1).await;
        }
        let echoes = counted(&lab, "hybridmx_echo_back_total");
        assert_eq!(
            echoes,
            ["hybridmx_echo_back_total{expected=\"true\",server=\"EX01\"} 1"]
        );
        lab.stop().await;
    });
}

#[test]
fn a_cloud_user_posts_and_the_on_premises_member_has_it_over_the_hybrid_connector() {
    run(async {
        let lab = start(load("contoso")).await;
        assert_eq!(
            post(&lab, "EXO", "julie@contoso.com", ENGINEERING, "from-julie").await,
            Told::Accepted
        );
        let found = wait_for(&lab, "david@contoso.com", "from-julie", 1).await;
        assert_eq!(found[0]["auth_as"], "Internal");
        assert_eq!(
            texts(&found[0], "received_by"),
            ["contoso.prod.outlook.com", "ex01.contoso.com"]
        );
        let id = found[0]["id"].as_str().expect("an id");
        let (_, raw) = get(&lab, &format!("/mailboxes/david@contoso.com/{id}")).await;
        let hop = raw
            .split("Received: ")
            .nth(2)
            .expect("a field for the way from the cloud");
        assert!(hop.contains("(TLS)"), "{raw}");
        let relayed = counted(
            &lab,
            "hybridmx_messages_relayed_total{connector=\"Outbound to Contoso\"",
        );
        assert_eq!(relayed.len(), 1, "{relayed:?}");
        lab.stop().await;
    });
}

/// Somebody who is addressed and a subscriber as well has one copy, as the walk says: the mailbox
/// drops the other, whichever way it came.
#[test]
fn a_subscriber_who_is_addressed_as_well_has_one_copy() {
    let world = load("contoso");
    let address = |text: &str| Mailbox::parse(text).expect("an address");
    let from = ReversePath::Mailbox(address("carol@contoso.com"));
    let submission = origin(&world.topology, &from, None).expect("a mailbox");
    let question = Question {
        from,
        to: vec![address("david@contoso.com"), address(ENGINEERING)],
        size: ByteSize(1024),
        kind: MessageKind::Message,
        submission,
    };
    let flow = walk(&world.topology, &world.zones, &question);
    let ends = |disposition| {
        let forks = flow
            .forks
            .iter()
            .filter(move |fork| fork.disposition == disposition);
        forks
            .map(|fork| fork.recipient.to_string())
            .collect::<Vec<_>>()
    };
    // Carol's own copy of a post, and David's second one.
    assert_eq!(
        ends(Disposition::Suppressed),
        ["david@contoso.com", "carol@contoso.com"]
    );
    run(async {
        let lab = start(world).await;
        let both = format!("david@contoso.com,{ENGINEERING}");
        assert_eq!(
            post(&lab, "EX02", "carol@contoso.com", &both, "to-both").await,
            Told::Accepted
        );
        for address in ends(Disposition::Delivered) {
            wait_for(&lab, &address, "to-both", 1).await;
        }
        rest(&lab).await;
        for address in ends(Disposition::Delivered) {
            wait_for(&lab, &address, "to-both", 1).await;
        }
        assert_eq!(
            counted(&lab, "hybridmx_duplicate_deliveries_total"),
            ["hybridmx_duplicate_deliveries_total{server=\"EX01\"} 1"]
        );
        has_none(&lab, "carol@contoso.com", "to-both").await;
        lab.stop().await;
    });
}

/// Waits until no server has anything to do.
async fn rest(lab: &Lab) {
    let until = Instant::now() + Duration::from_secs(20);
    while !lab.is_quiet() {
        assert!(Instant::now() < until, "the servers do not come to rest");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_message_of_a_user_leaves_one_received_field_at_its_own_server() {
    run(async {
        let lab = start(load("contoso")).await;
        assert_eq!(
            post(
                &lab,
                "EX01",
                "david@contoso.com",
                "david@contoso.com",
                "to-self"
            )
            .await,
            Told::Accepted
        );
        let found = wait_for(&lab, "david@contoso.com", "to-self", 1).await;
        let (_, raw) = get(
            &lab,
            &format!(
                "/mailboxes/david@contoso.com/{}",
                found[0]["id"].as_str().expect("an id")
            ),
        )
        .await;
        assert_eq!(raw.matches("Received: ").count(), 1, "{raw}");
        lab.stop().await;
    });
}

#[test]
fn a_group_for_members_refuses_strangers_and_an_open_one_takes_their_mail() {
    run(async {
        let lab = start(load("contoso")).await;
        let host = "mail.fabrikam.com";
        match bring(&lab, host, "EOP", "ann@fabrikam.com", ENGINEERING, "closed").await {
            Told::Refused(text) => assert!(text.contains("5.7.193"), "{text}"),
            Told::Accepted => panic!("the group took it"),
        }
        assert_eq!(
            bring(&lab, host, "EOP", "ann@fabrikam.com", SALES, "open").await,
            Told::Accepted
        );
        let found = wait_for(&lab, SALES, "open", 1).await;
        assert_eq!(found[0]["auth_as"], "Anonymous");
        wait_for(&lab, "carol@contoso.com", "open", 1).await;
        has_none(&lab, ENGINEERING, "closed").await;
        lab.stop().await;
    });
}

/// Two users whose target addresses are each other's: seen by the prediction, and when it happens.
#[test]
fn target_addresses_that_lead_to_each_other_are_a_loop() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let user = |name: &str, target: &str| {
        format!(
            "\n[[OnPremises.RemoteMailboxes]]\nName = \"{name}\"\n\
             PrimarySmtpAddress = \"{name}@contoso.com\"\nRemoteRoutingAddress = \"{target}@contoso.com\"\n"
        )
    };
    let before = "# Get-RemoteMailbox";
    let users = user("left", "right") + &user("right", "left") + before;
    let text = read_text(&path).replacen(before, &users, 1);
    let (world, diagnostics) = config::read("world.toml", &text, now());
    let world = world.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let from = ReversePath::Mailbox("david@contoso.com".parse().expect("an address"));
    let question = Question {
        submission: origin(&world.topology, &from, None).expect("a server"),
        from,
        to: vec!["left@contoso.com".parse().expect("an address")],
        size: ByteSize(1000),
        kind: MessageKind::Message,
    };
    let fork = walk(&world.topology, &world.zones, &question)
        .forks
        .remove(0);
    assert_eq!(fork.flags.len(), 1, "{:?}", fork.flags);
    assert_eq!(
        (fork.flags[0].kind, fork.flags[0].reason),
        (FlagKind::Loop, "recipient")
    );
    run(async {
        let lab = start(world).await;
        let told = post(
            &lab,
            "EX01",
            "david@contoso.com",
            "left@contoso.com",
            "round",
        )
        .await;
        assert_eq!(told, Told::Accepted);
        while counted(&lab, "hybridmx_messages_delivered_total").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(
            counted(&lab, "hybridmx_loops_total"),
            ["hybridmx_loops_total{kind=\"recipient\",server=\"EX01\"} 1"]
        );
        lab.stop().await;
    });
}

/// A misspelt parameter or address must not look like an empty mailbox.
#[test]
fn http_refuses_what_it_does_not_know() {
    run(async {
        let lab = start(load("contoso")).await;
        for (path, code, says) in [
            ("/mailboxes/david@contoso.com", 200, "[]"),
            ("/mailboxes/engineering@groups.contoso.com", 200, "[]"),
            ("/mailboxes/anybody@fabrikam.com", 200, "[]"),
            ("/mailboxes/dave@contoso.com", 404, "nobody has a mailbox"),
            ("/mailboxes/dave@contoso.com/wait?timeout=9", 404, "nobody"),
            (
                "/mailboxes/david@contoso.com/wait?subjct=x",
                400,
                "did you mean `subject`?",
            ),
            ("/mailboxes/david@contoso.com?subject=x", 400, "none here"),
            ("/mailboxes/david@contoso.com/wait?count=x", 400, ""),
        ] {
            let (found, body) = get(&lab, path).await;
            assert!(
                found == code && body.contains(says),
                "{path}: {found} {body}"
            );
        }
        lab.stop().await;
    });
}

#[test]
fn metrics_tell_what_waits_and_what_has_expired() {
    run(async {
        let lab = start(load("broken-group-domain-mx-missing")).await;
        let told = post(&lab, "EX01", "david@contoso.com", ENGINEERING, "waits").await;
        assert_eq!(told, Told::Accepted);
        let connector = "connector=\"Outbound to Office 365\"";
        let waits = || counted(&lab, &format!("hybridmx_queue_messages{{{connector}"));
        let expired = || counted(&lab, "hybridmx_messages_expired_total");
        let waiting = waits();
        assert!(
            waiting.len() == 1 && waiting[0].ends_with(" 1"),
            "{waiting:?}"
        );
        assert!(
            waiting[0].contains("queue=\"delivery\",server=\"EX01\""),
            "{waiting:?}"
        );
        assert_eq!(expired(), Vec::<String>::new());
        while expired().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let line = format!("hybridmx_messages_expired_total{{{connector},server=\"EX01\"}} 1");
        assert_eq!(expired(), [line]);
        while !waits().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        lab.stop().await;
    });
}

#[test]
fn labs_run_side_by_side_and_leave_nothing_behind() {
    run(async {
        let first = start(load("contoso")).await;
        let second = start(load("contoso")).await;
        let third = start(load("broken-group-domain-mx-missing")).await;
        assert_eq!(
            post(
                &first,
                "EX01",
                "david@contoso.com",
                "carol@contoso.com",
                "only-here"
            )
            .await,
            Told::Accepted
        );
        wait_for(&first, "carol@contoso.com", "only-here", 1).await;
        for other in [&second, &third] {
            has_none(other, "carol@contoso.com", "only-here").await;
        }
        let address = server(&first, "EX01").0;
        first.stop().await;
        assert!(
            net::connect(None, address, Duration::from_secs(1))
                .await
                .is_err(),
            "EX01 still listens"
        );
        assert_eq!(
            post(
                &second,
                "EX01",
                "david@contoso.com",
                "carol@contoso.com",
                "later"
            )
            .await,
            Told::Accepted
        );
        wait_for(&second, "carol@contoso.com", "later", 1).await;
        second.stop().await;
        third.stop().await;
    });
}

#[test]
fn what_http_cannot_do_it_says() {
    run(async {
        let lab = start(load("contoso")).await;
        assert_eq!(get(&lab, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(&lab, "/mailboxes/nobody").await.0, 400);
        assert_eq!(get(&lab, "/mailboxes/david@contoso.com/none").await.0, 404);
        assert_eq!(
            get(&lab, "/mailboxes/david@contoso.com/wait?timeout=0")
                .await
                .0,
            408
        );
        assert!(get(&lab, "/ca.pem").await.1.contains("BEGIN CERTIFICATE"));
        lab.stop().await;
    });
}

/// Every flow of a world does what was predicted, and the counters show the flags that it predicts
/// and no others.
#[track_caller]
pub(crate) fn agrees(name: &str, world: World) {
    let rows = verify::flows(&world.topology, &world.zones);
    run(async {
        let lab = start(world).await;
        let agreement = agree::agree(&lab, &rows, &AgreeOptions::at(PACE, false))
            .await
            .expect("the lab can be asked");
        let wrong: Vec<_> = agreement
            .results
            .iter()
            .filter(|each| !each.agree())
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        assert!(
            agreement.results.len() >= 30,
            "{name}: only {} flows were sent",
            agreement.results.len()
        );
        let sent: BTreeSet<&str> = agreement
            .results
            .iter()
            .map(|each| each.flow.as_str())
            .collect();
        let called =
            |row: &verify::Row| format!("{} → {} ({})", row.from_class, row.to_class, row.size);
        // What a stranger's own server finds out, none of ours can flag.
        let here = |row: &verify::Row, flag: &Flag| {
            row.example.submission != Submission::Host(flag.server)
        };
        let seen = rows
            .iter()
            .filter(|row| sent.contains(called(row).as_str()));
        let seen: Vec<&verify::Row> = seen.collect();
        // A server that counts too many Received fields cannot know that the way is only long.
        let is_long = |row: &&verify::Row| {
            let status = row.fork.status.as_ref();
            status.is_some_and(|status| status.enhanced == EnhancedStatus::new(5, 4, 6))
                && row
                    .fork
                    .flags
                    .iter()
                    .all(|flag| flag.kind != FlagKind::Loop)
        };
        let long = seen.iter().copied().any(|row| is_long(&row));
        let flags = seen
            .iter()
            .flat_map(|row| row.fork.flags.iter().filter(move |flag| here(row, flag)));
        let predicted: BTreeSet<(FlagKind, String)> = flags
            .map(|flag| (flag.kind, flag.reason.to_owned()))
            .collect();
        let mut raised = raised(&lab);
        if long && !predicted.iter().any(|(kind, _)| *kind == FlagKind::Loop) {
            raised
                .retain(|(kind, reason)| *kind != FlagKind::Loop || !reason.ends_with("hop_count"));
        }
        assert_eq!(raised, predicted, "{name}");
        lab.stop().await;
    });
}

/// The prediction for one world, sent through another in which a fault is: the comparison must see it,
/// or its agreement proves nothing.
#[test]
fn a_prediction_for_another_world_is_contradicted() {
    let healthy = load("contoso");
    let rows = verify::flows(&healthy.topology, &healthy.zones);
    run(async {
        let lab = start(load("broken-group-domain-not-accepted")).await;
        let agreement = agree::agree(&lab, &rows, &AgreeOptions::at(PACE, false))
            .await
            .expect("the lab can be asked");
        let (wrong, right): (Vec<_>, Vec<_>) =
            agreement.results.iter().partition(|each| !each.agree());
        assert_eq!(agreement.disagreements(), wrong.len());
        assert!(!wrong.is_empty(), "the fault was not seen");
        let elsewhere: Vec<_> = wrong
            .iter()
            .filter(|each| !each.to.ends_with("@groups.contoso.com"))
            .collect();
        assert!(elsewhere.is_empty(), "{elsewhere:#?}");
        assert!(!right.is_empty(), "mail that the fault does not concern");
        lab.stop().await;
    });
}

/// The flags that the counters show.
fn raised(lab: &Lab) -> BTreeSet<(FlagKind, String)> {
    let counters = [
        (FlagKind::Loop, "loops_total", "kind"),
        (FlagKind::Misrouted, "misrouted_total", "reason"),
        (FlagKind::WrongTrust, "wrong_trust_total", "direction"),
        (FlagKind::EchoBack, "echo_back_total", "expected"),
    ];
    let mut found = BTreeSet::new();
    for (kind, name, label) in counters {
        for line in counted(lab, &format!("hybridmx_{name}")) {
            let (_, rest) = line.split_once(&format!("{label}=\"")).expect("the label");
            let (value, _) = rest.split_once('"').expect("its value");
            found.insert((kind, value.to_owned()));
        }
    }
    found
}

/// Which of the tests below runs a world: worlds are found in their folder, and each test takes those
/// whose names hash to its number (FNV-1a).
fn part_of(world: &str) -> usize {
    let hash = world.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    usize::try_from(hash % PARTS.len() as u64).expect("a small number")
}

macro_rules! parts {
    ($($number:literal $part:ident)+) => {
        /// The numbers of the tests that share the worlds.
        const PARTS: &[usize] = &[$($number),+];

        $(#[test]
        fn $part() {
            part_agrees($number);
        })+
    };
}

fn part_agrees(number: usize) {
    let worlds = crate::testnet::names("").into_iter();
    for world in worlds.filter(|world| part_of(world) == number) {
        agrees(&world, load(&world));
    }
}

#[test]
fn every_world_has_its_part() {
    assert!(PARTS.iter().copied().eq(0..PARTS.len()), "{PARTS:?}");
}

parts! {
    0 worlds_00_agree 1 worlds_01_agree 2 worlds_02_agree 3 worlds_03_agree
    4 worlds_04_agree 5 worlds_05_agree 6 worlds_06_agree 7 worlds_07_agree
    8 worlds_08_agree 9 worlds_09_agree 10 worlds_10_agree 11 worlds_11_agree
    12 worlds_12_agree 13 worlds_13_agree 14 worlds_14_agree 15 worlds_15_agree
    16 worlds_16_agree 17 worlds_17_agree 18 worlds_18_agree 19 worlds_19_agree
    20 worlds_20_agree 21 worlds_21_agree 22 worlds_22_agree 23 worlds_23_agree
    24 worlds_24_agree 25 worlds_25_agree 26 worlds_26_agree 27 worlds_27_agree
    28 worlds_28_agree 29 worlds_29_agree 30 worlds_30_agree 31 worlds_31_agree
    32 worlds_32_agree 33 worlds_33_agree 34 worlds_34_agree 35 worlds_35_agree
    36 worlds_36_agree 37 worlds_37_agree 38 worlds_38_agree 39 worlds_39_agree
    40 worlds_40_agree 41 worlds_41_agree 42 worlds_42_agree 43 worlds_43_agree
    44 worlds_44_agree 45 worlds_45_agree 46 worlds_46_agree 47 worlds_47_agree
}

/// Groups within groups, forwarding, lists of senders, limits, moderation: what `testnet` has no
/// place for, because mail that is refused on purpose is refused.
#[test]
fn recipients_of_every_sort_agree() {
    agrees("recipients", crate::recipients::world(""));
}

/// What spammers try: a foreign domain, as somebody, as nobody, in the name of an own user, and behind
/// a source route through us.
const ABUSE: [(&str, &str); 4] = [
    ("<stranger@elsewhere.example>", "<victim@foreign.example>"),
    ("<>", "<victim@foreign.example>"),
    ("<david@contoso.com>", "<victim@foreign.example>"),
    (
        "<stranger@elsewhere.example>",
        "<@contoso.com:victim@foreign.example>",
    ),
];

#[test]
fn no_server_of_any_world_relays_for_strangers() {
    run(async {
        // Two worlds are broken just so, and one whose servers would not run.
        let names = crate::testnet::names("").into_iter();
        for world in names.filter(|world| !world.starts_with("broken-open-relay")) {
            let loaded = load(&world);
            let accepted = &loaded.topology.parts().accepted_domains;
            if accepted.iter().any(|entry| entry.everything) {
                continue;
            }
            let is_gateway = |name: &str| {
                let id = loaded.topology.server_named(name).expect("a server");
                let server = loaded.topology.server(id);
                let doors = loaded.topology.receive_connectors_on(id).iter();
                let mut doors = doors.map(|id| loaded.topology.receive_connector(*id));
                server.role == ServerRole::Host && doors.any(|door| door.anonymous_relay)
            };
            let lab = start(load(&world)).await;
            // Somebody else's gateway relays for whoever sends to it.
            for server in lab
                .servers()
                .iter()
                .filter(|server| !is_gateway(&server.name))
            {
                for address in [Some(server.smtp), server.submission].into_iter().flatten() {
                    for (from, to) in ABUSE {
                        let refusal = offer(address, from, to).await;
                        assert!(
                            refusal.starts_with('5'),
                            "{world}: {} at {address} says {refusal} to {from} → {to}",
                            server.name
                        );
                    }
                }
            }
            lab.stop().await;
        }
    });
}

/// The first refusal a stranger hears, or the acceptance of the recipient.
async fn offer(address: SocketAddr, from: &str, to: &str) -> String {
    let stream = net::connect(None, address, Duration::from_secs(5))
        .await
        .expect("the server is there");
    let mut stream = BufReader::new(stream);
    let mut reply = answer(&mut stream).await;
    for command in [
        "EHLO elsewhere.example".to_owned(),
        format!("MAIL FROM:{from}"),
        format!("RCPT TO:{to}"),
    ] {
        assert!(reply.starts_with('2'), "{address} says {reply}");
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await
            .expect("a command can be sent");
        reply = answer(&mut stream).await;
        if !reply.starts_with('2') {
            break;
        }
    }
    reply
}

/// The last line of a reply.
async fn answer(stream: &mut BufReader<impl tokio::io::AsyncRead + Unpin>) -> String {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

/// What the table has no room for.
const QUEUES_AND_LOOPS: &str = "\
## Queues

A message is in one queue for each next hop that some of its recipients have, until each of these is delivered there or has failed.
`delivery`: on its way to a mailbox or a next hop, also between two tries. `unreachable`: no Send connector
covers the recipient. `submission`: found in the spool at the start and not categorized yet, or failed while its sender is not told
yet; new messages are categorized as they are accepted, so they are not seen here. `poison`: found in the spool at the start and
unreadable, or of an organization that the world no longer has; such a message stays in the spool until a start that understands it.

Queue and spool gauges are read when metrics are shown. Ages are real ones, also where a lab's time runs faster.

## Loops

`hop_count`, `local_hop_count` and `attribution`: a message was refused for its Received fields, or for how often it entered the tenant.
`mx_self`: the best MX host is the server itself. `forwarding`: target addresses in the directory lead to each other. Two kinds stay at
zero, so build no alert on them: `revisit`, because prescribed paths visit a server twice (centralized mail transport, an Edge server), and
one return is no proof of a loop; `recipient`, because groups that contain each other are harmless, and in an expansion look like a
member of two groups.
";

/// `docs/metrics.md` is written from the table in the code; `UPDATE=1` writes it.
#[test]
fn the_documentation_of_metrics_is_the_table() {
    let mut text = String::from(
        "# Metrics\n\nEvery metric that `/metrics` of a lab or a relay shows, in Prometheus's text format. All series of a server \
         exist from its\nstart, at zero, and their number does not depend on traffic. This page is written from the table in \
         `src/metrics.rs`.\n\n| name | type | labels | what it says |\n|---|---|---|---|\n",
    );
    for row in metrics::TABLE {
        let labels: Vec<String> =
            (row.scope == metrics::Scope::Server)
                .then(|| "`server`".to_owned())
                .into_iter()
                .chain(row.labels.iter().map(|label| {
                    match metrics::closed_values(row.name, label) {
                        Some(_) if *label == "enhanced" => "`enhanced`".to_owned(),
                        Some(values) => format!("`{label}` ({})", values.join(", ")),
                        None => format!("`{label}`"),
                    }
                }))
                .collect();
        let kind = format!("{:?}", row.kind).to_lowercase();
        text.push_str(&format!(
            "| `hybridmx_{}` | {kind} | {} | {} |\n",
            row.name,
            labels.join(", "),
            row.help
        ));
    }
    let statuses = metrics::closed_values("messages_bounced_total", "enhanced")
        .expect("a closed set")
        .join(", ");
    text.push_str(&format!(
        "\n`server` is the name of a server of the world, `connector` that of one of its Receive or Send connectors, or `none`.\n\
         `enhanced` is one of: {statuses}.\n\n{}",
        QUEUES_AND_LOOPS
    ));
    golden(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md"),
        &text,
    );
}
