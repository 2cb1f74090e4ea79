//! Where the server listens: addresses and unix sockets.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use toml::Value;

use crate::settings::value::{self, Expected, Raw};

/// What a unix socket begins with.
const UNIX: &str = "unix:";

/// The most places to listen at.
const MOST: usize = 16;

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// An address with a port.
    Address(SocketAddr),
    /// A unix socket, by its absolute path.
    Unix(PathBuf),
}

impl Default for Listen {
    fn default() -> Self {
        Self::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 8003)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "{UNIX}{}", path.display()),
        }
    }
}

/// One place, or several.
pub(crate) fn places(raw: &Raw) -> Result<Vec<Listen>, Expected> {
    let entries = match raw {
        Raw::Text(text) => std::slice::from_ref(text),
        Raw::List(entries) => entries,
        _ => return Err(expected()),
    };
    if entries.is_empty() {
        return Err(expected());
    }
    if entries.len() > MOST {
        return Err(Expected(format!("at most {MOST} places")));
    }
    entries.iter().map(|entry| place(entry)).collect()
}

fn place(text: &str) -> Result<Listen, Expected> {
    match text.strip_prefix(UNIX) {
        // As curl and Docker write it.
        Some(path) => {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            let is_path = path.is_absolute() && path.file_name().is_some() && !text.contains('\0');
            if is_path { Ok(Listen::Unix(path.to_owned())) } else { Err(expected()) }
        }
        None => value::address(&Raw::Text(text.to_owned())).map(Listen::Address).map_err(|_| expected()),
    }
}

fn expected() -> Expected {
    "an address with a port, such as 127.0.0.1:8003, [::1]:8003 or :8003, or a socket such as unix:/run/plimsoll.sock".into()
}

/// Gives the first address another port; where there is none, nothing listens at a port.
pub(crate) fn set_port(places: &mut [Listen], port: u16) {
    let mut addresses = places.iter_mut().filter_map(|place| match place {
        Listen::Address(address) => Some(address),
        Listen::Unix(_) => None,
    });
    if let Some(address) = addresses.next() {
        address.set_port(port);
    }
}

/// One place stands for itself, several are a list.
pub(crate) fn show(places: &[Listen]) -> Value {
    match places {
        [one] => one.to_string().into(),
        several => several.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
    }
}

/// One file, or several.
pub(crate) fn files(raw: &Raw) -> Result<Vec<String>, Expected> {
    value::texts(raw, "a file, or a list of files")
}

/// No file.
const OFF: &str = "off";

/// A file, or none.
pub(crate) fn file(raw: &Raw) -> Result<Option<PathBuf>, Expected> {
    match raw {
        Raw::Text(text) if text == OFF => Ok(None),
        _ => value::path(raw).map(Some).map_err(|_| "a file, or off".into()),
    }
}

/// A file as it can be read back.
pub(crate) fn show_file(path: Option<&PathBuf>) -> Value {
    path.map_or_else(|| OFF.to_owned(), |path| path.display().to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_or_several() {
        let list = |entries: &[&str]| Raw::List(entries.iter().map(|&entry| entry.into()).collect());
        let cases = [
            (Raw::Text(":8003".into()), Some("0.0.0.0:8003")),
            (list(&["127.0.0.1:1"]), Some("127.0.0.1:1")),
            (list(&["127.0.0.1:1", "[::1]:2"]), Some("127.0.0.1:1 [::1]:2")),
            (list(&[":1", "unix:/run/p.sock"]), Some("0.0.0.0:1 unix:/run/p.sock")),
            (list(&["unix:///run/p.sock"]), Some("unix:/run/p.sock")),
            (list(&["unix:p.sock"]), None),
            (list(&["unix:"]), None),
            (list(&["unix:/"]), None),
            (list(&["/run/p.sock"]), None),
            (list(&[]), None),
            (list(&[":1", ""]), None),
            (list(&[":1"; MOST + 1]), None),
            (Raw::Number("8003".into()), None),
        ];
        for (raw, expected) in cases {
            let read = places(&raw).ok();
            let shown =
                read.as_ref().map(|read| read.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            assert_eq!(shown.as_deref(), expected, "{raw:?}");
            if let Some(read) = read {
                let again = match show(&read) {
                    Value::String(text) => Raw::Text(text),
                    Value::Array(entries) => {
                        Raw::List(entries.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                    }
                    other => Raw::Other(other.to_string()),
                };
                assert_eq!(places(&again), Ok(read));
            }
        }
    }

    #[test]
    fn a_port_is_the_first_addresss() {
        for (given, expected) in [
            (&["unix:/a", "127.0.0.1:1", "127.0.0.1:2"][..], "unix:/a 127.0.0.1:9 127.0.0.1:2"),
            (&["unix:/a"], "unix:/a"),
        ] {
            let mut read: Vec<_> = given.iter().map(|text| place(text).unwrap()).collect();
            set_port(&mut read, 9);
            assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), expected);
        }
    }
}
