//! Users, strangers and third parties: lettre sends, mailin-embedded receives. The only place where
//! a library opens its own sockets, so every run of a lab is also a test against a client and a server
//! that are not ours.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use mailin_embedded::response::{INTERNAL_ERROR, OK};
use mailin_embedded::{Handler, Response, Server, SslConfig};

use crate::mail::{Mailbox, ReversePath};
use crate::net::Identity;

const TIMEOUT: Duration = Duration::from_secs(120);

/// What a submitter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// The message was taken.
    Accepted,
    /// It was refused, with the reply.
    Refused {
        /// The reply code.
        code: u16,
        /// What stands behind it.
        text: String,
    },
    /// There was no reply.
    Failed(String),
}

/// How a message is handed over.
#[derive(Clone, Debug)]
pub(super) struct Handover {
    pub(super) to_server: SocketAddr,
    pub(super) from_address: Option<IpAddr>,
    /// Address and password of a user; without, nobody logs on.
    pub(super) user: Option<(Mailbox, String)>,
}

/// Sends a message the way a mail client, or a foreign server, would.
pub(super) async fn send(
    handover: &Handover,
    from: &ReversePath,
    to: &Mailbox,
    message: &[u8],
) -> Told {
    match attempt(handover, from, to, message).await {
        Ok(()) => Told::Accepted,
        Err(error) => {
            let text = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            match error.status() {
                Some(code) => Told::Refused {
                    code: code.into(),
                    text,
                },
                None => Told::Failed(error.to_string()),
            }
        }
    }
}

async fn attempt(
    handover: &Handover,
    from: &ReversePath,
    to: &Mailbox,
    message: &[u8],
) -> Result<(), lettre::transport::smtp::Error> {
    let hello = ClientId::Domain("client.lab.invalid".to_owned());
    let mut connection = AsyncSmtpConnection::connect_tokio1(
        handover.to_server,
        Some(TIMEOUT),
        &hello,
        None,
        handover.from_address,
    )
    .await?;
    if connection.can_starttls() {
        let name = handover.to_server.ip().to_string();
        // It believes any certificate, so there is no need to read the system's authorities each time.
        let tls = TlsParameters::builder(name)
            .certificate_store(CertificateStore::None)
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .build_rustls()?;
        connection.starttls(tls, &hello).await?;
    }
    if let Some((user, password)) = &handover.user {
        let credentials = Credentials::new(user.to_string(), password.clone());
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &credentials)
            .await?;
    }
    let address = |mailbox: &Mailbox| mailbox.to_string().parse::<lettre::Address>().ok();
    let envelope = lettre::address::Envelope::new(
        from.mailbox().and_then(address),
        address(to).into_iter().collect(),
    );
    let Ok(envelope) = envelope else {
        return Ok(());
    };
    connection.send(&envelope, message).await?;
    // The message is the server's; how the session ends does not matter.
    let _ = connection.quit().await;
    Ok(())
}

/// A third party's host: takes every message and keeps it in Maildir folders.
#[derive(Clone, Debug)]
struct ThirdParty {
    root: PathBuf,
    server: String,
    /// The domains it takes mail for, in lower case.
    domains: Vec<String>,
    recipients: Vec<String>,
    data: Vec<u8>,
    number: u64,
    peer: String,
}

impl Handler for ThirdParty {
    fn helo(&mut self, ip: IpAddr, domain: &str) -> Response {
        self.peer = format!("{domain} ({ip})");
        OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        let to = to
            .trim_start_matches('<')
            .trim_end_matches('>')
            .to_lowercase();
        let domain = to.rsplit('@').next().unwrap_or_default();
        if !self.domains.iter().any(|own| own == domain) {
            return Response::custom(550, "5.7.1 Relaying denied".to_owned());
        }
        self.recipients.push(to);
        OK
    }

    fn data_start(&mut self, _: &str, _: &str, _: bool, _: &[String]) -> Response {
        self.data = format!(
            "Received: from {} by {} with SMTP\r\n",
            self.peer, self.server
        )
        .into_bytes();
        OK
    }

    fn data(&mut self, buffer: &[u8]) -> std::io::Result<()> {
        self.data.extend_from_slice(buffer);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let recipients = std::mem::take(&mut self.recipients);
        for recipient in recipients {
            self.number += 1;
            let text = [
                format!("Delivered-To: {recipient}\r\n").as_bytes(),
                &self.data,
            ]
            .concat();
            if self.store(&recipient, &text).is_err() {
                return INTERNAL_ERROR;
            }
        }
        OK
    }
}

impl ThirdParty {
    #[expect(clippy::disallowed_methods, reason = "mailboxes are files")]
    fn store(&self, recipient: &str, text: &[u8]) -> std::io::Result<()> {
        let folder = self.root.join(self.server.to_lowercase()).join(recipient);
        std::fs::create_dir_all(folder.join("tmp"))?;
        std::fs::create_dir_all(folder.join("new"))?;
        let unique = format!("{:?}-{}", std::thread::current().id(), self.number);
        let unique = format!(
            "{}-{}",
            crate::clock::now().as_nanosecond(),
            unique.replace(['(', ')'], "-")
        );
        let mut file = std::fs::File::create(folder.join("tmp").join(&unique))?;
        file.write_all(text)?;
        std::fs::rename(
            folder.join("tmp").join(&unique),
            folder.join("new").join(&unique),
        )
    }
}

/// A host that mailin-embedded plays.
pub(super) struct Host<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// The domains it takes mail for, in lower case.
    pub(super) domains: Vec<String>,
    /// What it shows to who begins TLS; without, it offers none.
    pub(super) identity: Option<&'a Identity>,
}

/// Lets mailin-embedded play a host, on a thread that lives as long as the process: its server cannot
/// be stopped. Its mail and its certificate are files in a folder.
///
/// # Errors
/// When the address is taken, and when the certificate cannot be used.
#[expect(
    clippy::disallowed_methods,
    reason = "mailin-embedded is blocking and wants a socket of its own"
)]
pub(super) fn third_party(
    host: Host<'_>,
    address: SocketAddr,
    folder: &Path,
) -> std::io::Result<()> {
    let Host {
        name,
        domains,
        identity,
    } = host;
    let listener = std::net::TcpListener::bind(address)?;
    let tls = match identity {
        Some(identity) => files(identity, &folder.join("tls"), name)?,
        None => SslConfig::None,
    };
    let handler = ThirdParty {
        root: folder.join("mail"),
        server: name.to_owned(),
        domains,
        recipients: Vec::new(),
        data: Vec::new(),
        number: 0,
        peer: String::new(),
    };
    let mut server = Server::new(handler);
    server
        .with_ssl(tls)
        .map_err(|error| std::io::Error::other(error.to_string()))?
        .with_name(name)
        .with_num_threads(4)
        .with_tcp_listener(listener);
    std::thread::Builder::new()
        .name(format!("third party {name}"))
        .spawn(move || {
            if let Err(error) = server.serve() {
                tracing::error!(%error, "a third party's host stopped");
            }
        })?;
    Ok(())
}

/// Writes a certificate and its key where mailin-embedded reads them.
#[expect(
    clippy::disallowed_methods,
    reason = "mailin-embedded takes certificates from files alone"
)]
fn files(identity: &Identity, folder: &Path, name: &str) -> std::io::Result<SslConfig> {
    // It asks rustls for the provider of the process, and two are compiled in; the first one set stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    std::fs::create_dir_all(folder)?;
    let write = |end: &str, text: String| {
        let path = folder.join(format!("{name}.{end}"));
        std::fs::write(&path, text)?;
        Ok::<String, std::io::Error>(path.to_string_lossy().into_owned())
    };
    let chain = identity.chain.iter();
    let chain: String = chain.map(|each| pem("CERTIFICATE", each)).collect();
    Ok(SslConfig::SelfSigned {
        cert_path: write("crt", chain)?,
        key_path: write("key", pem("PRIVATE KEY", identity.key.secret_der()))?,
    })
}

/// RFC 7468 §2.
fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(48) {
        text += &BASE64.encode(line);
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}
