//! The integration tests, in one program.

mod architecture;
mod spool;
