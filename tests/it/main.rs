//! The integration tests, in one program.

mod architecture;
mod cli;
mod crash;
mod dialogs;
mod faults;
mod files;
mod lab;
mod live;
mod mail_client;
mod reference;
mod spool;
mod support;
mod testnet;
mod values;
mod worlds;
