//! Blocks of snappy, in which bodies are sent.

use crate::point::Broken;

/// The longest body that is compressed or decompressed, in bytes: several times what any receiver takes.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

/// A body as a block of snappy.
///
/// # Errors
///
/// If it is longer than [`MAX_BODY`].
pub fn compress(body: &[u8]) -> Result<Vec<u8>, Broken> {
    if body.len() > MAX_BODY {
        return Err(Broken);
    }
    snap::raw::Encoder::new().compress_vec(body).map_err(|_| Broken)
}

/// The body in a block of snappy. Nothing is allocated for one that says that it is longer than [`MAX_BODY`].
///
/// # Errors
///
/// If it is longer than that, or no such block.
pub fn decompress(block: &[u8]) -> Result<Vec<u8>, Broken> {
    let length = snap::raw::decompress_len(block).map_err(|_| Broken)?;
    if length > MAX_BODY {
        return Err(Broken);
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(|_| Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_claims_to_be_huge_is_refused() {
        let body = b"again and again and again and again".repeat(100);
        let block = compress(&body).unwrap();
        assert!(block.len() < body.len() / 5);
        assert_eq!(decompress(&block), Ok(body));
        // The length as a varint: four gigabytes less one.
        assert_eq!(decompress(b"\xff\xff\xff\xff\x0f\x00"), Err(Broken));
        assert_eq!(decompress(&block[..block.len() / 2]), Err(Broken));
        assert_eq!(decompress(b""), Err(Broken));
        assert_eq!(compress(&vec![0; MAX_BODY + 1]), Err(Broken));
    }
}
