//! The integration tests, in one program.

mod architecture;
mod cli;
mod files;
mod lab;
mod mail_client;
mod testnet;
mod worlds;
