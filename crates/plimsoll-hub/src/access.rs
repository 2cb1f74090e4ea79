//! Who may see what.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::Config;

/// What a request may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// What everybody may see.
    Public,
    /// Everything.
    Whole,
    /// Nothing: what it showed is wrong.
    Wrong,
}

/// What a request with these headers may see. What the configuration knows nothing of is as if it were not there.
pub(crate) fn access(headers: &HeaderMap, config: &Config) -> Access {
    let authorization = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let after = |scheme: &str| {
        let (name, rest) = authorization?.split_at_checked(scheme.len())?;
        name.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
    };
    let mut access = Access::Public;
    if let Some(key) = &config.api_key
        && let Some(shown) = headers.get("x-api-key").map(HeaderValue::as_bytes).or_else(|| after("Bearer "))
    {
        access = judge(is_same(shown, key.as_bytes()));
    }
    if let Some((name, password)) = &config.basic
        && access != Access::Whole
        && let Some(shown) = after("Basic ")
    {
        let wanted = format!("{name}:{password}");
        access = judge(STANDARD.decode(shown).is_ok_and(|shown| is_same(&shown, wanted.as_bytes())));
    }
    access
}

fn judge(is_right: bool) -> Access {
    if is_right { Access::Whole } else { Access::Wrong }
}

/// Compares in a time that depends on the lengths alone.
fn is_same(shown: &[u8], wanted: &[u8]) -> bool {
    let differences = shown.iter().zip(wanted).fold(0, |all, (one, other)| all | (one ^ other));
    std::hint::black_box(differences) == 0 && shown.len() == wanted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_open_and_wrong_ones_shut() {
        let both = Config {
            api_key: Some("key".to_owned()),
            basic: Some(("me".to_owned(), "word".to_owned())),
            ..Config::default()
        };
        let none = Config::default();
        let table = [
            (&both, "x-api-key", "key", Access::Whole),
            (&both, "x-api-key", "keys", Access::Wrong),
            (&both, "x-api-key", "", Access::Wrong),
            (&both, "authorization", "Bearer key", Access::Whole),
            (&both, "authorization", "bearer  key", Access::Whole),
            (&both, "authorization", "Bearer ke", Access::Wrong),
            (&both, "authorization", "Basic bWU6d29yZA==", Access::Whole),
            (&both, "authorization", "Basic bWU6d29yZX==", Access::Wrong),
            (&both, "authorization", "Basic", Access::Public),
            (&both, "accept", "key", Access::Public),
            (&none, "x-api-key", "key", Access::Public),
            (&none, "authorization", "Bearer ", Access::Public),
        ];
        for (config, header, value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header, value.parse().unwrap());
            assert_eq!(access(&headers, config), expected, "{header}: {value}");
        }
    }
}
