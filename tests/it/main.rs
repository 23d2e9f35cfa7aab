//! The integration tests, in one program.

mod architecture;
mod authority;
mod classes;
mod cli;
mod crash;
mod dialogs;
mod doors;
mod faults;
mod files;
mod formats;
mod lab;
mod live;
mod mail_client;
mod recipients;
mod reference;
mod relay;
mod routes;
mod settings;
mod spool;
mod support;
mod testnet;
mod values;
mod ways;
mod worlds;
