//! SMTP sessions as files, and laws that hold for every session.

mod client;
mod drive;
mod pair;
mod script;
mod server;

use std::panic::catch_unwind;
use std::sync::LazyLock;

use proptest::prelude::*;

use self::drive::{play, run};
use self::script::{Action, Script, Side, Step};

/// All dialogs, read once.
static SCRIPTS: LazyLock<Vec<Script>> = LazyLock::new(Script::all);

/// The input arrives as the file has it.
fn in_one_read(_flight: &[u8]) -> Vec<usize> {
    Vec::new()
}

/// Every byte arrives alone.
fn byte_by_byte(flight: &[u8]) -> Vec<usize> {
    (1..flight.len()).collect()
}

#[test]
fn dialogs_go_as_written() {
    assert!(SCRIPTS.len() >= 40, "only {} dialogs", SCRIPTS.len());
    let fails = |script: &&Script| catch_unwind(|| run(script, &mut in_one_read)).is_err();
    let failed: Vec<_> = SCRIPTS
        .iter()
        .filter(fails)
        .map(|script| &script.name)
        .collect();
    assert!(failed.is_empty(), "see above: {failed:?}");
}

#[test]
fn dialogs_go_the_same_byte_by_byte() {
    for script in SCRIPTS.iter() {
        let whole = run(script, &mut in_one_read);
        assert_eq!(run(script, &mut byte_by_byte), whole, "{}", script.name);
    }
}

/// The input is cut where `seed` says.
fn cut_by(seed: u64) -> impl FnMut(&[u8]) -> Vec<usize> {
    let mut state = seed | 1;
    move |flight| {
        let mut cuts = Vec::new();
        let mut at = 0;
        while at < flight.len() {
            // A linear congruential generator is random enough to choose places.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            at += 1 + usize::try_from(state >> 60).expect("four bits");
            cuts.push(at);
        }
        cuts
    }
}

/// Pieces of which a hostile or broken client may make its input.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        ".",
        "\r\n.\r\n",
        "\0",
        " ",
        "EHLO a.example\r\n",
        "HELO [192.0.2.1]\r\n",
        "MAIL FROM:<>\r\n",
        "MAIL FROM:<ann@contoso.com> SIZE=10\r\n",
        "RCPT TO:<bob@contoso.com>\r\n",
        "RCPT TO:<postmaster>\r\n",
        "DATA\r\n",
        "RSET\r\n",
        "NOOP\r\n",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN AAAA\r\n",
        "VRFY a\r\n",
        "QUIT\r\n",
        "Subject: a",
        "250 ok\r\n",
        "250-a\r\n",
        "354 go\r\n",
        "421 4.3.2 bye\r\n",
        "550 5.1.1 no\r\n",
        "220 hi\r\n",
        "250 PIPELINING\r\n",
    ];
    prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => prop::sample::select(&[100_usize, 2_047, 2_050, 13_000][..]).prop_map(|n| vec![b'x'; n]),
    ]
}

/// A session that is fed `soup` and told that it ends.
///
/// A server gets it as one flight. A client gets it line by line: what arrives before a command was
/// said is no answer to it, so there the reads decide.
fn soup(side: Side, soup: &[u8]) -> Script {
    let (prepared, flights): (&[(&str, &str)], Vec<&[u8]>) = match side {
        Side::Client => (
            CLIENT,
            soup.split_inclusive(|&octet| octet == b'\n').collect(),
        ),
        Side::Server => (SERVER, vec![soup]),
    };
    let directive =
        |&(word, argument): &(&str, &str)| Action::Directive(word.to_owned(), argument.to_owned());
    let input = flights
        .into_iter()
        .map(|flight| Action::Input(flight.to_vec()));
    let actions = prepared.iter().map(directive).chain(input);
    let actions = actions.chain([directive(&("eof", ""))]);
    Script {
        name: "soup".to_owned(),
        side,
        steps: actions.map(|action| Step { line: 0, action }).collect(),
    }
}

const CLIENT: &[(&str, &str)] = &[
    ("set", "tls never"),
    ("begin", "<a@b> c@d e@f"),
    ("body", ".a"),
    ("begin", "<> c@d"),
    ("quit", ""),
];

const SERVER: &[(&str, &str)] = &[
    ("set", "size-max 50"),
    ("set", "text-line-max 40"),
    ("set", "protocol-errors-max 20"),
    ("refuse-rcpt", "550 5.7.54 no"),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_split_of_a_dialog_gives_the_same_session(
        at in 0..SCRIPTS.len(),
        seed in any::<u64>(),
    ) {
        let script = &SCRIPTS[at];
        prop_assert_eq!(run(script, &mut cut_by(seed)), run(script, &mut in_one_read));
    }

    #[test]
    fn any_split_of_anything_gives_the_same_session(
        pieces in prop::collection::vec(piece(), 0..40),
        to_client in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let side = if to_client { Side::Client } else { Side::Server };
        let script = soup(side, &pieces.concat());
        let (whole, ..) = play(&script, &mut in_one_read);
        let (split, ..) = play(&script, &mut cut_by(seed));
        prop_assert_eq!(split, whole);
    }
}
