//! The families about delivery: where each target's points are, and how it does. What they count is a target's point: a line, a
//! sample, a data point, as its format has it.

use super::families::{AgentFamily, DeliveryField, own};
use super::{Collector, Family, Kind, Unit};

const fn target(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    field: DeliveryField,
) -> Family {
    own(name, kind, Collector::Agent, help, AgentFamily::Delivery(field))
        .by(labels)
        .any("the target's account")
}

use DeliveryField as F;
use Kind::{Counter, Gauge};

/// The families about delivery.
pub(super) const DELIVERY: &[Family] = &[
    target(
        "plimsoll_delivery_points_total",
        Counter,
        &["target", "outcome", "reason"],
        "Points of the target by what became of them; collected is the sum of delivered, rejected, dropped and what is queued.",
        F::Points,
    ),
    target(
        "plimsoll_delivery_queue_points",
        Gauge,
        &["target", "tier"],
        "Points that wait: in the batch that is being filled, in memory, on disk.",
        F::QueuePoints,
    ),
    target(
        "plimsoll_delivery_queue_bytes",
        Gauge,
        &["target", "tier"],
        "Bytes of batches that wait.",
        F::QueueBytes,
    )
    .unit(Unit::Bytes),
    target(
        "plimsoll_delivery_queue_oldest_age_seconds",
        Gauge,
        &["target"],
        "Age of the oldest sample that waits; absent while none does.",
        F::QueueAge,
    )
    .seconds(),
    target(
        "plimsoll_delivery_queue_capacity_seconds",
        Gauge,
        &["target"],
        "How long an outage could still last before something is dropped, at the pace so far.",
        F::QueueCapacity,
    )
    .seconds(),
    target(
        "plimsoll_delivery_batches_total",
        Counter,
        &["target", "cause"],
        "Batches that were closed, by why.",
        F::Batches,
    ),
    target(
        "plimsoll_delivery_batch_points_total",
        Counter,
        &["target"],
        "Points in closed batches.",
        F::BatchPoints,
    ),
    target(
        "plimsoll_delivery_batch_bytes_total",
        Counter,
        &["target", "stage"],
        "Bytes of closed batches, before and after compression.",
        F::BatchBytes,
    )
    .unit(Unit::Bytes),
    target(
        "plimsoll_delivery_fields_dropped_total",
        Counter,
        &["target"],
        "Fields that the target's format cannot carry, of points that it can.",
        F::FieldsDropped,
    ),
    target(
        "plimsoll_delivery_encode_seconds_total",
        Counter,
        &["target"],
        "Time that the stages up to the batch took.",
        F::EncodeTime,
    )
    .seconds(),
    target(
        "plimsoll_delivery_requests_total",
        Counter,
        &["target", "code"],
        "Requests by the status of the answer, or by why there was none.",
        F::Requests,
    ),
    target(
        "plimsoll_delivery_request_seconds_total",
        Counter,
        &["target"],
        "Time that requests took.",
        F::RequestTime,
    )
    .seconds(),
    target(
        "plimsoll_delivery_retries_total",
        Counter,
        &["target"],
        "Requests that were made once more.",
        F::Retries,
    ),
    target(
        "plimsoll_delivery_sent_bytes_total",
        Counter,
        &["target"],
        "Bytes of bodies that were sent, again included.",
        F::SentBytes,
    )
    .unit(Unit::Bytes),
    target("plimsoll_delivery_requests_in_flight", Gauge, &["target"], "Requests under way.", F::InFlight),
    target(
        "plimsoll_delivery_spool_size_bytes",
        Gauge,
        &["target"],
        "Size of the spool's file.",
        F::SpoolBytes,
    )
    .unit(Unit::Bytes),
    target(
        "plimsoll_delivery_spool_commits_total",
        Counter,
        &["target"],
        "Transactions of the spool.",
        F::SpoolCommits,
    ),
    target(
        "plimsoll_delivery_spool_failures_total",
        Counter,
        &["target"],
        "Times that the disk took nothing.",
        F::SpoolFailures,
    ),
    target(
        "plimsoll_delivery_spool_damaged_total",
        Counter,
        &["target"],
        "Batches that were found damaged in the spool at start.",
        F::SpoolDamaged,
    ),
    target(
        "plimsoll_delivery_ticks_missed_total",
        Counter,
        &["target"],
        "Ticks that came too fast to be taken in, so that their points were never collected.",
        F::TicksMissed,
    ),
    target(
        "plimsoll_delivery_lag_seconds",
        Gauge,
        &["target"],
        "Time from the latest sample of the last delivered batch to the target's answer.",
        F::Lag,
    )
    .seconds(),
    target(
        "plimsoll_target_state",
        Gauge,
        &["target", "state"],
        "How the target does: 1 at its state, 0 at the others.",
        F::State,
    ),
];
