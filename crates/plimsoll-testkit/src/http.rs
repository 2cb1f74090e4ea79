//! As much of HTTP/1.1 as a test's server and proxy need: the heads of requests.

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head that is read, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The headers, with names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// How many bytes of body follow; `None` if the body has no known end (chunked, or the connection is upgraded).
    pub(crate) body: Option<usize>,
}

/// Parses a head without its empty line.
pub(crate) fn parse(head: &[u8]) -> Option<Head> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let has_no_end = header("transfer-encoding").or(header("upgrade")).is_some();
    let length = header("content-length").map_or(Some(0), |length| length.parse().ok());
    let body = length.filter(|_| !has_no_end);
    Some(Head { method, path, headers, body })
}

/// Where the head in `bytes` ends, behind its empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Reads one request, head and body; `None` at the end of the connection. What came behind it stays in `buffer`.
pub(crate) async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Option<Head> {
    let mut end = end_of_head(buffer);
    while end.is_none() {
        assert!(buffer.len() < MAX_HEAD, "a request's head is too long");
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
        end = end_of_head(buffer);
    }
    let head = parse(&buffer[..end? - 4])?;
    let whole = end? + head.body.unwrap_or(0);
    while buffer.len() < whole {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    buffer.drain(..whole);
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_one_after_the_other() {
        let bytes = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nPOST /d HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcGET /e HTTP/1.1\r\n\r\nGET /cut";
        let (mut stream, mut buffer) = (&bytes[..], Vec::new());
        let mut seen = Vec::new();
        while let Some(head) = read_request(&mut stream, &mut buffer).await {
            seen.push((head.method, head.path));
        }
        let expected = [("GET", "/a?b=c"), ("POST", "/d"), ("GET", "/e")];
        assert_eq!(seen, expected.map(|(method, path)| (method.to_owned(), path.to_owned())));
    }

    #[test]
    fn bodies_without_a_known_end() {
        let upgrade = parse(b"POST /x HTTP/1.1\r\nUpgrade: tcp\r\nContent-Length: 3").unwrap();
        assert_eq!(upgrade.body, None);
        assert_eq!(parse(b""), None);
    }
}
