//! Who is a server of the organization to a relay: who proves it with a certificate, and nobody for his
//! address.

use std::path::Path;

use crate::authority::Authority;
use crate::files::read_text;
use crate::mail_client::{Told, send};
use crate::process::Process;

const DAVID: &str = "david@contoso.com";
const CAROL: &str = "carol@contoso.com";
/// Of neither organization: only who may relay can send there.
const FOREIGN: &str = "ann@fabrikam.com";
const STRANGER: &str = "ann@tailspintoys.com";

/// The world of Contoso, with a certificate for each of its servers; EX02 is where tests are.
fn world() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testnet/contoso/world.toml");
    let text = read_text(&path);
    assert!(text.contains("IPAddress = \"192.0.2.11\""));
    let certificate = |server: &str, fqdn: &str| {
        format!(
            "\n[[Certificates]]\nSubject = \"CN={fqdn}\"\nIssuer = \"CN=Public CA\"\n\
             CertificateDomains = [\"{fqdn}\"]\nServers = [\"{server}\"]\n"
        )
    };
    text.replace("IPAddress = \"192.0.2.11\"", "IPAddress = \"127.0.0.1\"")
        + &certificate("EX01", "ex01.contoso.com")
        + &certificate("EX02", "ex02.contoso.com")
}

fn entries(names: &[&str]) -> String {
    let entry = |name: &&str| {
        let subject = match *name {
            "mail" => "mail.contoso.com".to_owned(),
            server => format!("{server}.contoso.com"),
        };
        format!(
            "[[Certificates]]\nSubject = \"CN={subject}\"\nCertificateFile = \"{name}.pem\"\nKeyFile = \"{name}.key\"\n"
        )
    };
    names.iter().map(entry).collect()
}

/// A relay with these certificates, all of one authority, which it trusts.
fn relay(server: &str, authority: &Authority, more: &str, names: &[&str]) -> Process {
    let more = format!("TrustedRoots = \"roots.pem\"\n{more}{}", entries(names));
    let process = Process::new(server, &world(), &more);
    process.put("roots.pem", &authority.root());
    process.put("users", "david@contoso.com:secret\n");
    for name in names {
        let host = format!("{name}.contoso.com");
        process.put_certificate(
            authority,
            name,
            &[host.as_str(), "autodiscover.contoso.com"],
        );
    }
    process
}

fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(work);
}

#[test]
fn the_address_of_a_server_makes_nobody_a_server() {
    run(async {
        // The client has the address that the world gives EX02.
        let authority = Authority::new();
        let relay = relay("EX01", &authority, "", &["ex01", "mail"]).start();
        for _ in 0..2 {
            let told = send(relay.smtp, None, None, STRANGER, FOREIGN, "relayed").await;
            let Told::Refused(reply) = told else {
                panic!("EX01 is an open relay");
            };
            assert!(reply.contains("5.7.54"), "{reply}");
        }
        assert_eq!(relay.logged("does not prove").len(), 1, "{}", relay.log());
        let told = send(relay.smtp, None, None, DAVID, DAVID, "forged").await;
        assert_eq!(told, Told::Accepted);
        let message = &relay.mailbox_of(DAVID, 1).await[0];
        assert!(message.contains("AuthAs: Anonymous"), "{message}");
    });
}

#[test]
fn who_a_client_is_is_decided_after_starttls() {
    run(async {
        let authority = Authority::new();
        let relay = relay("EX01", &authority, "", &["ex01", "mail"]).start();
        let years = (2020, 2030);
        let limited = "250-SIZE 37748736";
        let unlimited = "250-SIZE 157286400";
        for (identity, size, code) in [
            (
                authority.issue(&["ex02.contoso.com"], years),
                unlimited,
                "250",
            ),
            (authority.issue(&["*.contoso.com"], years), unlimited, "250"),
            // Of nobody of the organization; out of date; of an authority that is not trusted.
            (
                authority.issue(&["mail.contoso.com"], years),
                limited,
                "550",
            ),
            (
                authority.issue(&["ex02.contoso.com"], (2019, 2020)),
                limited,
                "550",
            ),
            (
                Authority::new().issue(&["ex02.contoso.com"], years),
                limited,
                "550",
            ),
        ] {
            let lines = [
                "EHLO ex02.contoso.com",
                "MAIL FROM:<ann@tailspintoys.com>",
                "RCPT TO:<ann@fabrikam.com>",
            ];
            let answers = relay.talk_as(&identity.identity, &lines).await;
            assert!(answers[0].contains(size), "{answers:?}");
            assert!(answers[2].starts_with(code), "{answers:?}");
        }
    });
}

/// What David writes to Carol as it arrives, and what the relays said; EX01 has these certificates.
async fn carried(names: &[&str]) -> (String, Process, Process) {
    let authority = Authority::new();
    let ex02 = relay("EX02", &authority, "", &["ex02", "mail"]).start();
    let more = format!(
        "Users = \"users\"\nHostOverrides = [\"127.0.0.1={}\"]\n",
        ex02.smtp
    );
    let ex01 = relay("EX01", &authority, &more, names).start();
    let user = Some((DAVID, "secret"));
    let told = send(ex01.submission, None, user, DAVID, CAROL, "hello").await;
    assert_eq!(told, Told::Accepted);
    let message = ex02.mailbox_of(CAROL, 1).await.remove(0);
    (message, ex01, ex02)
}

#[test]
fn servers_with_certificates_of_their_own_trust_each_other() {
    run(async {
        let (message, ex01, ex02) = carried(&["ex01", "mail"]).await;
        assert!(message.contains("AuthAs: Internal"), "{message}");
        assert!(ex01.logged("stranger").is_empty(), "{}", ex01.log());
        assert!(ex02.logged("stranger").is_empty(), "{}", ex02.log());
    });
}

#[test]
fn a_server_without_a_certificate_of_its_own_is_a_stranger() {
    run(async {
        let (message, ex01, ex02) = carried(&["mail"]).await;
        assert!(message.contains("AuthAs: Anonymous"), "{message}");
        let warned = ex01.logged("will be a stranger");
        assert!(
            warned.len() == 1 && warned[0].contains("EX02"),
            "{}",
            ex01.log()
        );
        assert_eq!(ex02.logged("does not prove").len(), 1, "{}", ex02.log());
    });
}
