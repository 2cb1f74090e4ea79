//! Cutting bytes where they say so themselves.

/// Cuts `bytes` into chunks of 1 to 256 bytes; the first byte of each says how long it is.
pub(crate) fn chunks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(*rest.first()?) + 1;
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        Some(chunk)
    })
}
