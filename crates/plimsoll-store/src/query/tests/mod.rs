//! Questions to files that are made for them.

mod model;
mod selection;
mod stories;
mod world;
