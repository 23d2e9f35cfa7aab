//! The integration tests, in one program.

mod architecture;
mod files;
mod testnet;
mod worlds;
