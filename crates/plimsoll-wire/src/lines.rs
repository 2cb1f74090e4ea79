//! Lines that grow point by point and lose some again: what line protocol and JSON lines have in common.

use crate::point::{Broken, Retained, Tally};

/// The most bytes of a line.
pub const MAX_LINE: usize = 1024 * 1024;

/// Why a line is refused that is longer.
pub(crate) const TOO_LONG: &str = "too_long";

/// The lines so far.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<u8>);

impl Lines {
    /// Appends what `write` makes of a point. It gives how many fields it left out, or why there is no line; then what it has
    /// written goes again.
    #[inline]
    pub(crate) fn push(
        &mut self,
        tally: &mut Tally,
        write: impl FnOnce(&mut Vec<u8>) -> Result<u64, &'static str>,
    ) {
        let start = self.0.len();
        let written = write(&mut self.0);
        let is_long = self.0.len() - start > MAX_LINE;
        match if is_long { written.and(Err(TOO_LONG)) } else { written } {
            Ok(left_out) => {
                tally.accepted += 1;
                tally.fields_refused += left_out;
            }
            Err(reason) => {
                self.0.truncate(start);
                tally.refuse(reason);
            }
        }
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes them. As much room is made as there was, unless that was far too much.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let room = Vec::with_capacity(self.0.capacity().min(8 * self.0.len()));
        std::mem::replace(&mut self.0, room)
    }
}

/// Keeps the lines that `keep` accepts. It is told each line's position, from 0, and the time that `time` finds in it. They end
/// in a line feed, which `time` is not shown.
///
/// # Errors
/// If a line does not, or has no time.
pub(crate) fn retain_lines(
    body: &[u8],
    time: impl Fn(&[u8]) -> Option<i64>,
    keep: &mut dyn FnMut(u64, i64) -> bool,
) -> Result<Retained, Broken> {
    let mut retained = Retained { body: Vec::with_capacity(body.len()), ..Retained::default() };
    for (index, line) in (0..).zip(body.split_inclusive(|byte| *byte == b'\n')) {
        let time = line.strip_suffix(b"\n").and_then(&time).ok_or(Broken)?;
        if keep(index, time) {
            retained.body.extend_from_slice(line);
            retained.points += 1;
        } else {
            retained.removed += 1;
        }
    }
    Ok(retained)
}
