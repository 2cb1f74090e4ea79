//! Parsers of kernel files: pure functions from bytes to slots, so that captured files, fuzzers and the
//! kernel meet the same code.
//!
//! Lines and fields that are not known are passed over: kernels grow. What cannot be understood leaves its
//! slot absent.

pub mod block;
pub mod cpu;
pub mod host;
pub mod memory;
pub mod mounts;
pub mod net;
pub mod numa;
pub mod pressure;
pub mod proc;
pub mod process;
pub mod sockets;

use plimsoll_model::{Slot, Values};

/// The numbers of a container.
pub type Numbers = Values<Slot, { Slot::COUNT }>;

/// Nanoseconds in a microsecond.
pub(crate) const MICRO: u64 = 1_000;

/// A limit at or above this is the kernel's way of saying "none": v1 writes the largest page-aligned
/// number, and no machine has 4 EiB.
pub const UNLIMITED: u64 = 1 << 62;

/// A whole unsigned number without anything around it.
#[inline]
#[must_use]
pub fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// A file that holds one number. `max` and the v1 spelling of "no limit" are `None`, as is anything else.
///
/// ```
/// use plimsoll_kernel::parse::single;
/// assert_eq!(single(b"4096\n"), Some(4096));
/// assert_eq!(single(b"max\n"), None);
/// assert_eq!(single(b"9223372036854771712\n"), None);
/// ```
#[must_use]
pub fn single(bytes: &[u8]) -> Option<u64> {
    number(bytes.trim_ascii()).filter(|value| *value < UNLIMITED)
}

/// `pids.events`, and `hugetlb.SIZE.events` of v2: how often the limit was hit.
#[must_use]
pub fn limit_events(bytes: &[u8]) -> Option<u64> {
    let mut found = None;
    pairs(bytes, |key, value| {
        if key == b"max" {
            found = Some(value);
        }
    });
    found
}

/// Lines of `key value`, as in `memory.stat` and `cpu.stat`.
#[inline]
pub fn pairs(bytes: &[u8], mut each: impl FnMut(&[u8], u64)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(space) = line.iter().position(|byte| *byte == b' ')
            && let Some(value) = number(line[space + 1..].trim_ascii_end())
        {
            each(&line[..space], value);
        }
    }
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Counts the lines of a file such as `cgroup.procs`.
#[must_use]
pub fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Details;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"-1", None),
            (b"1 ", None),
            (b"99999999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), *expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    /// Every parser, to be fed anything.
    pub(crate) fn all(bytes: &[u8]) {
        let mut numbers = Numbers::default();
        cpu::v1_stat(bytes, &mut numbers);
        cpu::v1_acct_stat(bytes, 100, &mut numbers);
        cpu::v2_stat(bytes, &mut numbers);
        let _ = cpu::v2_max(bytes);
        let _ = (proc::namespaces_below(bytes), proc::mounted_part(bytes, "/".as_ref()));
        memory::v1_stat(bytes, &mut numbers);
        memory::v1_oom_control(bytes, &mut numbers);
        memory::v2_stat(bytes, &mut numbers);
        memory::v2_events(bytes, &mut numbers);
        memory::v2_swap_events(bytes, &mut numbers);
        for resource in pressure::Resource::ALL {
            pressure::pressure(bytes, *resource, &mut numbers);
        }
        let mut details = Details::default();
        cpu::v1_by_cpu(bytes, &mut details.refill());
        numa::v1(bytes, &mut details.refill());
        numa::v2(bytes, 4096, &mut details.refill());
        let _ = limit_events(bytes);
        block::v1_limits(bytes, |_, _, _| {});
        block::v2_limits(bytes, |_, _, _, _| {});
        block::v1(bytes, |_, _, _, _| {});
        block::v2(bytes, |_, _, _, _| {});
        net::dev(bytes, |_, _| {});
        net::sockstat(bytes, &mut numbers);
        let _ = net::routes(bytes);
        sockets::Connections::default().add(bytes);
        sockets::Datagrams::default().add(bytes);
        sockets::counters(bytes, b"Tcp", |_, _| {});
        process::limits(bytes, |_, _| {});
        let _ = (process::schedstat(bytes), process::task_state(bytes));
        let _ = proc::cgroups(bytes);
        let _ = proc::start_ticks(bytes);
        let _ = proc::stat(bytes);
        let _ = proc::meminfo(bytes);
        let _ = proc::cpu_list(bytes);
        host::processors(bytes, |_, _| {});
        host::fields(bytes, &["ctxt", "MemFree", "Active(anon)", "pgfault"], |_, _| {});
        let _ = (host::load(bytes), host::pressure(bytes));
        host::disks(bytes, |_, _| {});
        let _ = (host::is_shown_disk(bytes), host::is_shown_interface(bytes));
        host::interfaces(bytes, |_, _| {});
        let _ = (mounts::mounts(bytes, 10, |_| true), mounts::ids(bytes).count());
        let _ = (mounts::is_shown_point(bytes), mounts::is_shown_type(bytes));
    }

    proptest! {
        #[test]
        fn no_input_makes_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            all(&bytes);
        }

        #[test]
        fn no_line_of_likely_words_makes_a_parser_panic(words in prop::collection::vec(prop_oneof![
            Just("some"), Just("full"), Just("avg10="), Just("total=99999999999999999999"), Just("eth0:"), Just("\n"),
            Just("8:0"), Just("Read"), Just("anon=1"), Just("N0=2"), Just("rbps=max"), Just("wiops=7"), Just("rbytes=1"), Just("cpu"), Just("cpu0"), Just("0::/a"), Just("1:cpu,cpuacct:/"),
            Just("TCP:"), Just("inuse"), Just("-"), Just("/\\040"), Just("MemFree:"), Just("0.52"), Just("\ncpu1"), Just("\nsda"), Just("-1"), Just("18446744073709551615"), Just("nr_periods"), Just("(("), Just(")"),
        ], 0..60)) {
            all(words.join(" ").as_bytes());
        }
    }
}
