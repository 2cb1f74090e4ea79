//! A reader of the two text formats that accepts what the specifications allow an exposer to write, and
//! nothing else.

use std::collections::HashSet;

/// A family as it was read.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

/// A sample as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: String,
}

impl Sample {
    /// A label's value; empty where there is none.
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Reads Prometheus text 0.0.4.
pub(crate) fn prometheus(bytes: &[u8]) -> Result<Vec<Family>, String> {
    read(bytes, false)
}

/// Reads OpenMetrics 1.0.
pub(crate) fn openmetrics(bytes: &[u8]) -> Result<Vec<Family>, String> {
    let rest = bytes.strip_suffix(b"# EOF\n").ok_or("no # EOF at the end")?;
    read(rest, true)
}

fn read(bytes: &[u8], openmetrics: bool) -> Result<Vec<Family>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_suffix('\n').ok_or("the last line has no line feed")?;
    let mut families: Vec<Family> = Vec::new();
    let (mut names, mut series) = (HashSet::new(), HashSet::new());
    for line in text.split('\n') {
        let fault = |what: &str| format!("{what}: {}", line.chars().take(200).collect::<String>());
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (keyword, name, text) = (words.next().unwrap(), words.next().unwrap_or(""), words.next());
            let text = text.ok_or_else(|| fault("a header without text"))?;
            if !is_name(name, true) {
                return Err(fault("a bad family name"));
            }
            if families.last().is_none_or(|family| family.name != name) {
                if !names.insert(name.to_owned()) {
                    return Err(fault("a family that comes again"));
                }
                families.push(Family { name: name.to_owned(), ..Family::default() });
            }
            let family = families.last_mut().unwrap();
            if !family.samples.is_empty() {
                return Err(fault("a header after samples"));
            }
            let field = match keyword {
                "HELP" => &mut family.help,
                "TYPE" => &mut family.kind,
                "UNIT" if openmetrics => &mut family.unit,
                _ => return Err(fault("a bad keyword")),
            };
            if !field.is_empty() || text.is_empty() {
                return Err(fault("a header twice, or empty"));
            }
            *field = if keyword == "HELP" {
                unescape(text, openmetrics).ok_or_else(|| fault("a bad escape"))?
            } else {
                text.to_owned()
            };
            continue;
        }
        let sample = sample(line).ok_or_else(|| fault("a bad sample"))?;
        let family = families.last_mut().ok_or_else(|| fault("a sample without family"))?;
        belongs(family, &sample, openmetrics).map_err(|what| fault(&what))?;
        let mut key = sample.labels.clone();
        key.sort();
        if key.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(fault("a label twice"));
        }
        if !series.insert((sample.name.clone(), key)) {
            return Err(fault("a series twice"));
        }
        family.samples.push(sample);
    }
    for family in &families {
        if family.samples.is_empty() || family.help.is_empty() {
            return Err(format!("{} has no samples or no help", family.name));
        }
        if !family.unit.is_empty() && !family.name.ends_with(&format!("_{}", family.unit)) {
            return Err(format!("{} does not end in its unit", family.name));
        }
    }
    Ok(families)
}

/// Whether the sample may stand in this family.
fn belongs(family: &Family, sample: &Sample, openmetrics: bool) -> Result<(), String> {
    let suffix = sample.name.strip_prefix(&family.name).ok_or("a sample of another family")?;
    let allowed: &[&str] = match (openmetrics, &*family.kind) {
        (false, "counter" | "gauge" | "untyped") | (true, "gauge" | "unknown") => &[""],
        (true, "counter") => &["_total", "_created"],
        (true, "info") => &["_info"],
        (_, "histogram") => &["_bucket", "_sum", "_count"],
        (_, "summary") => &["", "_sum", "_count"],
        _ => return Err("a bad kind, or none before the samples".to_owned()),
    };
    if !allowed.contains(&suffix) {
        return Err("a bad suffix".to_owned());
    }
    if suffix == "_created" {
        // A metric's samples stand together.
        let before = family.samples.last().ok_or("a creation time first")?;
        if before.labels != sample.labels || !before.name.ends_with("_total") {
            return Err("a creation time apart from its counter".to_owned());
        }
    }
    let value: f64 = sample.value.parse().map_err(|_| "a bad value")?;
    if suffix == "_info" && value != 1.0 {
        return Err("an info that is not 1".to_owned());
    }
    Ok(())
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        loop {
            let (label, after) = inner.split_once("=\"")?;
            let close = closing_quote(after)?;
            let value = unescape(&after[..close], true)?;
            if !is_name(label, false) || value.is_empty() {
                return None;
            }
            labels.push((label.to_owned(), value));
            inner = &after[close + 1..];
            match inner.strip_prefix(',') {
                Some(more) => inner = more,
                None => break,
            }
        }
        rest = inner.strip_prefix('}')?;
    }
    let value = rest.strip_prefix(' ')?;
    // Custom values have signs and exponents, too; nobody writes a plus, or what is no number.
    let is_number = value.bytes().all(|b| b.is_ascii_digit() || b"-.e".contains(&b)) && !value.is_empty();
    (is_name(name, true) && is_number).then(|| Sample {
        name: name.to_owned(),
        labels,
        value: value.to_owned(),
    })
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

fn unescape(text: &str, quotes: bool) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                '\\' => '\\',
                '"' if quotes => '"',
                _ => return None,
            }),
            '\n' => return None,
            '"' if quotes => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn is_name(name: &str, colon: bool) -> bool {
    let is_letter = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':');
    name.bytes().next().is_some_and(is_letter) && name.bytes().all(|b| is_letter(b) || b.is_ascii_digit())
}
