//! Settings of delivery as a whole: where the spool is.

use std::path::PathBuf;

use crate::settings::Settings;
use crate::settings::value::{self, AUTO, Expected, Raw};

/// Root's, and a user's below the folder of what programs keep.
const USUAL: (&str, &str) = ("/var/lib/plimsoll/spool", "plimsoll/spool");

impl Settings {
    /// The folder in which points wait for their targets.
    pub(crate) fn spool_folder(&self) -> PathBuf {
        let (system, user) = USUAL;
        self.spool.clone().unwrap_or_else(|| self.usual(system, user))
    }
}

/// A folder, or `None` for the usual one.
pub(super) fn folder(raw: &Raw) -> Result<Option<PathBuf>, Expected> {
    match raw {
        Raw::Text(text) if text == AUTO => Ok(None),
        _ => value::path(raw).map(Some).map_err(|_| "a folder, or auto".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users() {
        let text = |text: &str| Raw::Text(text.to_owned());
        let mut settings = Settings::default();
        assert_eq!(settings.spool_folder(), PathBuf::from("/var/lib/plimsoll/spool"));
        settings.surroundings.uid = 1000;
        settings.surroundings.home = Some("/home/u".into());
        assert_eq!(settings.spool_folder(), PathBuf::from("/home/u/.local/state/plimsoll/spool"));
        settings.state_home = Some("/s".into());
        assert_eq!(settings.spool_folder(), PathBuf::from("/s/plimsoll/spool"));
        for (given, expected) in [("/srv/spool", "/srv/spool"), ("auto", "/s/plimsoll/spool")] {
            settings.spool = folder(&text(given)).unwrap();
            assert_eq!(settings.spool_folder(), PathBuf::from(expected));
        }
        assert!(folder(&text("")).is_err() && folder(&Raw::Bool(false)).is_err());
    }
}
