//! `cpuacct.*`, `cpu.stat`, `cpu.max`.

use plimsoll_model::{DetailField, DetailPass, Slot};

use super::{MICRO, Numbers, number, pairs, words};

/// `cpuacct.stat` of v1: user and system time in clock ticks, `ticks` of them a second.
pub fn v1_acct_stat(bytes: &[u8], ticks: u64, out: &mut Numbers) {
    let nanos = |value: u64| value.checked_mul(1_000_000_000 / ticks.max(1));
    pairs(bytes, |key, value| match key {
        b"user" => out.set_option(Slot::CpuUser, nanos(value)),
        b"system" => out.set_option(Slot::CpuSystem, nanos(value)),
        _ => {}
    });
}

/// `cpu.stat` of v1: throttling, with times in nanoseconds.
pub fn v1_stat(bytes: &[u8], out: &mut Numbers) {
    pairs(bytes, |key, value| match key {
        b"nr_periods" => out.set(Slot::CfsPeriods, value),
        b"nr_throttled" => out.set(Slot::CfsThrottledPeriods, value),
        b"throttled_time" => out.set(Slot::CfsThrottledTime, value),
        b"nr_bursts" => out.set(Slot::CfsBurstPeriods, value),
        b"burst_time" => out.set(Slot::CfsBurstTime, value),
        _ => {}
    });
}

/// `cpu.stat` of v2: use and throttling, with times in microseconds.
pub fn v2_stat(bytes: &[u8], out: &mut Numbers) {
    let nanos = |value: u64| value.checked_mul(MICRO);
    pairs(bytes, |key, value| match key {
        b"usage_usec" => out.set_option(Slot::CpuUsage, nanos(value)),
        b"user_usec" => out.set_option(Slot::CpuUser, nanos(value)),
        b"system_usec" => out.set_option(Slot::CpuSystem, nanos(value)),
        b"nr_periods" => out.set(Slot::CfsPeriods, value),
        b"nr_throttled" => out.set(Slot::CfsThrottledPeriods, value),
        b"throttled_usec" => out.set_option(Slot::CfsThrottledTime, nanos(value)),
        b"nr_bursts" => out.set(Slot::CfsBurstPeriods, value),
        b"burst_usec" => out.set_option(Slot::CfsBurstTime, nanos(value)),
        _ => {}
    });
}

/// `cpuacct.usage_percpu` of v1: nanoseconds for each processor, in one line. Those that could be plugged in are among them, so
/// a processor that was never used is left out.
pub fn v1_by_cpu(bytes: &[u8], pass: &mut DetailPass<'_>) {
    for (cpu, nanos) in words(bytes).map(number).enumerate() {
        if let Some(nanos) = nanos.filter(|nanos| *nanos > 0) {
            pass.set(DetailField::CpuUsage, &[CpuName::new(cpu).as_str()], nanos);
        }
    }
}

/// `cpu00`, as cAdvisor writes it, put together without an allocation: it is compared with what is known in each pass.
struct CpuName {
    bytes: [u8; Self::LENGTH],
    start: usize,
}

impl CpuName {
    const PREFIX: &[u8] = b"cpu";
    /// With as many digits as a number can have.
    const LENGTH: usize = Self::PREFIX.len() + 20;

    fn new(mut cpu: usize) -> Self {
        let (mut bytes, mut start) = ([b'0'; Self::LENGTH], Self::LENGTH);
        while cpu > 0 || start > Self::LENGTH - 2 {
            start -= 1;
            bytes[start] = b'0' + (cpu % 10) as u8;
            cpu /= 10;
        }
        start -= Self::PREFIX.len();
        bytes[start..start + Self::PREFIX.len()].copy_from_slice(Self::PREFIX);
        Self { bytes, start }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).unwrap_or_default()
    }
}

/// A CPU limit: microseconds of processor time in each period; no quota is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bandwidth {
    /// Microseconds that may be used in a period.
    pub quota: Option<u64>,
    /// Length of a period in microseconds.
    pub period: u64,
}

impl Bandwidth {
    /// The limit in billionths of a core.
    #[must_use]
    pub fn cores(&self) -> Option<u64> {
        let quota = u128::from(self.quota?);
        u64::try_from((quota * 1_000_000_000).checked_div(u128::from(self.period))?).ok()
    }
}

/// `cpu.max` of v2: `QUOTA PERIOD`, where the quota may be `max`.
///
/// ```
/// use plimsoll_kernel::parse::cpu::v2_max;
/// assert_eq!(v2_max(b"50000 100000\n").unwrap().cores(), Some(500_000_000));
/// assert_eq!(v2_max(b"max 100000\n").unwrap().cores(), None);
/// ```
#[must_use]
pub fn v2_max(bytes: &[u8]) -> Option<Bandwidth> {
    let mut words = words(bytes);
    let quota = match words.next()? {
        b"max" => None,
        quota => Some(number(quota)?),
    };
    Some(Bandwidth { quota, period: number(words.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Details;

    #[test]
    fn v1() {
        let mut out = Numbers::default();
        v1_acct_stat(b"user 12\nsystem 3\n", 100, &mut out);
        v1_stat(
            b"nr_periods 2\nnr_throttled 1\nthrottled_time 5000\nnr_bursts 0\nburst_time 7\nnew 1\n",
            &mut out,
        );
        assert_eq!(out.get(Slot::CpuUser), Some(120_000_000));
        assert_eq!(out.get(Slot::CpuSystem), Some(30_000_000));
        assert_eq!(out.get(Slot::CfsThrottledTime), Some(5000));
        assert_eq!(out.get(Slot::CfsBurstTime), Some(7));
        assert_eq!(out.get(Slot::CpuUsage), None);
    }

    #[test]
    fn v2() {
        let mut out = Numbers::default();
        v2_stat(
            b"usage_usec 390000\nuser_usec 380000\nsystem_usec 10000\nnr_throttled 4\nthrottled_usec 9\n",
            &mut out,
        );
        assert_eq!(out.get(Slot::CpuUsage), Some(390_000_000));
        assert_eq!(out.get(Slot::CfsThrottledTime), Some(9000));
        assert_eq!(out.get(Slot::CfsPeriods), None, "this kernel did not say");
    }

    #[test]
    fn by_processor() {
        let mut details = Details::default();
        for (text, expected) in [
            ("12 7 \n", &[("cpu00", 12), ("cpu01", 7)][..]),
            ("13 0 9 0 0 \n", &[("cpu00", 13), ("cpu02", 9)]),
            ("0 x 5\n", &[("cpu02", 5)]),
            ("", &[]),
        ] {
            v1_by_cpu(text.as_bytes(), &mut details.refill());
            let got: Vec<_> = details.rows().iter().map(|row| (&*row.labels[0], row.value)).collect();
            assert_eq!(got, expected, "{text:?}");
        }
    }

    #[test]
    fn names_of_processors() {
        for cpu in [0, 1, 9, 10, 99, 100, 4095, usize::MAX] {
            assert_eq!(CpuName::new(cpu).as_str(), format!("cpu{cpu:02}"));
        }
    }

    #[test]
    fn overflow_is_absent() {
        let mut out = Numbers::default();
        v2_stat(b"usage_usec 18446744073709551615\n", &mut out);
        assert_eq!(out.get(Slot::CpuUsage), None);
        assert_eq!(v2_max(b"1 0\n").unwrap().cores(), None, "a period of nothing");
    }
}
