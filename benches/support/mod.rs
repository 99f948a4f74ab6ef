//! What the benches share.
//!
//! | module | has |
//! |---|---|
//! | [`registry`] | a made-up registry, as static files |
//! | [`git_index`] | a made-up git index, with a history |
//! | [`toolchain`] | a made-up release, as a mirror has it |
//! | [`git_http`] | git's own server over a directory |
//! | [`bundle`] | what `git bundle create` does, through the library |
//! | [`nginx`] | a web server over a directory, for a while |
//! | [`mirror`] | what `romt up` and `romt serve` do, in a process of its own |
//! | [`curl`], [`wrk`] | the ceiling and the load |
//! | [`python_romt`] | the tool that romt is to replace |
//! | [`released`] | the program `romt` as users run it |
//! | [`process`], [`usage`] | running and timing other programs |
//! | [`figures`] | medians and how they are printed |

pub mod bundle;
pub mod curl;
pub mod figures;
pub mod git_http;
pub mod git_index;
pub mod mirror;
pub mod nginx;
pub mod process;
pub mod python_romt;
pub mod registry;
pub mod released;
pub mod toolchain;
pub mod usage;
pub mod wrk;

/// Whatever went wrong; a bench has nothing to do about it but say so.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
