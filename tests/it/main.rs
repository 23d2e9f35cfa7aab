//! The integration tests, in one program.

mod architecture;
mod authority;
mod cli;
mod crash;
mod dialogs;
mod faults;
mod files;
mod lab;
mod live;
mod mail_client;
mod reference;
mod relay;
mod routes;
mod settings;
mod spool;
mod support;
mod testnet;
mod values;
mod worlds;
