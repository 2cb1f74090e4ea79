//! Block I/O: `blkio.*` of v1, `io.stat` of v2.

use plimsoll_model::{DeviceSlot, Values};

use super::{MICRO, number, words};

/// The numbers of a device.
pub type DeviceNumbers = Values<DeviceSlot, { DeviceSlot::COUNT }>;

/// What a line of a v1 file counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the kernel's own words")]
pub enum Operation {
    Read,
    Write,
    Discard,
    /// All of them.
    Total,
}

/// `blkio.*_recursive` of v1: lines of `MAJOR:MINOR OPERATION VALUE`. `Sync`, `Async` and `Total` repeat
/// what `Read`, `Write` and `Discard` say.
pub fn v1(bytes: &[u8], mut each: impl FnMut(u32, u32, Operation, u64)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let (Some(device), Some(operation), Some(value)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let operation = match operation {
            b"Read" => Operation::Read,
            b"Write" => Operation::Write,
            b"Discard" => Operation::Discard,
            b"Total" => Operation::Total,
            _ => continue,
        };
        let value = number(value);
        if let (Some((major, minor)), Some(value)) = (device_number(device), value) {
            each(major, minor, operation, value);
        }
    }
}

/// `io.stat` of v2: `MAJOR:MINOR key=value …` a line. Some kernels leave out the newline after a device
/// without numbers, so a device begins wherever a word looks like one.
pub fn v2(bytes: &[u8], mut each: impl FnMut(u32, u32, DeviceSlot, u64)) {
    let mut device = None;
    for word in words(bytes) {
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
            device = device_number(word);
            continue;
        };
        let (Some((major, minor)), Some(value)) = (device, number(&word[equals + 1..])) else { continue };
        let (slot, factor) = match &word[..equals] {
            b"rbytes" => (DeviceSlot::ReadBytes, 1),
            b"wbytes" => (DeviceSlot::WriteBytes, 1),
            b"rios" => (DeviceSlot::Reads, 1),
            b"wios" => (DeviceSlot::Writes, 1),
            b"dbytes" => (DeviceSlot::DiscardBytes, 1),
            b"dios" => (DeviceSlot::Discards, 1),
            b"cost.usage" => (DeviceSlot::CostUsage, MICRO),
            b"cost.wait" => (DeviceSlot::CostWait, MICRO),
            b"cost.indebt" => (DeviceSlot::CostIndebt, MICRO),
            b"cost.indelay" => (DeviceSlot::CostIndelay, MICRO),
            _ => continue,
        };
        if let Some(value) = value.checked_mul(factor) {
            each(major, minor, slot, value);
        }
    }
}

/// Which way a limit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "reads and writes")]
pub enum Direction {
    Read,
    Write,
}

/// What a limit bounds in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "bytes and operations")]
pub enum Bounded {
    Bytes,
    Operations,
}

/// `blkio.throttle.*_device` of v1: lines of `MAJOR:MINOR LIMIT`, for devices that have one.
pub fn v1_limits(bytes: &[u8], mut each: impl FnMut(u32, u32, u64)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let (device, limit) = (words.next().and_then(device_number), words.next().and_then(number));
        if let (Some((major, minor)), Some(limit)) = (device, limit) {
            each(major, minor, limit);
        }
    }
}

/// `io.max` of v2: `MAJOR:MINOR rbps=LIMIT wbps=max riops=max wiops=LIMIT` for devices that have a limit.
pub fn v2_limits(bytes: &[u8], mut each: impl FnMut((u32, u32), Bounded, Direction, u64)) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let Some(device) = words.next().and_then(device_number) else { continue };
        for word in words {
            let Some(equals) = word.iter().position(|byte| *byte == b'=') else { continue };
            let (bounded, direction) = match &word[..equals] {
                b"rbps" => (Bounded::Bytes, Direction::Read),
                b"wbps" => (Bounded::Bytes, Direction::Write),
                b"riops" => (Bounded::Operations, Direction::Read),
                b"wiops" => (Bounded::Operations, Direction::Write),
                _ => continue,
            };
            if let Some(limit) = number(&word[equals + 1..]) {
                each(device, bounded, direction, limit);
            }
        }
    }
}

fn device_number(word: &[u8]) -> Option<(u32, u32)> {
    let colon = word.iter().position(|byte| *byte == b':')?;
    let part = |digits| number(digits).and_then(|value| u32::try_from(value).ok());
    Some((part(&word[..colon])?, part(&word[colon + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_sums_nothing_twice() {
        let mut seen = vec![];
        v1(
            b"254:0 Read 4096\n254:0 Write 8192\n254:0 Sync 1\n254:0 Async 2\n254:0 Discard 0\n254:0 Total 12288\nTotal 12288\n",
            |major, minor, operation, value| seen.push((major, minor, operation, value)),
        );
        assert_eq!(
            seen,
            [
                (254, 0, Operation::Read, 4096),
                (254, 0, Operation::Write, 8192),
                (254, 0, Operation::Discard, 0),
                (254, 0, Operation::Total, 12288)
            ]
        );
    }

    #[test]
    fn limits_of_v1() {
        let mut seen = vec![];
        v1_limits(b"254:0 2000\n8:16 18446744073709551615\n8:0\n8:x 1\n\n7:7 -1\n", |major, minor, limit| {
            seen.push((major, minor, limit));
        });
        assert_eq!(seen, [(254, 0, 2000), (8, 16, u64::MAX)]);
    }

    #[test]
    fn limits_of_v2() {
        let mut seen = vec![];
        v2_limits(
            b"8:16 rbps=2097152 wbps=max riops=max wiops=120\n8:0 rbps=max wbps=7 riops=8 new=9\nx rbps=1\n",
            |device, bounded, direction, limit| seen.push((device, bounded, direction, limit)),
        );
        assert_eq!(
            seen,
            [
                ((8, 16), Bounded::Bytes, Direction::Read, 2_097_152),
                ((8, 16), Bounded::Operations, Direction::Write, 120),
                ((8, 0), Bounded::Bytes, Direction::Write, 7),
                ((8, 0), Bounded::Operations, Direction::Read, 8),
            ]
        );
    }

    #[test]
    fn v2_survives_a_device_without_numbers() {
        let mut seen = vec![];
        v2(
            b"8:16 8:0 rbytes=90 wbytes=1 rios=2 wios=3 dbytes=4 dios=5 cost.usage=7\n",
            |major, minor, slot, value| {
                seen.push((major, minor, slot, value));
            },
        );
        assert_eq!(seen.len(), 7);
        assert!(seen.iter().all(|(major, minor, ..)| (*major, *minor) == (8, 0)));
        assert_eq!(seen[6], (8, 0, DeviceSlot::CostUsage, 7_000));
    }
}
