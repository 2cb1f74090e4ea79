//! A target's figures as the catalog has them.

use plimsoll_deliver::Figures;
use plimsoll_deliver::courier::TargetState;
use plimsoll_model::agent::{Figure, Target};
use plimsoll_model::catalog::DeliveryField as Field;

/// What a target tells of itself. `missed` are the ticks that it came too late for.
pub(super) fn target(figures: &Figures, place: &str, missed: u64) -> Target {
    Target {
        name: figures.name.clone(),
        type_name: figures.kind,
        address: place.to_owned(),
        state: figures.state.name(),
        trouble: figures.trouble.clone(),
        figures: rows(figures, missed),
    }
}

fn rows(figures: &Figures, missed: u64) -> Vec<Figure> {
    let mut rows = Vec::new();
    let mut add = |field, labels: &[&str], value| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        rows.push(Figure { field, labels, value });
    };
    let (account, batches, requests) = (&figures.account, &figures.batches, &figures.requests);
    for (outcome, points) in
        [("collected", account.collected()), ("delivered", account.delivered()), ("resent", account.resent())]
    {
        add(Field::Points, &[outcome, ""], points);
    }
    for (outcome, by_reason) in
        [("rejected", account.rejected_by_reason()), ("dropped", account.dropped_by_reason())]
    {
        // The series is there before anything happens, so that a rate can see its beginning.
        if by_reason.is_empty() {
            add(Field::Points, &[outcome, ""], 0);
        }
        for (reason, points) in by_reason {
            add(Field::Points, &[outcome, reason], *points);
        }
    }
    let memory_points = account.queued().saturating_sub(figures.open_points + figures.disk_points);
    add(Field::QueuePoints, &["open"], figures.open_points);
    add(Field::QueuePoints, &["memory"], memory_points);
    add(Field::QueuePoints, &["disk"], figures.disk_points);
    add(Field::QueueBytes, &["memory"], figures.memory_bytes);
    add(Field::QueueBytes, &["disk"], figures.disk_bytes);
    for (cause, count) in &batches.closed {
        add(Field::Batches, &[cause.name()], *count);
    }
    add(Field::BatchPoints, &[], batches.points);
    add(Field::BatchBytes, &["raw"], batches.raw_bytes);
    add(Field::BatchBytes, &["compressed"], batches.bytes);
    for (code, count) in &requests.outcomes {
        add(Field::Requests, &[code], *count);
    }
    for (field, value) in [
        (Field::FieldsDropped, batches.fields_refused),
        (Field::EncodeTime, batches.encoding),
        (Field::RequestTime, batches.request_time),
        (Field::Retries, requests.retries),
        (Field::SentBytes, batches.sent_bytes),
        (Field::InFlight, figures.in_flight),
        (Field::SpoolBytes, figures.spool_bytes),
        (Field::SpoolCommits, figures.spool_commits),
        (Field::SpoolFailures, figures.disk_failures),
        (Field::SpoolDamaged, figures.damaged),
        (Field::TicksMissed, missed),
    ] {
        add(field, &[], value);
    }
    for (field, value) in [
        (Field::QueueAge, figures.oldest_age),
        (Field::QueueCapacity, figures.capacity),
        (Field::Lag, requests.lag),
    ] {
        if let Some(value) = value {
            add(field, &[], value);
        }
    }
    for state in TargetState::ALL {
        add(Field::State, &[state.name()], u64::from(state == figures.state));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equation_can_be_read_off_the_figures() {
        let mut figures =
            Figures { name: "t".to_owned(), open_points: 3, disk_points: 4, ..Figures::default() };
        figures.account.collect(100);
        figures.account.deliver(80);
        figures.account.reject("malformed", 5);
        figures.account.drop("expired", 5);
        let target = target(&figures, "http://h", 7);
        let points = |outcome, reason| target.figure(Field::Points, &[outcome, reason]).unwrap_or_default();
        let waiting = |tier| target.figure(Field::QueuePoints, &[tier]).unwrap_or_default();
        assert_eq!(
            points("collected", ""),
            points("delivered", "")
                + points("rejected", "malformed")
                + points("dropped", "expired")
                + waiting("open")
                + waiting("memory")
                + waiting("disk")
        );
        assert_eq!(target.figure(Field::State, &["starting"]), Some(1));
        assert_eq!(target.figure(Field::TicksMissed, &[]), Some(7));
    }
}
