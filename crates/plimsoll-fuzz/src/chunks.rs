//! Cutting bytes where they say so themselves.

/// Cuts `bytes` into chunks; the first byte of each says how long it is, in units of `unit` bytes.
pub(crate) fn chunks(bytes: &[u8], unit: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?) * unit + 1;
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        Some(chunk)
    })
}
