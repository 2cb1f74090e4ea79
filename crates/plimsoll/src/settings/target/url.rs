//! The address of a target, and how much of it is shown.

use plimsoll_deliver::config::TargetKind;

use crate::settings::value::{Expected, Raw};
use crate::text;

/// The longest address (bytes).
const URL_MAX: usize = 2048;

/// Reads an address of a kind of target.
pub(super) fn read(kind: TargetKind, raw: &Raw) -> Result<String, Expected> {
    let (schemes, expected): (&[&str], _) = match kind {
        TargetKind::Nats => {
            (&["nats", "tls"], "an address such as nats://localhost:4222, several with commas")
        }
        _ => (&["http", "https"], "an address such as http://localhost:8086 or https://db.example.org"),
    };
    let text = match raw {
        Raw::Text(text) if (1..=URL_MAX).contains(&text.len()) => text,
        _ => return Err(expected.into()),
    };
    if text.contains('@') {
        return Err(
            "an address without a user's name and password: give them as username and password_file; where an @ belongs \
             to the path, write it %40"
                .into(),
        );
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('#') {
        return Err(Expected(format!("{expected}, without spaces and `#`")));
    }
    if kind == TargetKind::Nats {
        let all = text.split(',').all(|one| matches!(split(one, schemes), Some((_, "" | "/"))));
        return if all { Ok(text.clone()) } else { Err(expected.into()) };
    }
    let (_, rest) = split(text, schemes).ok_or_else(|| Expected::from(expected))?;
    let is_influx = matches!(kind, TargetKind::InfluxV1 | TargetKind::InfluxV2 | TargetKind::InfluxV3);
    if is_influx && rest.contains('?') {
        return Err(
            "an address without a query: database, bucket, org, token and precision are keys of their own"
                .into(),
        );
    }
    // A browser shows `http://host/` for the bare address, and that is what people copy.
    Ok(if rest == "/" { text.trim_end_matches('/').to_owned() } else { text.clone() })
}

/// An address as authority, and path with query, if its scheme is one of these.
fn split<'a>(url: &'a str, schemes: &[&str]) -> Option<(&'a str, &'a str)> {
    let (scheme, rest) = url.split_once("://")?;
    if !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    is_authority(authority).then_some((authority, path))
}

/// `HOST`, `HOST:PORT`, `[IPv6]`, `[IPv6]:PORT`.
fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => ("ipv6", port),
            _ => return false,
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
    };
    !host.is_empty()
        && host.bytes().all(is_host)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// What stands before the query, if there is one: queries carry keys.
pub(super) fn without_query(url: &str) -> Option<&str> {
    url.split_once('?').map(|(before, _)| before)
}

/// What a message repeats of an address that may be none: neither what stands before an `@` nor a query.
pub(super) fn repeated(raw: &Raw) -> String {
    let Raw::Text(given) = raw else { return "of another kind".to_owned() };
    let (hidden, rest) = match given.rsplit_once('@') {
        Some((_, rest)) => ("…@", rest),
        None => ("", given.as_str()),
    };
    match without_query(rest) {
        Some(before) => text::quoted(&format!("{hidden}{before}?…")),
        None => text::quoted(&format!("{hidden}{rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        use TargetKind::{InfluxV2, Nats, Otlp, RemoteWrite};
        for (kind, given, expected) in [
            (InfluxV2, "http://localhost:8086", Some("http://localhost:8086")),
            (InfluxV2, "http://localhost:8086/", Some("http://localhost:8086")),
            (InfluxV2, "HTTPS://db.example.org", Some("HTTPS://db.example.org")),
            (InfluxV2, "http://[::1]:8086/influx", Some("http://[::1]:8086/influx")),
            (RemoteWrite, "http://h/api/v1/write", Some("http://h/api/v1/write")),
            (RemoteWrite, "http://h/write?tenant=a", Some("http://h/write?tenant=a")),
            (Otlp, "https://h:4318?k=v", Some("https://h:4318?k=v")),
            (Nats, "nats://a:4222,nats://b", Some("nats://a:4222,nats://b")),
            (InfluxV2, "http://h/?bucket=b", None),
            (InfluxV2, "localhost:8086", None),
            (InfluxV2, "http://", None),
            (InfluxV2, "http:///path", None),
            (InfluxV2, "http://h:0", None),
            (InfluxV2, "http://h:70000", None),
            (InfluxV2, "http://h:+80", None),
            (InfluxV2, "http://h:", None),
            (InfluxV2, "http://[::1", None),
            (InfluxV2, "http://[nonsense]:1", None),
            (InfluxV2, "http://a b", None),
            (InfluxV2, "http://h/#x", None),
            (InfluxV2, "http://u:p@h", None),
            (InfluxV2, "ftp://h", None),
            (InfluxV2, "nats://h", None),
            (Nats, "tls://a:4222", Some("tls://a:4222")),
            (Nats, "http://h", None),
            (Nats, "nats://a,b", None),
            (Nats, "nats://a/path", None),
            (Nats, "", None),
        ] {
            assert_eq!(read(kind, &Raw::Text(given.to_owned())).ok().as_deref(), expected, "{given}");
        }
        let long = format!("http://h/{}", "a".repeat(URL_MAX));
        assert!(read(Otlp, &Raw::Text(long)).is_err());
    }

    #[test]
    fn secrets_are_not_repeated() {
        for (given, shown) in [
            ("http://h", "`http://h`"),
            ("http://u:s3cret@h", "`…@h`"),
            ("http://u:s3@cret?x/y@h?token=s3cret", "`…@h?…`"),
            ("u:s3cret@h", "`…@h`"),
            ("http://h/?p=s3cret", "`http://h/?…`"),
        ] {
            assert_eq!(repeated(&Raw::Text(given.to_owned())), shown);
        }
        assert!(!repeated(&Raw::List(vec!["http://u:s3cret@h".into()])).contains("s3cret"));
    }
}
