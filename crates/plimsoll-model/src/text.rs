//! Bounds for text that comes from outside, and how a message shows it. A container's name or label can hold anything, a
//! megabyte of it included.

/// The longest name, image or label value that is kept, in bytes.
pub const MAX_TEXT: usize = 1024;

/// The longest label key that is kept, in bytes.
pub const MAX_LABEL_KEY: usize = 256;

/// The most labels of one container that are kept.
pub const MAX_LABELS: usize = 256;

/// Cuts `text` to at most `max` bytes, at a character's border.
///
/// ```
/// use plimsoll_model::text::bounded;
/// assert_eq!(bounded("née", 2), "n");
/// assert_eq!(bounded("née", 3), "né");
/// ```
#[must_use]
pub fn bounded(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Turns an engine label's key into a Prometheus label name: `label_` and the key with everything but
/// ASCII letters, digits and `_` replaced by `_`.
///
/// ```
/// assert_eq!(plimsoll_model::text::label_name("com.example/team-name"), "label_com_example_team_name");
/// ```
#[must_use]
pub fn label_name(key: &str) -> String {
    let body = key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    "label_".chars().chain(body).collect()
}

/// A character as an error message shows it: control characters, and invisible ones that reorder text, become escapes, as they
/// could play tricks on a terminal.
///
/// ```
/// use plimsoll_model::text::visible;
/// assert_eq!("a\u{1b}b".chars().flat_map(visible).collect::<String>(), "a\\u{1b}b");
/// ```
pub fn visible(character: char) -> impl Iterator<Item = char> {
    let odd = character.is_control()
        || matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = odd.then(|| character.escape_unicode());
    let plain = (!odd).then_some(character);
    escaped.into_iter().flatten().chain(plain)
}
