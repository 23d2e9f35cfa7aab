//! The only door to the network: connections, TLS, and names asked of a real resolver.
//!
//! Not here: what is said over a connection (`smtp`), and who is to be connected to (`dns`,
//! `route`).
//!
//! Invariant: a TLS handshake never fails because of what a certificate says; who the peer proved to
//! be is a fact ([`PeerCertificate`]) that routing judges, so that prediction and reality use one
//! rule.
//!
//! Sources: RFC 3207, RFC 8446, RFC 5321 §5.1.

mod resolver;
mod tcp;
mod tls;

pub use resolver::Resolver;
pub use tcp::{Connected, bind_udp, connect, listen};
pub use tls::{Identity, PeerCertificate, Secured, TlsError, TlsMaterials, system_roots};
