//! What happened.

use std::collections::HashMap;

use crate::asking::Asking;
use crate::directory::Membership;
use crate::file::EventRecord;
use crate::grid::check;
use crate::query::select::select;
use crate::query::{Event, EventQuery, MAX_EVENTS, Selector};
use crate::{Error, Millis, Range};

/// Up to how many containers are looked up one by one, rather than among the events of all.
const FEW_CONTAINERS: usize = 8;

/// Answers a question for events.
pub(crate) fn events(asking: &Asking<'_>, query: &EventQuery) -> Result<Vec<Event>, Error> {
    check(query.range)?;
    let count = query.count.min(MAX_EVENTS);
    // Containers that had their last sample long ago may have events yet.
    let ever = Range { from: Millis::MIN, until: Millis::MAX };
    let chosen = select(asking.directory(), &asking.newest(), &query.selector, ever)?;
    let mut spans: HashMap<u32, Vec<Membership>> = HashMap::new();
    for span in chosen.iter().flat_map(|chosen| &chosen.members) {
        spans.entry(span.container).or_default().push(*span);
    }
    let is_everything = query.selector == Selector::default();
    let is_meant = |event: &EventRecord| {
        is_everything
            || spans
                .get(&event.container)
                .is_some_and(|spans| spans.iter().any(|span| span.range.contains(event.at)))
    };
    let one_by_one = spans.keys().copied().map(Some).collect();
    let lookups = if is_everything || spans.len() > FEW_CONTAINERS { vec![None] } else { one_by_one };
    let mut found: Vec<EventRecord> = Vec::new();
    for container in lookups {
        let mut left = count;
        if left == 0 {
            break;
        }
        asking.file().events(query.range, container, |event| {
            if is_meant(&event) {
                found.push(event);
                left -= 1;
            }
            left > 0
        })?;
    }
    // The latest came first.
    found.reverse();
    found.sort_by_key(|event| event.at);
    let surplus = found.len().saturating_sub(count);
    let containers = &asking.directory().containers;
    let shown = found.into_iter().skip(surplus).map(|record| Event {
        at: record.at,
        container: containers.get(&record.container).map(|known| known.container.clone()).unwrap_or_default(),
        name: record.name,
        what: record.what,
    });
    Ok(shown.collect())
}
