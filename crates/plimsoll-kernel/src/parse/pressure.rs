//! Pressure stall information: `cpu.pressure`, `memory.pressure`, `io.pressure`, `irq.pressure`.
//!
//! Source: the kernel's `Documentation/accounting/psi.rst`.

use plimsoll_model::Slot;

use super::{MICRO, Numbers, number, words};

/// What tasks wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the files' names")]
pub enum Resource {
    Cpu,
    Memory,
    Io,
    Irq,
}

/// The slots of one line: total, and the averages over 10, 60 and 300 seconds.
type Line = (Slot, [Slot; 3]);

impl Resource {
    /// Every resource.
    pub const ALL: &'static [Self] = &[Self::Cpu, Self::Memory, Self::Io, Self::Irq];

    /// The slots of `some` and `full`. Interrupts have no `some`.
    fn slots(self) -> (Option<Line>, Line) {
        use Slot as S;
        match self {
            Self::Cpu => (
                Some((
                    S::PressureCpuWaiting,
                    [S::PressureCpuSome10, S::PressureCpuSome60, S::PressureCpuSome300],
                )),
                (S::PressureCpuStalled, [S::PressureCpuFull10, S::PressureCpuFull60, S::PressureCpuFull300]),
            ),
            Self::Memory => (
                Some((
                    S::PressureMemoryWaiting,
                    [S::PressureMemorySome10, S::PressureMemorySome60, S::PressureMemorySome300],
                )),
                (
                    S::PressureMemoryStalled,
                    [S::PressureMemoryFull10, S::PressureMemoryFull60, S::PressureMemoryFull300],
                ),
            ),
            Self::Io => (
                Some((
                    S::PressureIoWaiting,
                    [S::PressureIoSome10, S::PressureIoSome60, S::PressureIoSome300],
                )),
                (S::PressureIoStalled, [S::PressureIoFull10, S::PressureIoFull60, S::PressureIoFull300]),
            ),
            Self::Irq => (
                None,
                (S::PressureIrqStalled, [S::PressureIrqFull10, S::PressureIrqFull60, S::PressureIrqFull300]),
            ),
        }
    }
}

/// Reads the lines `some avg10=0.12 avg60=0.00 avg300=0.00 total=4567` and `full …`. Totals are in
/// microseconds, averages in per cent with two decimals.
pub fn pressure(bytes: &[u8], resource: Resource, out: &mut Numbers) {
    let (some, full) = resource.slots();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let (total, averages) = match words.next() {
            Some(b"some") if some.is_some() => some.unwrap_or(full),
            Some(b"full") => full,
            _ => continue,
        };
        for word in words {
            let Some(equals) = word.iter().position(|byte| *byte == b'=') else { continue };
            let value = &word[equals + 1..];
            match &word[..equals] {
                b"avg10" => out.set_option(averages[0], ratio(value)),
                b"avg60" => out.set_option(averages[1], ratio(value)),
                b"avg300" => out.set_option(averages[2], ratio(value)),
                b"total" => out.set_option(total, number(value).and_then(|micros| micros.checked_mul(MICRO))),
                _ => {}
            }
        }
    }
}

/// Per cent with two decimals, as billionths of one.
fn ratio(percent: &[u8]) -> Option<u64> {
    let dot = percent.iter().position(|byte| *byte == b'.')?;
    let (whole, hundredths) = (number(&percent[..dot])?, number(&percent[dot + 1..])?);
    if percent.len() - dot - 1 != 2 {
        return None;
    }
    whole.checked_mul(100)?.checked_add(hundredths)?.checked_mul(100_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_and_averages() {
        let mut out = Numbers::default();
        pressure(
            b"some avg10=1.23 avg60=0.00 avg300=100.00 total=4567\nfull avg10=0.00 avg60=0.00 avg300=0.01 total=89\n",
            Resource::Memory,
            &mut out,
        );
        assert_eq!(out.get(Slot::PressureMemoryWaiting), Some(4_567_000));
        assert_eq!(out.get(Slot::PressureMemoryStalled), Some(89_000));
        assert_eq!(out.get(Slot::PressureMemorySome10), Some(12_300_000));
        assert_eq!(out.get(Slot::PressureMemorySome300), Some(1_000_000_000));
        assert_eq!(out.get(Slot::PressureMemoryFull300), Some(100_000));
    }

    #[test]
    fn an_old_kernel_has_no_full_line_for_the_processor() {
        let mut out = Numbers::default();
        pressure(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", Resource::Cpu, &mut out);
        assert_eq!(out.get(Slot::PressureCpuWaiting), Some(7_000));
        assert_eq!(out.get(Slot::PressureCpuStalled), None);
    }

    #[test]
    fn interrupts_only_stall() {
        let mut out = Numbers::default();
        pressure(b"full avg10=0.00 avg60=0.00 avg300=0.00 total=11\n", Resource::Irq, &mut out);
        assert_eq!(out.get(Slot::PressureIrqStalled), Some(11_000));
    }
}
