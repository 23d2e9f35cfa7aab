//! Both sessions back to back: what one is asked to send, the other receives.

use std::sync::Arc;
use std::time::Duration;

use hybridmx::mail::Status;
use hybridmx::smtp::{
    ClientConfig, ClientEvent, ClientSession, Credentials, HelloName, Secret, ServerConfig,
    ServerEvent, ServerSession, TlsUse,
};
use proptest::prelude::*;

use super::client::envelope;
use super::server::config;

const NOW: Duration = Duration::ZERO;

/// A server and a client, the wire between them cut into pieces of `step` bytes.
struct Pair {
    client: ClientSession,
    server: ServerSession,
    step: usize,
    /// What the client is still to send: envelope and message.
    work: Vec<(String, Vec<u8>)>,
    received: Vec<Received>,
    replies: Vec<u16>,
    is_closed: bool,
}

/// A message as the server got it.
#[derive(Debug, Default, PartialEq)]
struct Received {
    sender: String,
    recipients: Vec<String>,
    text: Vec<u8>,
    is_tls: bool,
}

impl Pair {
    fn new(server: ServerConfig, client: ClientConfig, step: usize) -> Self {
        Self {
            client: ClientSession::new(client),
            server: ServerSession::new(Arc::new(server), [192, 0, 2, 7].into(), "now"),
            step,
            work: Vec::new(),
            received: Vec::new(),
            replies: Vec::new(),
            is_closed: false,
        }
    }

    /// Until neither side has anything to say.
    fn run(mut self) -> Self {
        let mut message = Received::default();
        loop {
            let mut moved = self.server_events(&mut message);
            moved |= self.client_events();
            let to_client = self.server.poll_output().unwrap_or_default();
            for part in to_client.chunks(self.step) {
                self.client.handle_input(part, NOW);
            }
            let to_server = self.client.poll_output().unwrap_or_default();
            for part in to_server.chunks(self.step) {
                self.server.handle_input(part, NOW);
                while self.server_events(&mut message) {}
            }
            moved |= !to_client.is_empty() || !to_server.is_empty();
            if !moved {
                assert!(
                    self.is_closed,
                    "both wait: {:?} {:?}",
                    self.client, self.server
                );
                return self;
            }
        }
    }

    fn server_events(&mut self, message: &mut Received) -> bool {
        let Some(event) = self.server.poll_event() else {
            return false;
        };
        match event {
            ServerEvent::Mail(mail) => {
                message.sender = mail.reverse_path.to_string();
                self.server.accept(NOW);
            }
            ServerEvent::Recipient { mailbox, .. } => {
                if mailbox.local_part.as_str() == "nobody" {
                    let status = Status::new(550, (5, 1, 10), "Recipient not found");
                    self.server.reply(&status, NOW);
                } else {
                    message.recipients.push(mailbox.to_string());
                    self.server.accept(NOW);
                }
            }
            ServerEvent::Data(text) => message.text.extend(text),
            ServerEvent::EndOfData { .. } => {
                message.is_tls = self.server.is_tls();
                self.received.push(std::mem::take(message));
                self.server.accept(NOW);
            }
            ServerEvent::DataStart | ServerEvent::Auth(_) => self.server.accept(NOW),
            ServerEvent::Reset | ServerEvent::MessageRefused(_) => *message = Received::default(),
            ServerEvent::Hello { .. } | ServerEvent::StartTls | ServerEvent::Closed(_) => {}
        }
        true
    }

    fn client_events(&mut self) -> bool {
        let Some(event) = self.client.poll_event() else {
            return false;
        };
        match event {
            ClientEvent::Ready => {
                let idle = self.client.idle().expect("a session that is ready");
                match self.work.first() {
                    Some((recipients, _)) => idle.begin(envelope(recipients), NOW),
                    None => idle.quit(NOW),
                }
            }
            ClientEvent::WantTls => {
                let handshake = self.client.handshake().expect("it wants TLS");
                handshake.started(NOW);
                self.server.tls_started(NOW);
            }
            ClientEvent::NeedBody => {
                let (_, text) = self.work.remove(0);
                let mut message = self.client.message().expect("it wants a message");
                text.chunks(self.step)
                    .for_each(|part| message.write(part, NOW));
                message.end(NOW);
            }
            ClientEvent::RecipientReply { reply, .. } => {
                self.replies.push(reply.code());
                // Nobody is left: there will be no `NeedBody`.
                if self.work[0].0 == "<> nobody@contoso.com" {
                    self.work.remove(0);
                }
            }
            ClientEvent::MessageReply { reply, .. } => self.replies.push(reply.code()),
            ClientEvent::Closed => self.is_closed = true,
            ClientEvent::Failed { phase, cause } => panic!("{phase:?}: {cause:?}"),
        }
        true
    }
}

fn client_config() -> ClientConfig {
    ClientConfig::new(HelloName::parse("edge.fabrikam.com").expect("a host"))
}

fn message(sender: &str, recipients: &[&str], text: &[u8], is_tls: bool) -> Received {
    Received {
        sender: sender.to_owned(),
        recipients: recipients
            .iter()
            .map(|&recipient| recipient.to_owned())
            .collect(),
        text: text.to_vec(),
        is_tls,
    }
}

#[test]
fn messages_follow_each_other_on_one_connection() {
    for step in [1, 7, 4096] {
        let mut pair = Pair::new(config(&[]), client_config(), step);
        pair.work = vec![
            (
                "<a@b.example> ann@contoso.com nobody@contoso.com size=5".into(),
                b".a\r\n".to_vec(),
            ),
            ("<> nobody@contoso.com".into(), b"never sent\r\n".to_vec()),
            ("<> bob@contoso.com 8bit".into(), b"".to_vec()),
        ];
        let pair = pair.run();
        let first = message("a@b.example", &["ann@contoso.com"], b".a\r\n", false);
        let second = message("<>", &["bob@contoso.com"], b"", false);
        assert_eq!(pair.received, [first, second]);
        assert_eq!(pair.replies, [250, 550, 250, 550, 250, 250]);
    }
}

#[test]
fn tls_and_logon_come_first() {
    let offers = [("starttls", ""), ("auth", ""), ("require-tls", "")];
    let client = ClientConfig {
        tls: TlsUse::Required,
        credentials: Some(Credentials {
            username: "ann".into(),
            password: Secret::new("open sesame".into()),
        }),
        ..client_config()
    };
    let mut pair = Pair::new(config(&offers), client, 4096);
    pair.work = vec![(
        "<a@b.example> ann@contoso.com".into(),
        b"hello\r\n".to_vec(),
    )];
    let pair = pair.run();
    let expected = message("a@b.example", &["ann@contoso.com"], b"hello\r\n", true);
    assert_eq!(pair.received, [expected]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn what_is_sent_is_received(
        texts in prop::collection::vec("([a.é]{0,5}\r\n){0,6}", 1..4),
        step in 1_usize..40,
    ) {
        let mut pair = Pair::new(config(&[]), client_config(), step);
        let work = texts.iter().map(|text| ("<a@b> c@d 8bit".to_owned(), text.clone().into_bytes()));
        pair.work = work.collect();
        let pair = pair.run();
        let received: Vec<_> = pair.received.into_iter().map(|message| message.text).collect();
        let sent: Vec<_> = texts.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(received, sent);
    }
}
