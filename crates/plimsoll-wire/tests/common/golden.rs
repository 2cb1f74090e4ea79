//! Golden files: what was written once, and is to be written again to the byte.

use std::path::PathBuf;

/// Compares with the file of that name in `fixtures/golden`; `PLIMSOLL_BLESS=1` writes it anew.
pub(crate) fn golden(name: &str, actual: &[u8]) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../fixtures/golden", name].iter().collect();
    #[expect(clippy::disallowed_methods, reason = "a switch of this test and no setting of the program")]
    let bless = std::env::var("PLIMSOLL_BLESS").is_ok_and(|value| value == "1");
    if bless {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
    }
    let expected =
        std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let (expected, actual) =
        (String::from_utf8(expected).unwrap(), String::from_utf8(actual.to_vec()).unwrap());
    let difference = expected.lines().zip(actual.lines()).find(|(expected, actual)| expected != actual);
    assert_eq!(difference, None, "{name} has changed; PLIMSOLL_BLESS=1 takes it over");
    assert_eq!(expected.len(), actual.len(), "{name} has changed; PLIMSOLL_BLESS=1 takes it over");
}
