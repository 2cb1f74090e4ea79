//! Points of others, and the bodies that delivery takes apart again.

use plimsoll_wire::line_protocol::{self, Encoder, Parser, Precision, parse_line};
use plimsoll_wire::point::{Broken, Point, Retained, Tally};
use plimsoll_wire::remote_write::{self, Version};
use plimsoll_wire::{exposition, json_lines, otlp};

const NOW: i64 = 1_700_000_000_000_000_000;

/// Line protocol and Prometheus text as points, and bodies of every format from which points are taken: what is read can be
/// written and is read again as it was, pieces are read as the whole is, and taking nothing out changes nothing.
pub fn points(bytes: &[u8]) {
    line_by_line(bytes);
    let mut read = 0_u64;
    exposition::parse(bytes, NOW, &mut |_, point| read += u64::from(point.is_ok()));
    assert!(read <= bytes.len() as u64);

    for precision in Precision::ALL {
        bodies(bytes, &mut |body, keep| line_protocol::retain(body, *precision, keep));
    }
    bodies(bytes, &mut |body, keep| json_lines::retain(body, keep));
    bodies(bytes, &mut |body, keep| otlp::retain(body, keep));
    for version in [Version::V1, Version::V2] {
        bodies(bytes, &mut |body, keep| remote_write::retain(version, body, keep));
    }
    if let Ok(converted) = remote_write::v2_to_v1(bytes) {
        let all = remote_write::retain(Version::V1, &converted, &mut |_, _| true).expect("it was made here");
        assert_eq!(all.removed, 0);
    }
    if let Ok(raw) = remote_write::decompress(bytes) {
        let again = remote_write::compress(&raw).and_then(|block| remote_write::decompress(&block));
        assert_eq!(again, Ok(raw));
    }
    let _ = otlp::parse_response(bytes);
}

fn line_by_line(bytes: &[u8]) {
    let mut whole = Vec::new();
    let mut parser = Parser::new(Precision::Nanoseconds, NOW);
    parser.push(bytes, &mut |line, point| whole.push((line, point.is_ok())));
    parser.finish(&mut |line, point| whole.push((line, point.is_ok())));
    let mut pieces = Vec::new();
    let mut parser = Parser::new(Precision::Nanoseconds, NOW);
    for piece in bytes.chunks(3) {
        parser.push(piece, &mut |line, point| pieces.push((line, point.is_ok())));
    }
    parser.finish(&mut |line, point| pieces.push((line, point.is_ok())));
    assert_eq!(whole, pieces, "pieces are read as the whole is");

    let mut point = Point::default();
    if parse_line(bytes, Precision::Nanoseconds, NOW, &mut point) != Ok(true) {
        return;
    }
    let mut encoder = Encoder::new(Precision::Nanoseconds);
    let mut tally = Tally::default();
    encoder.push(&point, &mut tally);
    let line = encoder.take();
    if tally.accepted == 0 {
        assert!(line.is_empty());
        return;
    }
    let mut again = Point::default();
    let line = line.strip_suffix(b"\n").unwrap_or(&line);
    assert_eq!(
        parse_line(line, Precision::Nanoseconds, NOW, &mut again),
        Ok(true),
        "{}",
        line.escape_ascii()
    );
    assert_eq!(again.time(), point.time());
    // What is written twice is written the same.
    let mut encoder = Encoder::new(Precision::Nanoseconds);
    encoder.push(&again, &mut Tally::default());
    assert_eq!(encoder.take().strip_suffix(b"\n"), Some(line));
}

type Retain<'a> = dyn FnMut(&[u8], &mut dyn FnMut(u64, i64) -> bool) -> Result<Retained, Broken> + 'a;

fn bodies(bytes: &[u8], retain: &mut Retain<'_>) {
    let Ok(all) = retain(bytes, &mut |_, _| true) else { return };
    assert_eq!(all.removed, 0);
    let half = retain(bytes, &mut |index, _| index % 2 == 0).expect("it was read before");
    assert_eq!(half.points + half.removed, all.points);
    assert_eq!(half.points, all.points.div_ceil(2));
    let again = retain(&half.body, &mut |_, _| true).expect("it was made here");
    assert_eq!((again.points, again.removed), (half.points, 0), "a half is read as a half");
}
