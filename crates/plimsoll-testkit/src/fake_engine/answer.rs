//! Answers as they go over the wire.

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

pub(super) fn head_of(status: u16, length: Option<usize>) -> String {
    let length = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    format!(
        "HTTP/1.1 {status} Fake\r\nServer: Docker/fake (linux)\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    )
}

pub(super) async fn send(stream: &mut UnixStream, status: u16, body: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[head_of(status, Some(body.len())).as_bytes(), body].concat()).await
}

pub(super) async fn send_chunk(stream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(&[format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()).await
}
