//! Opening the history, and telling why it does not answer.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use plimsoll_store::{Error, ErrorKind, History};

use crate::failure::Failure;
use crate::settings::Settings;
use crate::text;

/// The history that the settings name, with its file.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<(History, PathBuf)> {
    let path = settings.history_file().ok_or_else(|| {
        Failure::caller("the history is off").remedy("name the file of one with --history FILE")
    })?;
    // SQLite says of everything that it cannot open the file.
    if let Err(error) = File::open(&path) {
        return Err(unopened(&path.display().to_string(), error).into());
    }
    let history = History::open(&path).map_err(failure)?;
    Ok((history, path))
}

fn unopened(path: &str, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::world(format!("there is no history at {path}")).remedy(
            "see that `plimsoll agent` runs, which keeps one there, or name another file with --history FILE",
        ),
        io::ErrorKind::PermissionDenied => Failure::world(format!("cannot read the history {path}"))
            .because(error)
            .remedy("run this with sudo, or name a history that this user may read with --history FILE"),
        _ => Failure::world(format!("cannot read the history {path}")).because(error),
    }
}

/// An answer that did not come, with what helps and whose fault it is.
pub(crate) fn failure(error: Error) -> anyhow::Error {
    match &error {
        Error::NoSuchContainer { nearest, .. } => Failure::world(error.to_string())
            .remedy(offer(nearest, "`plimsoll history --containers` lists those that there are"))
            .into(),
        Error::UnknownMetric { nearest, .. } => Failure::caller(error.to_string())
            .remedy(offer(nearest, "`plimsoll metrics --describe` explains every metric"))
            .into(),
        Error::Ambiguous { ids, .. } => {
            Failure::caller(error.to_string()).remedy(format!("they are {}", ids.join(", "))).into()
        }
        _ if error.kind() == ErrorKind::Bad => Failure::caller(error.to_string()).into(),
        _ => error.into(),
    }
}

/// Names that may have been meant, or where to find them.
fn offer(nearest: &[String], otherwise: &str) -> String {
    if nearest.is_empty() {
        return otherwise.to_owned();
    }
    let names: Vec<String> = nearest.iter().map(|name| text::quoted(name)).collect();
    format!("perhaps {} was meant; {otherwise}", names.join(" or "))
}

/// `value` as JSON for people: indented, with a line end.
pub(crate) fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(value).context("cannot write JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: Error) -> (u8, String) {
        let error = failure(error);
        let code = error.downcast_ref::<Failure>().map_or(crate::failure::WORLD, Failure::code);
        (code, format!("{error:#}"))
    }

    #[test]
    fn whose_fault_it_is() {
        let (code, message) =
            told(Error::UnknownMetric { name: "cpu".into(), nearest: vec!["cpu_a".into(), "cpu_b".into()] });
        assert_eq!(code, crate::failure::CALLER, "{message}");
        let (code, message) = told(Error::NoSuchContainer { asked: "web".into(), nearest: vec![] });
        assert_eq!((code, &*message), (crate::failure::WORLD, "no container \"web\" in the history"));
        let (code, message) = told(Error::NotAHistory { path: "/x".into() });
        assert!(code == crate::failure::WORLD && message.contains("/x"), "{message}");
        assert_eq!(told(Error::NoStep(0)).0, crate::failure::CALLER);
    }

    #[test]
    fn names_are_offered() {
        let offered = offer(&["web".into(), "we\u{1b}b".into()], "look there");
        assert_eq!(offered, "perhaps `web` or `we\\u{1b}b` was meant; look there");
        assert_eq!(offer(&[], "look there"), "look there");
    }
}
