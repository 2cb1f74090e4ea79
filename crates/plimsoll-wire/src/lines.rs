//! Lines that grow point by point: what the encoders of line protocol and of JSON lines have in common.

use crate::point::Tally;

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
        match write(&mut self.0) {
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
