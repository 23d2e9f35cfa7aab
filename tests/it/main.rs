//! The integration tests, in one program.

mod architecture;
mod authority;
mod classes;
mod cli;
mod crash;
mod dialogs;
mod faults;
mod files;
mod formats;
mod lab;
mod live;
mod mail_client;
mod operations;
mod process;
mod reference;
mod relay;
mod settings;
mod spool;
mod support;
mod testnet;
mod trust;
mod worlds;
