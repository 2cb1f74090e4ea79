//! What delivery needs on this machine: a place for the spool, and the files that targets name. Nobody is connected to.

use std::fmt::Write as _;
use std::path::Path;

use plimsoll_deliver::config::{Secret, TargetConfig, TargetKind};
use plimsoll_model::agent::Capability;
use rustix::fs::Access;

use crate::check::{capability, writable};
use crate::settings::Settings;
use crate::settings::target::TargetTable;
use crate::text::printable;

/// Whether a spool can be written; `None` where no target has one.
pub(super) fn spool(settings: &Settings) -> Option<Capability> {
    if !settings.target.iter().any(TargetTable::has_spool) {
        return None;
    }
    let remedy =
        "name another folder with --spool, or make that writable; without it points wait in memory alone";
    Some(match writable(&settings.spool_folder()) {
        Ok(shown) => capability("spool", true, shown, ""),
        Err(trouble) => capability("spool", false, trouble, remedy),
    })
}

/// Each target, with what is wrong with the files that it names.
pub(super) fn part(settings: &Settings) -> String {
    let mut text = String::new();
    for target in &settings.target {
        let config = &target.config;
        let troubles = troubles(config);
        let word = if troubles.is_empty() { "ok" } else { "missing" };
        let line = format!("{:<15}{}, {}", config.name, config.kind.name(), target.place());
        let _ = writeln!(text, "  {word:<8}{}", printable(line.trim_end_matches([',', ' '])));
        for trouble in troubles {
            let _ = writeln!(text, "          {}", printable(&trouble));
        }
    }
    if text.is_empty() { text } else { format!("\nTargets\n{text}") }
}

fn troubles(config: &TargetConfig) -> Vec<String> {
    let secret = |secret: &'_ Option<Secret>| match secret {
        Some(Secret::File(path)) => Some(path.clone()),
        _ => None,
    };
    let read = [
        ("password_file", secret(&config.password)),
        ("token_file", secret(&config.token)),
        ("ca_file", config.tls.ca_file.clone()),
        ("cert_file", config.tls.cert_file.clone()),
        ("key_file", config.tls.key_file.clone()),
    ];
    let read = read.into_iter().filter_map(|(key, path)| unreadable(key, &path?));
    let written = [
        ("path", Some(&config.path).filter(|_| config.kind == TargetKind::File)),
        ("dead_letter", config.dead_letter.as_ref()),
    ];
    let written = written
        .into_iter()
        .filter_map(|(key, path)| writable(path?).err().map(|trouble| format!("{key}: {trouble}")));
    read.chain(written).collect()
}

fn unreadable(key: &str, path: &Path) -> Option<String> {
    let error = rustix::fs::access(path, Access::READ_OK).err()?;
    Some(format!("{key}: cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::environment::Environment;
    use crate::settings::load;

    fn settings(file: &str) -> Settings {
        load(Vec::new(), &Environment::default(), |_| Ok(file.to_owned())).unwrap().settings
    }

    #[test]
    fn files_that_are_missing_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display();
        std::fs::write(folder.path().join("token"), "x").unwrap();
        let file = format!(
            "spool = '{here}/new/spool'\n\
             [[target]]\nname = 'db'\ntype = 'influxdb-v2'\nurl = 'https://h'\nbucket = 'b'\ntoken_file = '{here}/token'\n\
             ca_file = '{here}/none.pem'\n\
             [[target]]\nname = 'log'\ntype = 'file'\npath = '{here}/token/x'\n\
             [[target]]\nname = 'out'\ntype = 'stdout'\n"
        );

        let settings = settings(&file);
        let spool = spool(&settings).unwrap();
        assert!(spool.available, "{}", spool.reason);
        assert_eq!(
            part(&settings).replace(&here.to_string(), "HERE"),
            "\nTargets\n\
             \x20 missing db             influxdb-v2, https://h\n\
             \x20         ca_file: cannot read HERE/none.pem: No such file or directory (os error 2)\n\
             \x20 missing log            file, HERE/token/x\n\
             \x20         path: HERE/token is no folder, for HERE/token/x\n\
             \x20 ok      out            stdout\n"
        );
    }

    #[test]
    fn no_spool_is_asked_for_where_none_is_used() {
        let file = "[[target]]\nname = 'out'\ntype = 'stdout'\ndurability = 'none'\n";
        assert!(spool(&settings(file)).is_none() && spool(&settings("")).is_none());
        assert_eq!(part(&settings("")), "");
    }
}
