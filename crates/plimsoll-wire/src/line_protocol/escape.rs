//! What is written in place of characters that mean something, by place. The table of it stands in [the module](super).

pub(super) const MEASUREMENT: u8 = 1;
pub(super) const NAME: u8 = 2;
const STRING: u8 = 4;

/// For each byte, where it cannot be written as it is.
const ODD: [u8; 256] = {
    let mut odd = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        odd[byte] = MEASUREMENT | NAME | STRING;
        byte += 1;
    }
    odd[0x7f] = MEASUREMENT | NAME | STRING;
    odd[b'\\' as usize] = MEASUREMENT | NAME | STRING;
    odd[b',' as usize] = MEASUREMENT | NAME;
    odd[b' ' as usize] = MEASUREMENT | NAME;
    odd[b'=' as usize] = NAME;
    odd[b'"' as usize] = STRING;
    odd
};

/// Where the first byte is that cannot be written as it is there.
#[inline]
fn first_odd(bytes: &[u8], place: u8) -> Option<usize> {
    bytes.iter().position(|byte| ODD[*byte as usize] & place != 0)
}

/// Whether all of these bytes can be written as they are in a name, and so in a measurement. Nearly all can: this is where an
/// encoder spends its time, so several bytes are looked at at once, and some of them twice.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        bytes.as_chunks::<16>().0.iter().all(is_plain_16) && is_plain_16(last)
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        is_plain_8(first) && is_plain_8(last)
    } else {
        bytes.iter().fold(0, |odd, byte| odd | ODD[*byte as usize]) & NAME == 0
    }
}

#[inline]
fn is_plain_16(bytes: &[u8; 16]) -> bool {
    let mut odd = [0; 16];
    for (odd, byte) in odd.iter_mut().zip(bytes) {
        let byte = *byte;
        *odd = u8::from(byte <= b' ')
            | u8::from(byte == b',')
            | u8::from(byte == b'=')
            | u8::from(byte == b'\\')
            | u8::from(byte == 0x7f);
    }
    u128::from_ne_bytes(odd) == 0
}

#[inline]
fn is_plain_8(bytes: &[u8; 8]) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let all = u64::from_ne_bytes(*bytes);
    // The highest bit of a byte is set where it is less than `end`, and nowhere where none is.
    let below = |all: u64, end: u8| all.wrapping_sub(EACH * u64::from(end)) & !all & (EACH << 7);
    let equal = |byte: u8| below(all ^ (EACH * u64::from(byte)), 1);
    below(all, b' ' + 1) | equal(b',') | equal(b'=') | equal(b'\\') | equal(0x7f) == 0
}

/// Writes a measurement, a name, or a tag's value.
#[inline]
pub(super) fn write_name(text: &str, place: u8, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        out.extend_from_slice(bytes);
    } else {
        write_odd_name(bytes, place, out);
    }
}

#[cold]
fn write_odd_name(bytes: &[u8], place: u8, out: &mut Vec<u8>) {
    let mut plain = 0;
    while let Some(further) = first_odd(&bytes[plain..], place) {
        let at = plain + further;
        out.extend_from_slice(&bytes[plain..at]);
        match bytes[at] {
            b'\\' => out.push(if is_alone(bytes, at) { b'\\' } else { b'/' }),
            byte @ (b',' | b' ' | b'=') => out.extend_from_slice(&[b'\\', byte]),
            control => write_control(b"\\", control, out),
        }
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Whether the backslash at this place is one that every server leaves alone.
fn is_alone(bytes: &[u8], at: usize) -> bool {
    let has_one_before = at > 0 && bytes[at - 1] == b'\\';
    let next = bytes.get(at + 1);
    // In a field's name, InfluxDB 1 and 2 take the quotation mark for an escaped one.
    !has_one_before && next.is_some_and(|next| *next != b'"' && ODD[*next as usize] & NAME == 0)
}

pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut plain = 0;
    while let Some(further) = first_odd(&bytes[plain..], STRING) {
        let at = plain + further;
        out.extend_from_slice(&bytes[plain..at]);
        match bytes[at] {
            byte @ (b'\\' | b'"') => out.extend_from_slice(&[b'\\', byte]),
            control => write_control(b"\\\\", control, out),
        }
        plain = at + 1;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Writes a control character in a way that can be read.
fn write_control(backslash: &[u8], byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(backslash);
    match byte {
        b'\n' => out.push(b'n'),
        b'\r' => out.push(b'r'),
        b'\t' => out.push(b't'),
        0x0c => out.push(b'f'),
        _ => out.extend_from_slice(&[b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_seen_at_every_length() {
        for length in 0..50 {
            let mut bytes = vec![b'a'; length];
            assert!(is_plain(&bytes));
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    bytes[at] = byte;
                    assert_eq!(
                        is_plain(&bytes),
                        ODD[usize::from(byte)] & NAME == 0,
                        "{byte} at {at} of {length}"
                    );
                }
                bytes[at] = b'\xc3';
            }
        }
    }
}
