//! Which loopback addresses a lab uses: a block of 127.0.0.0/8 that no other lab has.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::model::Topology;
use crate::net;

/// Ports of the world are these many higher here: 25 becomes 2525.
const PORT_OFFSETS: [u16; 3] = [2500, 12_500, 22_500];

/// The block of a lab.
#[derive(Debug)]
pub(super) struct Block {
    base: [u8; 2],
    /// What is added to every port of the world.
    pub(super) port_offset: u16,
    /// Held so that no other lab takes the block.
    _claim: TcpListener,
}

impl Block {
    /// Takes the first free block; `first` is where the search begins, from 0.
    ///
    /// # Errors
    /// When no block is free.
    pub(super) fn claim(first: u16) -> std::io::Result<Self> {
        let mut last = std::io::Error::other("no loopback address is free");
        for port_offset in PORT_OFFSETS {
            for step in 0..64_u16 {
                // 127.64.0.0 to 127.127.255.0, away from what people use by hand.
                let number = first.wrapping_add(step) % 16_384;
                let [high, low] = number.to_be_bytes();
                let base = [64 + high, low];
                let address = IpAddr::V4(Ipv4Addr::new(127, base[0], base[1], 254));
                match net::listen(SocketAddr::new(address, 25 + port_offset)) {
                    Ok(claim) => {
                        return Ok(Self {
                            base,
                            port_offset,
                            _claim: claim,
                        });
                    }
                    Err(error) => last = error,
                }
            }
        }
        Err(last)
    }

    /// The address with this last number.
    pub(super) fn address(&self, last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.base[0], self.base[1], last))
    }

    /// A loopback address for every address of the world, from the tenth on.
    pub(super) fn assign(&self, topology: &Topology) -> Vec<(IpAddr, IpAddr)> {
        let world: BTreeSet<IpAddr> = topology
            .servers()
            .flat_map(|(_, server)| server.addresses.clone())
            .collect();
        world
            .into_iter()
            .zip(10..=250)
            .map(|(world, last)| (world, self.address(last)))
            .collect()
    }
}
