//! Numbers that go together: processor time is what was spent for the program and for the kernel, and who waits for a
//! processor is nearly always all who could run. Such a column is stored as what it is beyond others, which is near nothing.

use std::collections::VecDeque;

use crate::column;
use crate::column::Kind;

/// How many columns back others are looked for; related ones are close to each other in the catalog, and so in a block.
const WINDOW: usize = 3;

/// Columns of fewer bytes are not worth it.
const MIN_BYTES: usize = 64;

/// Of a hundred bits, how many may be left.
const MAX_LEFT: u64 = 80;

/// Looks for related columns among those of a block, which are told in order.
#[derive(Default)]
pub(crate) struct Relations {
    recent: VecDeque<Candidate>,
}

/// A column that others can be told by.
struct Candidate {
    /// Which of the block's columns.
    position: usize,
    unit: i64,
    values: Vec<Option<u64>>,
    steps: Vec<u64>,
}

/// A column as what it is beyond others.
pub(crate) struct Related {
    /// How many columns back the one is that is taken off.
    pub(crate) off: usize,
    /// How many columns back the one is that is added then; 0 for none.
    pub(crate) on: usize,
    /// What is left, as a column of steps.
    pub(crate) column: Vec<u8>,
}

impl Relations {
    /// Takes the next column of steps, and says how it is better told, if it is. Only columns without gaps are related.
    pub(crate) fn find(&mut self, position: usize, column: &[u8], samples: usize) -> Option<Related> {
        if column.len() < MIN_BYTES {
            return None;
        }
        let values = column::list(column, false, Kind::Steps, samples)?;
        if values.contains(&None) {
            return None;
        }
        let plain = values.iter().copied().flatten();
        let steps = plain.clone().zip(plain.skip(1)).map(|(one, next)| next.wrapping_sub(one)).collect();
        let this = Candidate { position, unit: column::unit(column, Kind::Steps), values, steps };
        let Some((off, on)) = self.best(&this) else {
            self.recent.push_front(this);
            self.recent.truncate(WINDOW);
            return None;
        };
        let left = (0..samples).map(|at| {
            let on = on.map_or(Some(0), |on| *on.values.get(at)?)?;
            Some((*this.values.get(at)?)?.wrapping_sub((*off.values.get(at)?)?).wrapping_add(on))
        });
        let left: Vec<Option<u64>> = left.collect();
        let mut column = Vec::new();
        column::write(&mut column, Kind::Steps, &left);
        Some(Related { off: position - off.position, on: on.map_or(0, |on| position - on.position), column })
    }

    /// The columns by which the fewest bits are left, if few enough are.
    fn best(&self, this: &Candidate) -> Option<(&Candidate, Option<&Candidate>)> {
        // What is left has to be multiples of the same unit.
        let fit = |candidate: &&Candidate| candidate.unit % this.unit == 0;
        let alone = self.recent.iter().filter(fit).map(|off| (off, None));
        // The last but one less the last: the whole less one of its parts is the other.
        let pair = self.recent.get(1).filter(fit).zip(self.recent.front().filter(fit));
        let both = pair.map(|(off, on)| (off, Some(on)));
        let bits = |(off, on): (&Candidate, Option<&Candidate>)| -> u64 {
            let left = this.steps.iter().zip(&off.steps).map(|(step, off)| step.wrapping_sub(*off));
            match on {
                None => left.map(bits_of).sum(),
                Some(on) => left.zip(&on.steps).map(|(left, on)| bits_of(left.wrapping_add(*on))).sum(),
            }
        };
        let (left, best) =
            alone.chain(both).map(|candidate| (bits(candidate), candidate)).min_by_key(|found| found.0)?;
        let whole: u64 = this.steps.iter().copied().map(bits_of).sum();
        (left * 100 < whole * MAX_LEFT).then_some(best)
    }
}

/// How many bits a step has.
fn bits_of(step: u64) -> u64 {
    u64::from(u64::BITS - step.cast_signed().unsigned_abs().leading_zeros())
}
