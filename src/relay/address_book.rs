//! Where the world's addresses are on this machine's network.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// Translates between the addresses of a world and those that sockets use.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    to_real: HashMap<IpAddr, IpAddr>,
    to_world: HashMap<IpAddr, IpAddr>,
    overrides: HashMap<String, SocketAddr>,
    /// What is added to a port of the world.
    port_offset: u16,
}

impl AddressBook {
    /// The world's addresses are real.
    #[must_use]
    pub fn identity(overrides: HashMap<String, SocketAddr>) -> Self {
        Self {
            overrides,
            ..Self::default()
        }
    }

    /// Every address of the world is another one here, every port one above.
    #[must_use]
    pub fn mapped(pairs: impl IntoIterator<Item = (IpAddr, IpAddr)>, port_offset: u16) -> Self {
        let mut book = Self {
            port_offset,
            ..Self::default()
        };
        for (world, real) in pairs {
            book.to_real.insert(world, real);
            book.to_world.entry(real).or_insert(world);
        }
        book
    }

    /// The socket address of a server's address and port.
    #[must_use]
    pub fn real(&self, world: IpAddr, port: u16) -> SocketAddr {
        if let Some(address) = self.overrides.get(&world.to_string()) {
            return *address;
        }
        let address = self.to_real.get(&world).copied().unwrap_or(world);
        SocketAddr::new(address, port + self.port_offset)
    }

    /// The socket address that the settings give for a host name.
    #[must_use]
    pub fn named(&self, host: &str) -> Option<SocketAddr> {
        self.overrides.get(&host.to_ascii_lowercase()).copied()
    }

    /// The world's address behind a socket's.
    #[must_use]
    pub fn world(&self, real: IpAddr) -> IpAddr {
        self.to_world.get(&real).copied().unwrap_or(real)
    }

    /// The address a server of the world binds to here, where addresses are mapped.
    #[must_use]
    pub fn local(&self, world: IpAddr) -> Option<IpAddr> {
        self.to_real.get(&world).copied()
    }
}
