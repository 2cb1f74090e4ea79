//! Integers of as many bytes as they need (LEB128, as Protocol Buffers have it), and signed ones folded to be small.

/// The most bytes that one integer has.
pub(crate) const MAX_VARINT: usize = 10;

/// Appends an integer: seven bits a byte, the lowest first, the highest bit set on all but the last byte.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an integer from the front; `None` where the bytes end in the middle of it or it has more than 64 bits.
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for position in 0..MAX_VARINT {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if position == MAX_VARINT - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * position);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Takes so many bytes from the front.
#[inline]
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (front, rest) = bytes.split_at_checked(usize::try_from(count).ok()?)?;
    *bytes = rest;
    Some(front)
}

/// A signed integer as an unsigned one that is small where the signed one is near zero: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
#[allow(clippy::cast_sign_loss, reason = "every bit is kept")]
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// What [`zigzag`] folded.
#[inline]
#[allow(clippy::cast_possible_wrap, reason = "every bit is kept")]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

/// The way from one integer to another, around the end of the range if that is nearer, folded.
#[inline]
#[allow(clippy::cast_possible_wrap, reason = "every bit is kept")]
pub(crate) const fn difference(from: u64, to: u64) -> u64 {
    zigzag(to.wrapping_sub(from) as i64)
}

/// Goes the way that [`difference`] told.
#[inline]
#[allow(clippy::cast_sign_loss, reason = "every bit is kept")]
pub(crate) const fn add(from: u64, difference: u64) -> u64 {
    from.wrapping_add(unzigzag(difference) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_come_back(values in proptest::collection::vec(any::<u64>(), 0..50), shift in 0_u32..64) {
            let mut bytes = Vec::new();
            for value in &values {
                put(&mut bytes, value >> shift);
            }
            let mut rest = bytes.as_slice();
            for value in &values {
                prop_assert_eq!(take(&mut rest), Some(value >> shift));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn differences_come_back(from: u64, to: u64) {
            prop_assert_eq!(add(from, difference(from, to)), to);
        }
    }

    #[test]
    fn what_is_not_an_integer_of_64_bits_is_refused() {
        for bytes in
            [&[][..], &[0x80], &[0xff; 10], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(take(&mut &*bytes), None, "{bytes:?}");
        }
    }
}
