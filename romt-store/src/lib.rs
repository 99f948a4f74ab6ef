//! Where romt's bytes live, and where they come from.
