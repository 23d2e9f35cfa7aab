//! The integration tests, in one program.

mod architecture;
mod cli;
mod files;
mod testnet;
mod worlds;
