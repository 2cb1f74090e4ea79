//! Versions of the Engine API, and which of them this client speaks.

use std::fmt;
use std::str::FromStr;

/// The newest API version this client asks for.
pub(crate) const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 56 };

/// The oldest one it asks for: that of Docker 19.03 and of Podman 4.0, and the oldest that Docker's newest still speaks.
pub(crate) const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 40 };

/// The first one with samples that need no second one before them.
pub(crate) const ONE_SHOT: ApiVersion = ApiVersion { major: 1, minor: 41 };

/// The first one in which `system/df` can be asked for a part.
pub(crate) const DF_TYPES: ApiVersion = ApiVersion { major: 1, minor: 42 };

/// A version of the Engine API, as in `/v1.41/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ApiVersion {
    major: u16,
    minor: u16,
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: major.parse().map_err(drop)?, minor: minor.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers() {
        let parse = |text: &str| text.parse::<ApiVersion>();
        assert!(parse("1.9").unwrap() < parse("1.24").unwrap());
        assert!(parse("1.100").unwrap() < parse("2.0").unwrap());
        assert_eq!(parse("1.40").unwrap().to_string(), "1.40");
        for text in ["", "1", "1.", ".1", "1.x", "1.2.3", "v1.2", "-1.2"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
