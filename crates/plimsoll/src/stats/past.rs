//! `plimsoll stats --at`: the same table from the history, once.

use plimsoll_model::Snapshot;
use plimsoll_store::{History, Millis, Selector};

use super::{Options, is_meant, rows};
use crate::failure::Failure;
use crate::history::EVER;
use crate::history::open::{self, failure};
use crate::history::show::{local, zone};
use crate::settings::Settings;
use crate::{output, text};

/// Prints the containers as they were.
pub(super) fn show(settings: &Settings, options: &Options, at: Millis) -> anyhow::Result<()> {
    let (history, _) = open::open(settings)?;
    let snapshot = history.at(at).map_err(failure)?;
    if !is_there(&snapshot) {
        return Err(nothing(&history, at).into());
    }
    for name in &options.containers {
        if !snapshot.containers.iter().any(|row| is_meant(row, name)) {
            return Err(Failure::world(format!(
                "no such container at {}: {}",
                local(at),
                text::quoted(name)
            ))
            .remedy("`plimsoll history --containers` lists all that there were, and when")
            .into());
        }
    }
    // Programs that read the table do not want this line in it.
    output::warn(&format!("as it was at {} ({})", local(at), zone()));
    output::print(&options.template.render(&rows(&snapshot, options), options.no_trunc))
}

/// Whether anybody measured at that moment: where there was no container, there still was a machine.
fn is_there(snapshot: &Snapshot) -> bool {
    !snapshot.containers.is_empty() || snapshot.agent.machine.memory.is_some()
}

/// Says that there is no history then, and when there is.
fn nothing(history: &History, at: Millis) -> Failure {
    let what = format!("there is no history of {} ({})", local(at), zone());
    // What was written last is in no tier yet, but its containers are known.
    let tiers = history.summary().unwrap_or_default().tiers.into_iter().filter_map(|tier| tier.span);
    let lines = history.containers(&Selector::default(), EVER).unwrap_or_default();
    let members = lines.iter().flat_map(|line| &line.containers).map(|member| (member.since, member.last));
    let whole = tiers.chain(members).reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
    Failure::world(what).remedy(match whole {
        Some((first, last)) => format!(
            "choose a moment from {} to {} at which the agent ran; `plimsoll history` shows what there is",
            local(first),
            local(last)
        ),
        None => "the history is empty yet: let `plimsoll agent` run, which keeps it".to_owned(),
    })
}
