//! Lines taken out of a batch, without reading more of them than their times.

use super::Precision;
use crate::lines::retain_lines;
use crate::point::{Broken, Retained};

/// Keeps the lines that `keep` accepts. It is told each line's position, from 0, and its time in Unix nanoseconds.
///
/// `body` is what [`super::Encoder::take`] gave, with times of this `precision`.
///
/// ```
/// use plimsoll_wire::line_protocol::{Precision, retain};
///
/// let kept = retain(b"m f=1i 7\nm f=\"a b\" 8\n", Precision::Seconds, &mut |index, time| index == 1 && time == 8_000_000_000)?;
/// assert_eq!((&*kept.body, kept.points, kept.removed), (&b"m f=\"a b\" 8\n"[..], 1, 1));
/// # Ok::<(), plimsoll_wire::point::Broken>(())
/// ```
///
/// # Errors
/// If a line does not end in a time and a line feed.
pub fn retain(
    body: &[u8],
    precision: Precision,
    keep: &mut dyn FnMut(u64, i64) -> bool,
) -> Result<Retained, Broken> {
    retain_lines(body, |line| time(line, precision), keep)
}

fn time(line: &[u8], precision: Precision) -> Option<i64> {
    // What an encoder writes has no line feed within texts, and nothing behind the time.
    let at = line.iter().rposition(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(&line[at + 1..]).ok()?.parse().ok()?;
    if at == 0 { None } else { precision.read(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line_protocol::Encoder;
    use crate::point::{Point, Tally, Value};

    #[test]
    fn any_lines_can_be_taken_out() {
        for precision in Precision::ALL.iter().copied() {
            let (mut encoder, mut tally, mut point) =
                (Encoder::new(precision), Tally::default(), Point::default());
            for n in 0..20 {
                point.begin("m", (n - 10) * 1_000_000_000);
                point.field("f", Value::Text("a 5\n7"));
                encoder.push(&point, &mut tally);
            }
            let body = encoder.take();
            let mut seen = Vec::new();
            let all = retain(&body, precision, &mut |index, time| {
                seen.push((index, time));
                true
            });
            assert_eq!(all, Ok(Retained { body: body.clone(), points: 20, removed: 0 }));
            assert_eq!(
                seen,
                (0..20).map(|n| (n, (i64::try_from(n).unwrap() - 10) * 1_000_000_000)).collect::<Vec<_>>()
            );
            let none = retain(&body, precision, &mut |_, _| false).unwrap();
            assert_eq!((none.body.len(), none.points, none.removed), (0, 0, 20));
            let odd = retain(&body, precision, &mut |index, _| index % 2 == 1).unwrap();
            let lines: Vec<_> = body.split_inclusive(|byte| *byte == b'\n').collect();
            let expected: Vec<_> = lines.iter().skip(1).step_by(2).flat_map(|line| line.to_vec()).collect();
            assert_eq!((odd.body, odd.points, odd.removed), (expected, 10, 10));
        }
        assert_eq!(retain(b"", Precision::Seconds, &mut |_, _| true), Ok(Retained::default()));
    }

    #[test]
    fn what_is_no_batch_is_broken() {
        for body in [
            "m f=1i 7",
            "m f=1i 7\nm f=1i",
            "m f=1i\n",
            "\n",
            " 7\n",
            "m f=1i 7\n\n",
            "m f=1i 99999999999\n",
            "m f=1i 7 \n",
        ] {
            let retained = retain(body.as_bytes(), Precision::Seconds, &mut |_, _| true);
            assert_eq!(retained, Err(Broken), "{body:?}");
        }
    }
}
