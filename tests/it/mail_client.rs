//! A mail client for tests: lettre, from an address and with a password if wanted.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

/// What the client was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The message was taken.
    Accepted,
    /// It was not: the reply, or what went wrong.
    Refused(String),
}

/// Sends one message, under TLS where that is offered; several recipients stand with commas between.
pub(crate) async fn send(
    server: SocketAddr,
    local: Option<IpAddr>,
    user: Option<(&str, &str)>,
    from: &str,
    to: &str,
    subject: &str,
) -> Told {
    match attempt(server, local, user, from, to, subject).await {
        Ok(()) => Told::Accepted,
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            Told::Refused(format!("{error}: {}", source.unwrap_or_default()))
        }
    }
}

async fn attempt(
    server: SocketAddr,
    local: Option<IpAddr>,
    user: Option<(&str, &str)>,
    from: &str,
    to: &str,
    subject: &str,
) -> Result<(), lettre::transport::smtp::Error> {
    let hello = ClientId::Domain("client.example".to_owned());
    let timeout = Some(Duration::from_secs(30));
    let mut connection =
        AsyncSmtpConnection::connect_tokio1(server, timeout, &hello, None, local).await?;
    if connection.can_starttls() {
        let tls = TlsParameters::builder(server.ip().to_string())
            .dangerous_accept_invalid_certs(true)
            .dangerous_accept_invalid_hostnames(true)
            .build_rustls()?;
        connection.starttls(tls, &hello).await?;
    }
    if let Some((name, password)) = user {
        let credentials = Credentials::new(name.to_owned(), password.to_owned());
        connection.auth(&[Mechanism::Plain], &credentials).await?;
    }
    let address = |text: &str| text.parse::<lettre::Address>().expect("an address");
    let recipients = to.split(',').map(address).collect();
    let envelope =
        lettre::address::Envelope::new(Some(address(from)), recipients).expect("a recipient");
    let message = format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nhello\r\n");
    connection.send(&envelope, message.as_bytes()).await?;
    connection.quit().await?;
    Ok(())
}
