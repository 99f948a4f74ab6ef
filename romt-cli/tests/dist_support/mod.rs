//! A distribution server's tree of toolchains, made of the toolchain that is
//! installed on this machine.
//!
//! [`Components`] are the archives of a toolchain: real ones, which are packed once
//! and kept in the target directory, or stand-ins of a few bytes. [`Release`] says
//! which channel, version and date they are published as; the same files serve for
//! any number of releases. [`DistTree`] lays them out as upstream does: first
//! [added](DistTree::add) under their date, then [published](DistTree::publish) as
//! what their channel is.
//!
//! Component files are hard links to those that are kept. A test that wants to
//! damage one must replace it and not write into it.

#![cfg(unix)]

mod components;
mod manifest;
mod pack;
mod tree;

pub(crate) use components::{Components, SECOND_TARGET};
pub(crate) use manifest::{Channel, Release};
pub(crate) use tree::DistTree;
