//! What the tests of expositions share: a hostile snapshot, and a parser that forgives nothing.

pub(crate) mod golden;
pub(crate) mod hostile;
pub(crate) mod strict;
