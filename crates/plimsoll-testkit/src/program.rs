//! Programs of this machine that tests start.

use std::path::{Path, PathBuf};

/// Where systems keep programs. Debian has daemons where an ordinary user's PATH does not look.
const PLACES: [&str; 6] = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Where a program is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    PLACES.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}

/// Where a program is that a test cannot do without.
///
/// # Panics
/// If it is nowhere; the text names Debian's package that has it.
#[track_caller]
pub(crate) fn need(program: &str, package: &str) -> PathBuf {
    find(program).unwrap_or_else(|| panic!("{program} is missing: install Debian's package {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        assert!(need("sh", "dash").is_absolute());
        let missing = std::panic::catch_unwind(|| need("no-such-program", "no-such-package"));
        let message = *missing.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(message, "no-such-program is missing: install Debian's package no-such-package");
    }
}
