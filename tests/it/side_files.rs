//! Side files: recipients in CSV and JSON lines are what they would be in the world's own file, and
//! every mistake in them is found and placed.

use std::path::Path;

use hybridmx::config::{self, World};
use hybridmx::diag::Diagnostic;
use hybridmx::model::{Recipient, RecipientKind, Settings};
use hybridmx::verify;
use tempfile::TempDir;

use crate::files::{make_folder, now, write, write_bytes};

/// A world with two directories of one file each.
const WORLD: &str = r#"
[[OnPremises]]
Name = "Contoso"
RecipientsFile = "inside.csv"

[[OnPremises.Servers]]
Name = "EX01"
Fqdn = "ex01.contoso.com"
IPAddress = "192.0.2.10"

[[OnPremises.AcceptedDomains]]
DomainName = "contoso.com"

[[ExchangeOnline]]
Name = "contoso.onmicrosoft.com"
RecipientsFile = ["cloud.jsonl"]

[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.com"
"#;

const INSIDE: &str = "\
RecipientTypeDetails,Name,PrimarySmtpAddress,EmailAddresses,RemoteRoutingAddress,Members,MaxReceiveSize,MailEnabled
UserMailbox,\"Payne, Ann\",ann@contoso.com,smtp:a@contoso.com;smtp:payne@contoso.com,,,10MB,
SharedMailbox,Desk,desk@contoso.com,,,,,
RemoteUserMailbox,Bob,bob@contoso.com,,bob@contoso.onmicrosoft.com,,,
MailUniversalSecurityGroup,Staff,staff@contoso.com,,,ann@contoso.com;bob@contoso.com,,
RemoteGroupMailbox,Team,team@contoso.com,,,bob@contoso.com,,False
";

const CLOUD: &str = r#"
{"RecipientTypeDetails": "UserMailbox", "PrimarySmtpAddress": "bob@contoso.com", "EmailAddresses": ["smtp:bob@contoso.onmicrosoft.com"]}

{"RecipientTypeDetails": "GuestMailUser", "PrimarySmtpAddress": "eve@fabrikam.com", "ExternalEmailAddress": "eve@fabrikam.com"}
{"RecipientTypeDetails": "GroupMailbox", "PrimarySmtpAddress": "team@contoso.com", "Members": ["bob@contoso.com", "eve@fabrikam.com"], "MemberSince": [{"Member": "bob@contoso.com", "Since": "2026-01-01"}]}
"#;

/// The same recipients in the world itself.
const WRITTEN: [(&str, &str); 2] = [
    (
        "RecipientsFile = \"inside.csv\"\n",
        r#"
[[OnPremises.Mailboxes]]
Name = "Payne, Ann"
PrimarySmtpAddress = "ann@contoso.com"
EmailAddresses = ["smtp:a@contoso.com", "smtp:payne@contoso.com"]
MaxReceiveSize = "10MB"
[[OnPremises.Mailboxes]]
Name = "Desk"
PrimarySmtpAddress = "desk@contoso.com"
RecipientTypeDetails = "SharedMailbox"
[[OnPremises.RemoteMailboxes]]
Name = "Bob"
PrimarySmtpAddress = "bob@contoso.com"
RemoteRoutingAddress = "bob@contoso.onmicrosoft.com"
[[OnPremises.DistributionGroups]]
Name = "Staff"
PrimarySmtpAddress = "staff@contoso.com"
Members = ["ann@contoso.com", "bob@contoso.com"]
[[OnPremises.WrittenBackGroups]]
Name = "Team"
PrimarySmtpAddress = "team@contoso.com"
Members = ["bob@contoso.com"]
MailEnabled = false
"#,
    ),
    (
        "RecipientsFile = [\"cloud.jsonl\"]\n",
        r#"
[[ExchangeOnline.Mailboxes]]
PrimarySmtpAddress = "bob@contoso.com"
EmailAddresses = ["smtp:bob@contoso.onmicrosoft.com"]
[[ExchangeOnline.MailUsers]]
PrimarySmtpAddress = "eve@fabrikam.com"
ExternalEmailAddress = "eve@fabrikam.com"
Guest = true
[[ExchangeOnline.UnifiedGroups]]
PrimarySmtpAddress = "team@contoso.com"
Members = ["bob@contoso.com", "eve@fabrikam.com"]
MemberSince = [{ Member = "bob@contoso.com", Since = "2026-01-01" }]
"#,
    ),
];

#[test]
fn a_recipient_is_the_same_in_a_side_file_as_in_the_world() {
    let (_folder, world, found) = load(INSIDE, CLOUD);
    assert!(found.is_empty(), "{found:#?}");
    let text = WRITTEN
        .iter()
        .fold(WORLD.to_owned(), |text, (key, instead)| {
            // Tables follow what belongs to the organization itself.
            let (before, after) = text.split_once(key).expect("the key is there");
            let end = after.find("\n[[ExchangeOnline]]").unwrap_or(after.len());
            let (own, rest) = after.split_at(end);
            format!("{before}{own}{instead}{rest}")
        });
    let (inline, found) = config::read("world.toml", &text, now());
    assert!(found.is_empty(), "{found:#?}");
    let (world, inline) = (world.expect("a world"), inline.expect("a world"));
    assert_eq!(recipients(&world), recipients(&inline));
    let rows = |world: &World| format!("{:?}", verify::flows(&world.topology, &world.zones));
    assert_eq!(rows(&world), rows(&inline));
}

/// Every recipient, without its places.
fn recipients(world: &World) -> Vec<String> {
    let all = world.topology.recipients();
    all.map(|(_, recipient)| format!("{:?}", bare(recipient)))
        .collect()
}

/// A recipient without the places where it is described.
fn bare(recipient: &Recipient) -> Recipient {
    let mut recipient = recipient.clone();
    recipient.settings = Settings::default();
    if let RecipientKind::Group { details, .. } = &mut recipient.kind {
        for member in &mut details.member_since {
            member.settings = Settings::default();
        }
    }
    recipient
}

#[test]
fn rows_have_places_and_groups_every_cell() {
    let (_folder, world, _) = load(INSIDE, CLOUD);
    let world = world.expect("a world");
    let named = |name: &str| {
        let mut all = world.topology.recipients().map(|(_, recipient)| recipient);
        all.find(|recipient| recipient.name == name)
            .expect("it is there")
    };
    let bob = named("Bob").settings.object.clone().expect("a row");
    assert!(bob.file.ends_with("inside.csv"));
    assert_eq!((bob.line, bob.column), (4, 1));
    assert!(INSIDE[bob.offset..].starts_with("RemoteUserMailbox,Bob"));
    let members = named("Staff").settings.written("Members").expect("a cell");
    assert_eq!(
        &INSIDE[members.offset..members.offset + members.length],
        "ann@contoso.com;bob@contoso.com"
    );
    let team = world.topology.recipients().last().expect("the group").1;
    let members = team.settings.written("Members").expect("a value");
    assert!(CLOUD[members.offset..].starts_with("[\"bob@contoso.com\""));
    assert_eq!(members.line, 5);
}

#[test]
fn a_byte_order_mark_and_line_breaks_of_any_kind_are_no_mistake() {
    for inside in [
        INSIDE.replace('\n', "\r\n"),
        INSIDE.replace('\n', "\n\n"),
        format!("\u{feff}{INSIDE}"),
        INSIDE.trim_end().to_owned(),
    ] {
        let cloud = format!("\u{feff}{}", CLOUD.replace('\n', "\r\n"));
        let (_folder, world, found) = load(&inside, &cloud);
        assert!(found.is_empty(), "{found:#?}");
        let world = world.expect("a world");
        assert_eq!(world.topology.recipients().count(), 8);
        let (_, bob) = world.topology.recipients().nth(2).expect("Bob");
        let at = bob.settings.object.as_ref().expect("a row");
        assert!(inside[at.offset..].starts_with("RemoteUserMailbox"), "{at}");
        let line = inside[..at.offset].matches('\n').count() + 1;
        assert_eq!((at.line as usize, at.column), (line, 1));
    }
}

/// Mistakes: the file, a part of it, what stands instead, and what is said: place, message and help.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    (
        "csv",
        "MaxReceiveSize,",
        "MaxRecieveSize,",
        "1:90 unknown-key `MaxRecieveSize` is not a column of recipients; did you mean `MaxReceiveSize`?",
    ),
    (
        "csv",
        "RecipientTypeDetails,",
        "RecipientTypeDetail,",
        "1:1 unknown-key `RecipientTypeDetail` is not a column of recipients; did you mean `RecipientTypeDetails`?",
    ),
    (
        "csv",
        "RecipientTypeDetails,Name",
        "Name,HiddenFromAddressListsEnabled",
        "1:1 missing-key `inside.csv` has no column `RecipientTypeDetails`; add the column",
    ),
    (
        "csv",
        "Members,Max",
        "Name,Max",
        "1:82 invalid-syntax `Name` stands here twice; remove one of the two columns",
    ),
    (
        "csv",
        "MailEnabled\n",
        "InboxRules\n",
        "1:105 wrong-type `InboxRules` takes tables, which no cell can hold; write these recipients as JSON lines",
    ),
    (
        "csv",
        "UserMailbox,\"",
        "UserMailbx,\"",
        "2:1 invalid-value `UserMailbx` is not a value of `RecipientTypeDetails`; did you mean `UserMailbox`?",
    ),
    (
        "csv",
        "UserMailbox,\"",
        "GroupMailbox,\"",
        "2:1 invalid-value `GroupMailbox` is not a value of `RecipientTypeDetails`; ",
    ),
    (
        "csv",
        "ann@contoso.com,smtp",
        "ann,smtp",
        "2:26 invalid-value ",
    ),
    (
        "csv",
        "smtp:payne@contoso.com",
        "smtp:payne",
        "2:61 invalid-value ",
    ),
    ("csv", "10MB", "10XB", "2:86 invalid-value "),
    (
        "csv",
        "Desk,desk@contoso.com,,",
        "Desk,desk@contoso.com,",
        "3:1 invalid-syntax the row has 7 cells, and the header has 8; write a comma for every empty cell",
    ),
    (
        "csv",
        "Desk,desk@contoso.com,,,",
        "Desk,desk@contoso.com,,x@y.example,",
        "3:38 unknown-key `RemoteRoutingAddress` is not a key of `Mailboxes`; leave the cell empty",
    ),
    (
        "csv",
        "Desk,desk@contoso.com",
        "Desk,",
        "3:1 missing-key the recipient has no SMTP address; add `PrimarySmtpAddress`",
    ),
    (
        "csv",
        ",False\n",
        ",Perhaps\n",
        "6:61 wrong-type `MailEnabled` takes true or false, and `Perhaps` is text; write `true` or `false`",
    ),
    (
        "csv",
        "\"Payne, Ann\"",
        "\"Payne, Ann",
        "2:13 invalid-syntax the text that begins here is never closed; close it with `\"`",
    ),
    (
        "jsonl",
        "\"GuestMailUser\"",
        "\"GuestMailuser2\"",
        "4:26 invalid-value `GuestMailuser2` is not a value of `RecipientTypeDetails`; did you mean `GuestMailUser`?",
    ),
    (
        "jsonl",
        "\"ExternalEmailAddress\"",
        "\"ExternalEmailAdress\"",
        "4:85 unknown-key `ExternalEmailAdress` is not a key of `MailUsers`; did you mean `ExternalEmailAddress`?",
    ),
    (
        "jsonl",
        "\"RecipientTypeDetails\": \"GuestMailUser\", ",
        "",
        "4:1 missing-key the recipient has no `RecipientTypeDetails`; add it",
    ),
    (
        "jsonl",
        "\"2026-01-01\"}]}",
        "\"2026-01-01\"}]",
        "5:1 invalid-syntax ",
    ),
    (
        "jsonl",
        "\n\n",
        "\n[]\n",
        "3:1 wrong-type a line is one object of JSON; write `{",
    ),
    (
        "world",
        "\"inside.csv\"",
        "\"inside.xlsx\"",
        "4:18 unreadable-file ",
    ),
    (
        "world",
        "\"inside.csv\"",
        "\"world.toml\"",
        "4:18 invalid-value `world.toml` is neither CSV nor JSON lines; give a file that ends in `.csv`",
    ),
    (
        "world",
        "\"inside.csv\"",
        "\"insied.csv\"",
        "4:18 unreadable-file `…/insied.csv` does not exist; did you mean `…/inside.csv`?",
    ),
];

#[test]
fn mistakes_are_placed_and_explained() {
    let mut wrong = Vec::new();
    for (file, part, instead, said) in MISTAKES {
        let change = |name: &str, text: &str| match *file == name {
            true => {
                assert!(text.contains(part), "`{part}` is not in the {name}");
                text.replacen(part, instead, 1)
            }
            false => text.to_owned(),
        };
        let (folder, inside, cloud) = (
            tempfile::tempdir().expect("a folder"),
            change("csv", INSIDE),
            change("jsonl", CLOUD),
        );
        write(&folder.path().join("world.toml"), &change("world", WORLD));
        write(&folder.path().join("inside.csv"), &inside);
        write(&folder.path().join("cloud.jsonl"), &cloud);
        let (world, found) = config::load(folder.path(), now());
        assert!(world.is_none(), "{part} → {instead} is accepted");
        let shown: Vec<String> = found.iter().map(|each| line(each, folder.path())).collect();
        if !shown.iter().any(|shown| shown.starts_with(said)) {
            wrong.push(format!("{part} → {instead}: {shown:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A diagnostic on one line.
fn line(diagnostic: &Diagnostic, folder: &Path) -> String {
    let place = diagnostic.location.as_ref().expect("a place");
    let folder = format!("{}/", folder.display());
    let text = format!(
        "{}:{} {} {}; {}",
        place.line,
        place.column,
        diagnostic.code,
        diagnostic.message,
        diagnostic.help.as_deref().unwrap_or_default()
    );
    match diagnostic.code {
        "unreadable-file" => text.replace(&folder, "…/"),
        _ => text.replace(&folder, ""),
    }
}

#[test]
fn all_mistakes_are_found_at_once_up_to_a_limit() {
    let wrong = "UserMailbox,X,x,,,,,\n";
    let (_folder, world, found) = load(
        &format!("{INSIDE}{wrong}{wrong}"),
        &CLOUD.replace("eve@", "eve"),
    );
    assert!(world.is_none());
    assert_eq!(found.len(), 5, "{found:#?}");
    let (_folder, _, found) = load(&format!("{INSIDE}{}", wrong.repeat(5_000)), CLOUD);
    assert_eq!(found.len(), 100);
    let last = found.last().expect("a hundred");
    assert_eq!(last.because, ["reading of the file stops here"]);
}

/// What cannot be read at all: the bytes of a side file and what is said of it.
#[test]
fn files_that_are_no_tables_are_refused() {
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let long = "x".repeat(5 << 20);
    let truncated = &INSIDE.as_bytes()[..INSIDE.len() - 30];
    let cases: [(&[u8], &[u8], &str); 9] = [
        (b"", b"", "is empty"),
        (&utf16(INSIDE), &utf16(CLOUD), "this is UTF-16"),
        (
            b"\x7fELF\0\0\x01\x02",
            b"\x7fELF\0\0\x01\x02",
            "is not text",
        ),
        (
            b"RecipientTypeDetails,Name\nUserMailbox,M\xfcller\n",
            b"{\"Name\": \"M\xfcller\"}",
            "the byte `0xFC` is not UTF-8",
        ),
        (
            long.as_bytes(),
            long.as_bytes(),
            "a row has more than 1048576 bytes",
        ),
        (truncated, &CLOUD.as_bytes()[..CLOUD.len() - 30], ""),
        (b"nothing\nof the kind\n", b"nothing\nof the kind\n", ""),
        (b"a;b;c\n", b"a;b;c\n", ""),
        (b"\xff\xfeR\0", b"\xff\xfeR\0", "this is UTF-16"),
    ];
    for (inside, cloud, said) in cases {
        for is_cloud in [false, true] {
            let folder = tempfile::tempdir().expect("a folder");
            let at = |name: &str| folder.path().join(name);
            write(&at("world.toml"), WORLD);
            write_bytes(
                &at("inside.csv"),
                if is_cloud { INSIDE.as_bytes() } else { inside },
            );
            write_bytes(
                &at("cloud.jsonl"),
                if is_cloud { cloud } else { CLOUD.as_bytes() },
            );
            let (world, found) = config::load(folder.path(), now());
            assert!(world.is_none() && found.len() < 20, "{said}: {found:#?}");
            // What is no text at all is placed where the world names the file.
            let name = if is_cloud {
                "cloud.jsonl"
            } else {
                "inside.csv"
            };
            let is_named = |each: &Diagnostic| {
                let place = each.location.as_ref().expect("a place");
                place.file.ends_with(name) || each.message.contains(name)
            };
            assert!(found.iter().all(is_named), "{found:#?}");
            assert!(
                found.iter().any(|each| each.message.contains(said)),
                "{said}: {found:#?}"
            );
            assert!(found.iter().all(|each| each.help.is_some()), "{found:#?}");
        }
    }
}

#[test]
fn a_folder_is_no_side_file() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("world.toml"), WORLD);
    write(&folder.path().join("cloud.jsonl"), CLOUD);
    make_folder(&folder.path().join("inside.csv"));
    let (world, found) = config::load(folder.path(), now());
    assert!(world.is_none() && found.len() == 1, "{found:#?}");
    assert!(
        found[0]
            .message
            .contains("is a folder, and a file is wanted")
    );
}

#[test]
fn a_world_that_is_text_has_no_side_files() {
    let (world, found) = config::read("world.toml", WORLD, now());
    assert!(world.is_none());
    let helps: Vec<_> = found
        .iter()
        .filter_map(|each| each.help.as_deref())
        .collect();
    assert_eq!(helps, ["write the recipients into the world"; 2]);
}

#[test]
fn an_address_held_twice_is_a_finding() {
    let twice = format!("{INSIDE}UserMailbox,Ann,ann@contoso.com,,,,,\n");
    let (_folder, world, found) = load(&twice, CLOUD);
    assert!(found.is_empty(), "{found:#?}");
    let world = world.expect("a world");
    let report = verify::check(&world.topology, &world.zones);
    let codes: Vec<_> = report
        .findings
        .iter()
        .map(|each| each.diagnostic.code)
        .collect();
    assert!(codes.contains(&"ambiguous-address"), "{codes:?}");
    for finding in &report.findings {
        let edits = finding.fix.iter().flat_map(|fix| &fix.edits);
        let mut files = edits.map(|edit| &edit.location.file);
        assert!(
            files.all(|file| file.ends_with("world.toml")),
            "no edit is in a side file"
        );
    }
}

fn load(inside: &str, cloud: &str) -> (TempDir, Option<World>, Vec<Diagnostic>) {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("world.toml"), WORLD);
    write(&folder.path().join("inside.csv"), inside);
    write(&folder.path().join("cloud.jsonl"), cloud);
    let (world, found) = config::load(folder.path(), now());
    (folder, world, found)
}
