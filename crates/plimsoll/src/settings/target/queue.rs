//! Keys of batches, of what waits, and of what is done while a target does not answer.

use plimsoll_deliver::config::{Durability, MAX_BYTES, MAX_POINTS, MIN_DISK, TargetKind, WhenFull};

use crate::settings::target::key::{Form, NETWORK, Shown, TargetKey};
use crate::settings::target::measure;
use crate::settings::value;

/// The keys.
pub(super) static KEYS: &[TargetKey] = &[
    TargetKey {
        key: "max_points",
        env: "PLIMSOLL_TARGET_MAX_POINTS",
        form: Form::One,
        value_name: "COUNT",
        help: "Points after which a batch is closed, 1 to 10000; while the target is down, up to 10000, which pack better on disk",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| measure::count(raw, 1, MAX_POINTS).map(|count| target.max_points = count),
        show: |target| Shown::number(target.max_points),
    },
    TargetKey {
        key: "max_bytes",
        env: "PLIMSOLL_TARGET_MAX_BYTES",
        form: Form::One,
        value_name: "SIZE",
        help: "Bytes, before compression, after which a batch is closed, 1KiB to 10MiB",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| measure::size(raw, 1 << 10, MAX_BYTES).map(|bytes| target.max_bytes = bytes),
        show: |target| Shown::text(measure::show_size(target.max_bytes)),
    },
    TargetKey {
        key: "max_wait",
        env: "PLIMSOLL_TARGET_MAX_WAIT",
        form: Form::One,
        value_name: "DURATION",
        help: "The age at which a batch is closed, 1ms to 1h; while the target is down, ten times that",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| value::timeout(raw).map(|wait| target.max_wait = wait),
        show: |target| Shown::text(value::show_duration(target.max_wait)),
    },
    TargetKey {
        key: "queue_points",
        env: "PLIMSOLL_TARGET_QUEUE_POINTS",
        form: Form::One,
        value_name: "COUNT",
        help: "Points that may wait, at least one batch of them",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| {
            measure::count(raw, 1, measure::MOST_POINTS).map(|count| target.queue_points = count)
        },
        show: |target| Shown::number(target.queue_points),
    },
    TargetKey {
        key: "queue_bytes",
        env: "PLIMSOLL_TARGET_QUEUE_BYTES",
        form: Form::One,
        value_name: "SIZE",
        help: "Bytes that may wait in memory, 64KiB to 64GiB, at least one batch of them",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| measure::size(raw, 64 << 10, 64 << 30).map(|bytes| target.queue_bytes = bytes),
        show: |target| Shown::text(measure::show_size(target.queue_bytes)),
    },
    TargetKey {
        key: "queue_disk",
        env: "PLIMSOLL_TARGET_QUEUE_DISK",
        form: Form::One,
        value_name: "SIZE",
        help: "Bytes that may wait in the spool on disk, 16MiB to 16TiB",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| measure::size(raw, MIN_DISK, 16 << 40).map(|bytes| target.queue_disk = bytes),
        show: |target| Shown::text(measure::show_size(target.queue_disk)),
    },
    TargetKey {
        key: "max_age",
        env: "PLIMSOLL_TARGET_MAX_AGE",
        form: Form::One,
        value_name: "DURATION",
        help: "The age at which points that wait are dropped, such as 12h, 7d or 2w; 0 for never",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| measure::age(raw).map(|age| target.max_age = age),
        show: |target| Shown::text(measure::show_age(target.max_age)),
    },
    TargetKey {
        key: "when_full",
        env: "PLIMSOLL_TARGET_WHEN_FULL",
        form: Form::One,
        value_name: "POLICY",
        help: "What gives way when the queue is full: `drop-oldest`, `drop-newest` for what comes, or `thin` for every other tick of \
               the older half",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| value::choice::<WhenFull>(raw).map(|policy| target.when_full = policy),
        show: |target| Shown::text(target.when_full.name()),
    },
    TargetKey {
        key: "durability",
        env: "PLIMSOLL_TARGET_DURABILITY",
        form: Form::One,
        value_name: "MODE",
        help: "What survives what: `none` is memory alone, `interval` is on disk when a batch closes and safe from a power loss \
               within a second, `always` is safe on disk before it is sent",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| value::choice::<Durability>(raw).map(|mode| target.durability = mode),
        show: |target| Shown::text(target.durability.name()),
    },
    TargetKey {
        key: "max_retries",
        env: "PLIMSOLL_TARGET_MAX_RETRIES",
        form: Form::One,
        value_name: "COUNT",
        help: "Attempts after the first one, 0 to 1000000; a batch that they do not get through is dropped. Where nothing is said, \
               there is no end to them but `max_age` and the bounds of the queue",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| {
            let count = measure::count(raw, 0, 1_000_000)?;
            target.max_retries = u32::try_from(count).ok();
            Ok(())
        },
        show: |target| target.max_retries.map_or(Shown::Nothing, |count| Shown::number(count.into())),
    },
    TargetKey {
        key: "retry_min",
        env: "PLIMSOLL_TARGET_RETRY_MIN",
        form: Form::One,
        value_name: "DURATION",
        help: "The wait after the first failure, 1ms to 1h; it doubles with each, and a random part of it is waited",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| value::timeout(raw).map(|wait| target.backoff.0 = wait),
        show: |target| Shown::text(value::show_duration(target.backoff.0)),
    },
    TargetKey {
        key: "retry_max",
        env: "PLIMSOLL_TARGET_RETRY_MAX",
        form: Form::One,
        value_name: "DURATION",
        help: "The longest wait between two attempts, 1ms to 1h",
        kinds: TargetKind::ALL,
        needed: false,
        apply: |target, raw| value::timeout(raw).map(|wait| target.backoff.1 = wait),
        show: |target| Shown::text(value::show_duration(target.backoff.1)),
    },
    TargetKey {
        key: "max_in_flight",
        env: "PLIMSOLL_TARGET_MAX_IN_FLIGHT",
        form: Form::One,
        value_name: "COUNT",
        help: "Requests under way while a backlog is drained, 1 to 64. More than one only for what takes points out of order",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| {
            let count = measure::count(raw, 1, 64)?;
            target.max_in_flight = usize::try_from(count).unwrap_or(1);
            Ok(())
        },
        show: |target| Shown::number(u64::try_from(target.max_in_flight).unwrap_or(u64::MAX)),
    },
    TargetKey {
        key: "fresh_lane",
        env: "PLIMSOLL_TARGET_FRESH_LANE",
        form: Form::One,
        value_name: "BOOL",
        help: "Whether the newest batch goes first while a backlog is drained. Only for what takes points out of order",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::bool(raw).map(|on| target.fresh_lane = on),
        show: |target| Shown::Plain(target.fresh_lane.into()),
    },
    TargetKey {
        key: "dead_letter",
        env: "PLIMSOLL_TARGET_DEAD_LETTER",
        form: Form::One,
        value_name: "FILE",
        help: "Where points go that the target refused, each with its words; nowhere where nothing is said",
        kinds: NETWORK,
        needed: false,
        apply: |target, raw| value::path(raw).map(|path| target.dead_letter = Some(path)),
        show: |target| {
            let path = target.dead_letter.as_ref();
            path.map_or(Shown::Nothing, |path| Shown::text(path.display().to_string()))
        },
    },
];
