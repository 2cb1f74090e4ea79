//! Lives that go on while the agent is away: counters, and the facts that events are found by.

use std::collections::HashMap;

use plimsoll_model::lifecycle::Saved;

use crate::error::Error;
use crate::events::Facts;
use crate::file::File;

/// What an earlier agent kept of a container.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) saved: Option<Saved>,
    pub(crate) facts: Facts,
}

/// Every life in the file, by the container's number, and how many were damaged.
pub(crate) fn load(file: &File) -> Result<(HashMap<u32, Life>, u64), Error> {
    let mut lives = HashMap::new();
    let damaged = file.lives(|container, saved, known| {
        let Some(facts) = Facts::from_json(&known) else { return };
        let saved = saved.as_deref().and_then(read);
        lives.insert(container, Life { saved, facts });
    })?;
    Ok((lives, damaged))
}

/// A saved life as the file has it: a JSON array of numbers.
pub(crate) fn write(saved: &Saved) -> String {
    serde_json::json!(saved.to_numbers()).to_string()
}

fn read(text: &str) -> Option<Saved> {
    let numbers: Vec<Option<u64>> = serde_json::from_str(text).ok()?;
    Saved::from_numbers(&numbers)
}
