//! The commands: arguments in, library called, outcome out.

pub(crate) mod client_config;
mod listen;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod up;
