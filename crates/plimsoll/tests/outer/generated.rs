//! Help, version, completions and man pages, as the binary prints them.

use crate::process::run;

const COMMANDS: [&str; 15] = [
    "agent",
    "cadvisor",
    "stats",
    "history",
    "export",
    "metrics",
    "deliver",
    "spool",
    "import",
    "flush",
    "census",
    "check",
    "healthcheck",
    "completions",
    "man",
];

/// The commands of `plimsoll census`.
const CENSUS: [&str; 7] = ["scan", "report", "id", "serve", "import", "export", "forget"];

#[test]
fn help_and_version() {
    let version = run(&["--version"]).ok();
    assert!(version.starts_with(&format!("plimsoll {}", env!("CARGO_PKG_VERSION"))), "{version}");
    let bare = run::<&str>(&[]).ok();
    assert_eq!(bare, run(&["--help"]).ok());
    for command in COMMANDS {
        assert!(bare.contains(command), "{command} is missing:\n{bare}");
        let help = run(&[command, "--help"]).ok();
        assert!(help.contains("Examples:\n") && help.contains(&format!("plimsoll {command}")), "{help}");
        assert!(!run(&[command, "-h"]).ok().is_empty());
    }
    for command in CENSUS {
        let help = run(&["census", command, "--help"]).ok();
        assert!(
            help.contains("Examples:\n") && help.contains(&format!("plimsoll census {command}")),
            "{help}"
        );
    }
}

#[test]
fn completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).ok();
        assert!(script.contains("plimsoll") && script.contains("include-name"), "{shell}: {script}");
    }
    run(&["completions", "tcsh"]).failed(2);
}

#[test]
fn man_pages() {
    let page = run(&["man"]).ok();
    assert!(page.contains(".TH plimsoll 1"), "{page}");
    for command in COMMANDS {
        let page = run(&["man", command]).ok();
        assert!(page.contains(&format!(".TH plimsoll-{command} 1")), "{page}");
    }
    let folder = tempfile::tempdir().unwrap();
    run(&["man", "--dir", folder.path().join("man1").to_str().unwrap()]).ok();
    assert_eq!(
        std::fs::read_dir(folder.path().join("man1")).unwrap().count(),
        1 + COMMANDS.len() + CENSUS.len()
    );
    let message = run(&["man", "agnt"]).failed(2);
    assert!(message.contains("`agnt`") && message.contains("agent"), "{message}");
}

/// The catalog is printed without an engine, and names every family.
#[test]
fn the_catalog() {
    let described = run(&["metrics", "--describe", "--engine", "unix:///nonexistent"]).ok();
    for family in plimsoll_model::catalog::CATALOG {
        assert!(described.contains(family.name), "{} is missing", family.name);
    }
}
