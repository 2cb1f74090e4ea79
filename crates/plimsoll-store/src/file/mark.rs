//! Checksums of rows. SQLite notices a page whose structure is broken, not one whose content is. Blocks carry
//! a checksum of their own inside; this one holds together what stands beside them.

/// A checksum under construction: FNV-1a with 64 bits.
#[derive(Clone, Copy)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Takes a text in, with its length, so that two texts never look like one.
    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(&(text.len() as u64).to_le_bytes()).bytes(text.as_bytes())
    }

    /// Takes a number in.
    pub(crate) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// The checksum as a column holds it.
    pub(crate) fn column(self) -> i64 {
        i64::from_le_bytes(self.0.to_le_bytes())
    }
}
