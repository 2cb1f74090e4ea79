//! What the sink was sent.

use std::io::{self, Read as _};
use std::time::Instant;

use flate2::read::MultiGzDecoder;

/// The longest body after decompression, in bytes.
const MAX_DECODED: u64 = 256 * 1024 * 1024;

/// A request that came whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which one it is, from 0.
    pub number: usize,
    /// Over which connection it came, from 1.
    pub connection: usize,
    /// When it had come.
    pub at: Instant,
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, decoded.
    pub queries: Vec<(String, String)>,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed if it was gzip or zstd. Any other encoding, snappy for one, stays as it came.
    pub body: Vec<u8>,
    /// How long the body was on the wire, in bytes.
    pub sent: usize,
    /// Why the body could not be decompressed: `body` is then what was sent, and the answer was 400.
    pub broken: Option<String>,
}

impl Request {
    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A value of the query, by its name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.queries.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is none.
    #[track_caller]
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body that is text")
    }

    /// Takes the body in, decompressed.
    pub(super) fn decode(&mut self, sent: Vec<u8>) {
        match decompress(self.header("content-encoding").unwrap_or_default(), &sent) {
            Ok(Some(body)) => self.body = body,
            Ok(None) => self.body = sent,
            Err(error) => {
                self.broken = Some(error.to_string());
                self.body = sent;
            }
        }
    }
}

fn decompress(encoding: &str, sent: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    match encoding {
        "gzip" => MultiGzDecoder::new(sent).take(MAX_DECODED).read_to_end(&mut body)?,
        "zstd" => zstd::stream::read::Decoder::new(sent)?.take(MAX_DECODED).read_to_end(&mut body)?,
        _ => return Ok(None),
    };
    Ok(Some(body))
}

/// Takes a path apart into the path proper and the decoded query.
pub(super) fn split(path: &str) -> (String, Vec<(String, String)>) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    (path.to_owned(), pairs.map(|(name, value)| (unquote(name), unquote(value))).collect())
}

/// Undoes percent-encoding; what is no encoding stays.
fn unquote(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        match (first, code) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = behind;
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart() {
        for (path, pairs) in [
            ("/write", vec![]),
            ("/write?", vec![]),
            (
                "/write?db=a%20b%2B&q=c+d&flag&e==&bad=%zz%4",
                vec![("db", "a b+"), ("q", "c d"), ("flag", ""), ("e", "="), ("bad", "%zz%4")],
            ),
        ] {
            let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(split(path), ("/write".to_owned(), pairs));
        }
    }
}
