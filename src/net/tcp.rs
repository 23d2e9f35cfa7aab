//! TCP on real sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A connection, plain or under TLS.
pub trait Connected: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Sync + Unpin> Connected for T {}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on an address.
///
/// # Errors
/// When the address is taken, or not this machine's.
#[expect(clippy::disallowed_methods, reason = "the seam to the network")]
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Connects, from a given address if one is given.
///
/// # Errors
/// When nobody answers within the time, or the connection is refused.
#[expect(clippy::disallowed_methods, reason = "the seam to the network")]
pub async fn connect(
    from: Option<IpAddr>,
    to: SocketAddr,
    within: Duration,
) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    if let Some(from) = from.filter(|from| from.is_ipv4() == to.is_ipv4()) {
        socket.bind(SocketAddr::new(from, 0))?;
    }
    let connected = tokio::time::timeout(within, socket.connect(to)).await;
    let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Binds a UDP socket.
///
/// # Errors
/// When the address is taken, or not this machine's.
#[expect(clippy::disallowed_methods, reason = "the seam to the network")]
pub async fn bind_udp(address: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
    tokio::net::UdpSocket::bind(address).await
}
