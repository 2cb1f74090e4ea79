//! Values that are words: names, secrets, patterns, and one of a few.

use plimsoll_deliver::config::{
    Compression, Durability, FileFormat, RemoteWriteVersion, Schema, TargetKind, WhenFull,
};
use plimsoll_wire::line_protocol::Precision;

use crate::settings::value::{Choice, Expected, Raw, list};

/// The longest name of a target (bytes): it becomes the name of a file.
const NAME_MAX: usize = 64;

/// The longest name of somebody else's database, bucket or user, and the longest subject (bytes).
const THEIRS_MAX: usize = 512;

/// The longest secret (bytes): tokens that are signed documents have kilobytes.
const SECRET_MAX: usize = 16 << 10;

/// A target's name, which becomes that of a file.
pub(super) fn name(raw: &Raw) -> Result<String, Expected> {
    let fits = |name: &str| {
        !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    match raw {
        Raw::Text(name) if (1..=NAME_MAX).contains(&name.len()) && fits(name) => Ok(name.clone()),
        _ => Err(Expected(format!(
            "a name of letters, digits, `.`, `_` and `-`, at most {NAME_MAX} of them, that does not begin with `.`"
        ))),
    }
}

/// A name that the target knows.
pub(super) fn name_of_theirs(raw: &Raw) -> Result<String, Expected> {
    one_line(raw, THEIRS_MAX)
        .ok_or_else(|| Expected(format!("a name in one line, at most {THEIRS_MAX} bytes")))
}

/// A user's name. Over HTTP it ends at the first colon.
pub(super) fn username(kind: TargetKind, raw: &Raw) -> Result<String, Expected> {
    let name = name_of_theirs(raw)?;
    if kind != TargetKind::Nats && name.contains(':') {
        return Err("a name without a colon: over HTTP, what follows it would be the password".into());
    }
    Ok(name)
}

/// A subject to publish under: words with dots between them, and no wildcard.
pub(super) fn subject(raw: &Raw) -> Result<String, Expected> {
    let is_word =
        |word: &str| !word.is_empty() && !word.contains(['*', '>']) && !word.contains(char::is_whitespace);
    one_line(raw, THEIRS_MAX)
        .filter(|subject| subject.split('.').all(is_word))
        .ok_or_else(|| "a subject such as plimsoll.metrics, without `*`, `>` and spaces".into())
}

/// A password or a token.
pub(super) fn secret(raw: &Raw) -> Result<String, Expected> {
    one_line(raw, SECRET_MAX)
        .ok_or_else(|| Expected(format!("a text in quotes, in one line, at most {SECRET_MAX} bytes")))
}

/// Names with `*` and `?`.
pub(super) fn patterns(raw: &Raw) -> Result<Vec<String>, Expected> {
    list(raw, "a list of names with * and ?, such as [\"web-*\", \"db\"]", |entry| {
        if entry.contains(['[', ']']) {
            Err("names with * and ? alone, without [ and ]".into())
        } else {
            Ok(())
        }
    })
}

/// A version, which may look like a number, as a text.
pub(super) fn version(raw: &Raw) -> Raw {
    match raw {
        Raw::Text(text) | Raw::Number(text) if text.len() == 1 => Raw::Text(format!("{text}.0")),
        Raw::Number(text) => Raw::Text(text.clone()),
        other => other.clone(),
    }
}

fn one_line(raw: &Raw, most: usize) -> Option<String> {
    match raw {
        Raw::Text(text) if (1..=most).contains(&text.len()) && !text.contains(char::is_control) => {
            Some(text.clone())
        }
        _ => None,
    }
}

impl Choice for TargetKind {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::InfluxV1.name(), Self::InfluxV1),
        (Self::InfluxV2.name(), Self::InfluxV2),
        (Self::InfluxV3.name(), Self::InfluxV3),
        (Self::RemoteWrite.name(), Self::RemoteWrite),
        (Self::Otlp.name(), Self::Otlp),
        (Self::Nats.name(), Self::Nats),
        (Self::File.name(), Self::File),
        (Self::Stdout.name(), Self::Stdout),
    ];
}

impl Choice for Schema {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::Default.name(), Self::Default),
        (Self::TelegrafDocker.name(), Self::TelegrafDocker),
        (Self::Prometheus.name(), Self::Prometheus),
        (Self::Semconv.name(), Self::Semconv),
    ];
}

impl Choice for Compression {
    const ALL: &'static [(&'static str, Self)] =
        &[(Self::None.name(), Self::None), (Self::Gzip.name(), Self::Gzip), (Self::Zstd.name(), Self::Zstd)];
}

impl Choice for Durability {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::None.name(), Self::None),
        (Self::Interval.name(), Self::Interval),
        (Self::Always.name(), Self::Always),
    ];
}

impl Choice for WhenFull {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::DropOldest.name(), Self::DropOldest),
        (Self::DropNewest.name(), Self::DropNewest),
        (Self::Thin.name(), Self::Thin),
    ];
}

impl Choice for Precision {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::Nanoseconds.name(), Self::Nanoseconds),
        (Self::Microseconds.name(), Self::Microseconds),
        (Self::Milliseconds.name(), Self::Milliseconds),
        (Self::Seconds.name(), Self::Seconds),
    ];
}

impl Choice for RemoteWriteVersion {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("1.0", Self::V1), ("2.0", Self::V2)];
}

impl Choice for FileFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("line-protocol", Self::LineProtocol), ("json", Self::Json)];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    #[test]
    fn names() {
        let long = "a".repeat(NAME_MAX);
        for (given, good) in [
            ("tsdb", true),
            ("eu-1_b.c", true),
            (&*long, true),
            (&*format!("{long}a"), false),
            ("", false),
            (".", false),
            ("..", false),
            (".hidden", false),
            ("a/b", false),
            ("a b", false),
            ("ä", false),
            ("a\n", false),
        ] {
            assert_eq!(name(&text(given)).is_ok(), good, "{given}");
        }
        assert!(name(&Raw::Number("1".into())).is_err());
    }

    #[test]
    fn other_words() {
        type Read = fn(&Raw) -> bool;
        let cases: [(Read, &str, bool); 13] = [
            (|raw| subject(raw).is_ok(), "plimsoll.metrics", true),
            (|raw| subject(raw).is_ok(), "plimsoll..metrics", false),
            (|raw| subject(raw).is_ok(), "plimsoll.*", false),
            (|raw| subject(raw).is_ok(), "a b", false),
            (|raw| secret(raw).is_ok(), "s3cret == ü", true),
            (|raw| secret(raw).is_ok(), "a\nb", false),
            (|raw| secret(raw).is_ok(), "", false),
            (|raw| name_of_theirs(raw).is_ok(), "my bucket", true),
            (|raw| name_of_theirs(raw).is_ok(), "a\u{1b}", false),
            (|raw| username(TargetKind::Otlp, raw).is_ok(), "me", true),
            (|raw| username(TargetKind::Otlp, raw).is_ok(), "me:pw", false),
            (|raw| username(TargetKind::Nats, raw).is_ok(), "me:pw", true),
            (|raw| secret(raw).is_ok(), &"x".repeat(SECRET_MAX + 1), false),
        ];
        for (read, given, good) in cases {
            assert_eq!(read(&text(given)), good, "{given}");
        }
        assert!(patterns(&Raw::List(vec!["web-*".into(), "d?".into()])).is_ok());
        assert!(patterns(&Raw::List(vec!["web-[12]".into()])).is_err());
    }

    #[test]
    fn versions_may_be_numbers() {
        for (given, expected) in [
            (text("1.0"), text("1.0")),
            (text("auto"), text("auto")),
            (text("2"), text("2.0")),
            (Raw::Number("2".into()), text("2.0")),
            (Raw::Number("1.0".into()), text("1.0")),
            (Raw::Bool(true), Raw::Bool(true)),
        ] {
            assert_eq!(version(&given), expected);
        }
    }

    #[test]
    fn every_choice_can_be_named() {
        let named = |names: Vec<&str>, count: usize| assert_eq!(names.len(), count, "{names:?}");
        named(
            TargetKind::ALL.iter().map(|kind| Choice::name(*kind)).collect(),
            <TargetKind as Choice>::ALL.len(),
        );
        named(
            Schema::ALL.iter().map(|schema| Choice::name(*schema)).collect(),
            <Schema as Choice>::ALL.len(),
        );
        named(
            Compression::ALL.iter().map(|c| Choice::name(*c)).collect(),
            <Compression as Choice>::ALL.len(),
        );
        named(Durability::ALL.iter().map(|d| Choice::name(*d)).collect(), <Durability as Choice>::ALL.len());
        named(
            WhenFull::ALL.iter().map(|when| Choice::name(*when)).collect(),
            <WhenFull as Choice>::ALL.len(),
        );
    }
}
