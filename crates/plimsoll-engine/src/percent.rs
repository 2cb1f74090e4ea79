//! Text as a part of a path.

use std::fmt::Write;

/// Percent-encodes everything but unreserved characters and those in `keep`.
pub(crate) fn percent_encode(text: &str, keep: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if plain || keep.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(encoded, "%{byte:02X}").ok();
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding() {
        assert_eq!(percent_encode("web-1_x.y~", ""), "web-1_x.y~");
        assert_eq!(percent_encode("../a?b=c#d e/ü", ""), "..%2Fa%3Fb%3Dc%23d%20e%2F%C3%BC");
        assert_eq!(percent_encode("reg:5000/a/b@sha256:0", "/:@"), "reg:5000/a/b@sha256:0");
    }
}
