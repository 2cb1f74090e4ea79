//! Holds the house to its plan: the arrows of ARCHITECTURE.md, and those invariants that the source shows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use plimsoll_model::catalog::CATALOG;

/// What each crate may import of the others. `dev` dependencies are free, except that nobody ships the
/// test kit.
const ARROWS: &[(&str, &[&str])] = &[
    ("plimsoll-model", &[]),
    ("plimsoll-kernel", &["plimsoll-model"]),
    ("plimsoll-engine", &["plimsoll-model"]),
    ("plimsoll-collect", &["plimsoll-kernel", "plimsoll-engine", "plimsoll-model"]),
    ("plimsoll-wire", &["plimsoll-model"]),
    ("plimsoll-store", &["plimsoll-model"]),
    ("plimsoll-deliver", &["plimsoll-wire", "plimsoll-model"]),
    ("plimsoll-web", &["plimsoll-wire", "plimsoll-store", "plimsoll-model"]),
    ("plimsoll-hub", &["plimsoll-web", "plimsoll-store", "plimsoll-wire", "plimsoll-model"]),
    (
        "plimsoll",
        &[
            "plimsoll-collect",
            "plimsoll-deliver",
            "plimsoll-engine",
            "plimsoll-hub",
            "plimsoll-kernel",
            "plimsoll-model",
            "plimsoll-store",
            "plimsoll-web",
            "plimsoll-wire",
        ],
    ),
    ("plimsoll-testkit", &[]),
    // For tests alone, as the test kit.
    (
        "plimsoll-fuzz",
        &["plimsoll-collect", "plimsoll-engine", "plimsoll-kernel", "plimsoll-model", "plimsoll-wire"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// The ordinary dependencies of each crate of the workspace, by name.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let ordinary = |package: &serde_json::Value| {
        let all = list(&package["dependencies"]);
        all.iter().filter(|dependency| dependency["kind"].is_null()).map(|d| text(&d["name"])).collect()
    };
    list(&metadata["packages"]).iter().map(|package| (text(&package["name"]), ordinary(package))).collect()
}

#[test]
fn arrows_have_one_direction() {
    let found = dependencies();
    let planned: Vec<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in found.keys() {
        assert!(planned.contains(name), "{name} has no place in the plan of ARCHITECTURE.md");
    }
    for (name, allowed) in ARROWS {
        for dependency in found[*name].iter().filter(|dependency| dependency.starts_with("plimsoll")) {
            assert!(allowed.contains(&&**dependency), "{name} must not import {dependency}");
        }
    }
    assert_eq!(found["plimsoll-model"], Vec::<String>::new(), "the model is pure");
}

/// The source files of a crate, without their tests.
fn sources(name: &str) -> Vec<(PathBuf, String)> {
    let mut waiting = vec![root().join("crates").join(name).join("src")];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).expect("readable").flatten().map(|entry| entry.path()));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("source is text");
            let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.push((path, code.collect::<Vec<_>>().join("\n")));
        }
    }
    assert!(!found.is_empty(), "no source of {name}");
    found
}

fn forbid(name: &str, below: &str, words: &[&str], why: &str) {
    for (path, code) in sources(name) {
        if path.to_string_lossy().contains(below) {
            for word in words {
                assert!(!code.contains(word), "{} has {word}: {why}", path.display());
            }
        }
    }
}

#[test]
fn the_model_does_nothing_but_compute() {
    let words =
        ["std::fs", "std::net", "std::env", "std::process", "std::thread", "Instant", "SystemTime", "async "];
    forbid("plimsoll-model", "", &words, "the model does no I/O and knows no clock");
}

#[test]
fn parsers_do_not_read() {
    forbid("plimsoll-kernel", "/parse", &["std::fs", "rustix", "File::"], "parsing is a function of bytes");
    let words = ["std::fs", "tokio", "hyper", "SystemTime::now"];
    forbid("plimsoll-collect", "/metrics/parse", &words, "parsing is a function of bytes");
    forbid("plimsoll-engine", "/lenient", &["tokio", "hyper", "std::fs"], "parsing is a function of bytes");
}

/// As [`forbid`], but for what lies in a place where it is allowed.
fn forbid_outside(name: &str, place: &str, words: &[&str], why: &str) {
    for (path, code) in sources(name) {
        if !path.to_string_lossy().contains(place) {
            for word in words {
                assert!(!code.contains(word), "{} has {word}: {why}", path.display());
            }
        }
    }
}

#[test]
fn the_engine_is_only_asked_to_tell() {
    let words =
        ["Method::POST", "Method::PUT", "Method::DELETE", "\"POST\"", "\"PUT\"", "\"DELETE\"", ".method("];
    let why = "an engine is asked for GETs alone, but for the feature `lifecycle`";
    forbid_outside("plimsoll-engine", "/src/lifecycle", &words, why);
}

#[test]
fn the_agent_changes_no_container() {
    // The one type that can, and the module that it is in.
    let words = ["ContainerControl", "engine::lifecycle", "engine::{lifecycle"];
    for (name, _) in ARROWS {
        let place = match *name {
            "plimsoll" => "/src/docker/",
            "plimsoll-engine" => "/src/lifecycle",
            _ => "nowhere",
        };
        forbid_outside(name, place, &words, "only the library starts and stops containers");
    }
}

#[test]
fn the_environment_is_read_in_three_places() {
    let words = ["env::var", "env::vars", "env::set_var"];
    let free = ["plimsoll", "plimsoll-testkit", "plimsoll-fuzz"];
    for (name, _) in ARROWS.iter().filter(|(name, _)| !free.contains(name)) {
        forbid(
            name,
            "",
            &words,
            "only the program, DockerSupport::new and collector_factory read the environment",
        );
    }
    // The settings of the program; and the library's promises to find the engines that `docker` and `podman` would talk to,
    // which variables decide, and to take the defaults of collectors from the usual ones; and which descriptors systemd hands
    // over, which is no setting.
    let places = ["/src/settings/environment.rs", "/src/environment.rs", "/src/listening/systemd.rs"];
    for (path, code) in sources("plimsoll") {
        let is_allowed = places.iter().any(|place| path.to_string_lossy().ends_with(place));
        assert!(is_allowed || !words.iter().any(|word| code.contains(word)), "{} reads it", path.display());
    }
}

#[test]
fn the_library_alone_brings_no_server_and_no_command_line() {
    let tree = |features: &[&str]| {
        let args = ["tree", "--offline", "-p", "plimsoll", "--edges", "normal", "--prefix", "none"];
        let output = Command::new(env!("CARGO")).args(args).args(features).current_dir(root()).output();
        let output = output.expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect::<Vec<_>>()
    };
    let of_the_program = [
        "axum",
        "clap",
        "plimsoll-deliver",
        "plimsoll-web",
        "plimsoll-wire",
        "toml",
        "tracing-subscriber",
        "anyhow",
    ];
    let (library, whole) = (tree(&["--no-default-features", "--features", "docker,metrics"]), tree(&[]));
    for name in of_the_program {
        assert!(whole.iter().any(|found| found == name), "{name} is in no tree any more: look for another");
        assert!(!library.iter().any(|found| found == name), "the library alone brings {name}");
    }
}

#[test]
fn wire_does_no_io() {
    forbid("plimsoll-wire", "", &["std::fs", "std::net", "tokio", "std::env"], "encoders make bytes");
}

#[test]
fn sql_lives_in_the_store_and_in_the_spool() {
    for (name, _) in ARROWS.iter().filter(|(name, _)| *name != "plimsoll-store") {
        let spool = "plimsoll-deliver/src/spool";
        for (path, code) in sources(name).iter().filter(|(path, _)| !path.to_string_lossy().contains(spool)) {
            assert!(!code.contains("rusqlite"), "{}: a database is used through the store", path.display());
        }
    }
}

#[test]
fn queues_are_bounded() {
    for (name, _) in ARROWS.iter().filter(|(name, _)| *name != "plimsoll-testkit") {
        let words = ["unbounded_channel", "mpsc::channel()", "std::process::exit"];
        forbid(name, "", &words, "queues have bounds, and only main ends the program");
    }
}

#[test]
fn metrics_have_their_names_in_the_catalog_alone() {
    let free = ["plimsoll-model", "plimsoll-testkit", "plimsoll-fuzz"];
    // What translates the catalog's names into OpenTelemetry's; a test beside it holds it to the catalog.
    let translation = "/src/schema/semconv/table.rs";
    for (name, _) in ARROWS.iter().filter(|(name, _)| !free.contains(name)) {
        for (path, code) in sources(name) {
            if path.to_string_lossy().ends_with(translation) {
                continue;
            }
            for family in CATALOG {
                // Telegraf has a tag of that name, which is something else.
                if family.name == "container_status" && path.ends_with("schema/telegraf.rs") {
                    continue;
                }
                assert!(
                    !code.contains(&format!("\"{}\"", family.name)),
                    "{} names {}",
                    path.display(),
                    family.name
                );
            }
        }
    }
}

#[test]
fn the_documentation_has_every_metric() {
    let path = root().join("docs/metrics.md");
    let page = plimsoll_wire::describe::markdown();
    #[expect(clippy::disallowed_methods, reason = "whoever changed the catalog says so by hand")]
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(&path, page).expect("docs/metrics.md can be written");
        return;
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == page,
        "docs/metrics.md is not what the catalog says; PLIMSOLL_BLESS=1 cargo test -p plimsoll --test tidy writes it anew"
    );
}

#[test]
fn every_example_of_the_readme_is_marked_for_its_test() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("there is a README");
    let lines: Vec<_> = readme.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| **line == "```sh") {
        let marker = lines[at - 1];
        assert!(
            marker.starts_with("<!-- tested"),
            "line {}: {line} is not run by scripts/test-readme.sh",
            at + 1
        );
    }
}
