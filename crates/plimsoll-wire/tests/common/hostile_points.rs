//! Points such as nobody should send, the same for a seed in every run. It needs nothing but [`plimsoll_wire::point`], so that
//! tests of other crates can take this file in, by its path.

use plimsoll_wire::point::{Point, Value};

/// What texts are made of: all that means something in some place, and what is like it.
const PIECES: [&str; 36] = [
    "\\",
    "\\",
    "\\\\",
    "\"",
    ",",
    "=",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u{c}",
    "\0",
    "\u{7f}",
    "\u{1b}[0m",
    "\u{85}",
    "\u{2028}",
    "#",
    "a",
    "b",
    "n",
    "x",
    "é",
    "🚢",
    "'",
    "/",
    "1",
    "i",
    "-",
    "t",
    "time",
    "_field",
    "value",
    "_measurement",
    "NaN",
    "\\n",
];

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Often short, so that the same name comes twice.
    fn text(&mut self) -> String {
        let length = self.one(&[0, 1, 1, 1, 2, 2, 3, 4, 8]);
        (0..length).map(|_| self.one(&PIECES)).collect()
    }

    fn value(&mut self, text: &mut String) -> Value<'static> {
        match self.below(9) {
            0 => Value::Unsigned(self.one(&[0, 1, 1 << 53, i64::MAX as u64, 1 << 63, u64::MAX])),
            1 => Value::Integer(self.one(&[0, -1, i64::MIN, i64::MAX])),
            2 => Value::Nano(self.one(&[0, 1, 1_500_000_000, 12_345_678_901_234_567_890, u64::MAX])),
            3 => Value::Float(f64::from_bits(self.below(u64::MAX))),
            4 => {
                Value::Float(self.one(&[0.0, -0.0, 1.0, 1e-7, 1e17, 1e300, 5e-324, f64::NAN, f64::INFINITY]))
            }
            5 => Value::Bool(self.below(2) == 0),
            6 => Value::Stale,
            _ => {
                *text = self.text();
                Value::Text("")
            }
        }
    }
}

/// Makes `point` the hostile point of this seed.
pub(crate) fn hostile_point(seed: u64, point: &mut Point) {
    let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let time = dice.one(&[
        0,
        1_700_000_000_123_456_789,
        -1,
        i64::MIN,
        i64::MIN + 2,
        i64::MAX - 1,
        i64::MAX,
        1_000_000_000_000,
    ]);
    point.begin(&dice.text(), time);
    for _ in 0..dice.below(5) {
        point.tag(&dice.text(), &dice.text());
    }
    for _ in 0..dice.below(6) {
        let (name, mut text) = (dice.text(), String::new());
        match dice.value(&mut text) {
            Value::Text(_) => point.field(&name, Value::Text(&text)),
            value => point.field(&name, value),
        }
    }
}
