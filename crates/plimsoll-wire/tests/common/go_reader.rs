//! How InfluxDB 1 and 2 read a line, as far as what an encoder may write goes: an end is one that has no backslash before it,
//! and then escapes are replaced one after the other. What their parser refuses is refused.

/// A line as it was read; numbers are as they stand there, and texts begin with `"`.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Line {
    pub(crate) measurement: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) time: i64,
}

/// Splits a body into lines. Whatever follows a backslash ends nothing, and quotes count once there were more `=` than commas.
pub(crate) fn lines(body: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    let (mut in_fields, mut quoted, mut equals, mut commas, mut skip) = (false, false, 0, 0, false);
    for (at, byte) in body.bytes().enumerate() {
        if std::mem::take(&mut skip) {
            continue;
        }
        match byte {
            b'\\' => skip = true,
            b' ' => in_fields = true,
            b'=' if in_fields && !quoted => equals += 1,
            b',' if in_fields && !quoted => commas += 1,
            b'"' if in_fields && equals > commas => quoted = !quoted,
            b'\n' if !quoted => {
                found.push(&body[start..at]);
                start = at + 1;
                (in_fields, equals, commas) = (false, 0, 0);
            }
            _ => {}
        }
    }
    if start < body.len() {
        found.push(&body[start..]);
    }
    found
}

/// Reads one line.
pub(crate) fn read(line: &str) -> Result<Line, &'static str> {
    if line.starts_with(['#', ' ', '\t', '\0', ',']) {
        return Err("no measurement");
    }
    let end = ending(line, ", ").ok_or("no fields")?;
    let mut read = Line { measurement: replaced(&line[..end], ", "), ..Line::default() };
    let mut rest = &line[end..];
    while let Some(tags) = rest.strip_prefix(',') {
        let end = ending(tags, "=, ").filter(|end| *end > 0).ok_or("no tag key")?;
        let value = tags[end..].strip_prefix('=').ok_or("no tag value")?;
        let value_end = ending(value, "=, ").filter(|end| *end > 0).ok_or("no tag value")?;
        rest = &value[value_end..];
        if rest.starts_with('=') {
            return Err("invalid tag format");
        }
        let (key, value) = (replaced(&tags[..end], ", ="), replaced(&value[..value_end], ", ="));
        if read.tags.iter().any(|(known, _)| *known == key) {
            return Err("duplicate tags");
        }
        read.tags.push((key, value));
    }
    rest = rest.strip_prefix(' ').ok_or("no fields")?;
    loop {
        let end = ending(rest, "=").filter(|end| *end > 0).ok_or("no field key")?;
        let value = &rest[end + 1..];
        let value_end = if value.starts_with('"') {
            closing(value).ok_or("unbalanced quotes")?
        } else {
            value.find([',', ' ']).ok_or("no time")?
        };
        if value_end == 0 || !is_value(&value[..value_end]) {
            return Err("invalid value");
        }
        read.fields.push((unescaped(&rest[..end], ", =\""), value[..value_end].to_owned()));
        rest = &value[value_end..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    read.time = rest.strip_prefix(' ').and_then(|time| time.parse().ok()).ok_or("bad timestamp")?;
    Ok(read)
}

/// The text of a field that begins with `"`.
pub(crate) fn text(value: &str) -> Option<String> {
    Some(unescaped(value.strip_prefix('"')?.strip_suffix('"')?, "\\\""))
}

fn is_value(value: &str) -> bool {
    let number = value.strip_suffix('i').unwrap_or(value);
    let is_number =
        number.starts_with(|c: char| c.is_ascii_digit() || c == '-') && number.parse::<f64>().is_ok();
    is_number || value.starts_with('"') || matches!(value, "true" | "false")
}

/// The first of `ends` that has no backslash before it.
fn ending(text: &str, ends: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (0..bytes.len()).find(|at| ends.as_bytes().contains(&bytes[*at]) && (*at == 0 || bytes[at - 1] != b'\\'))
}

/// Where the text ends that begins with a quotation mark.
fn closing(value: &str) -> Option<usize> {
    let bytes = value.as_bytes();
    let mut at = 1;
    while *bytes.get(at)? != b'"' {
        at += if bytes[at] == b'\\' && matches!(bytes.get(at + 1), Some(b'"' | b'\\')) { 2 } else { 1 };
    }
    Some(at + 1)
}

fn replaced(text: &str, escaped: &str) -> String {
    escaped.chars().fold(text.to_owned(), |text, c| text.replace(&format!("\\{c}"), &c.to_string()))
}

fn unescaped(text: &str, escaped: &str) -> String {
    let (mut plain, mut characters) = (String::new(), text.chars().peekable());
    while let Some(c) = characters.next() {
        let escape = c == '\\' && characters.peek().is_some_and(|next| escaped.contains(*next));
        plain.push(if escape { characters.next().unwrap() } else { c });
    }
    plain
}
