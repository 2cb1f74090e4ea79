//! The merge as tables: what each place says, what comes out, and from where.

use std::ffi::OsString;

use clap::ArgMatches;
use plimsoll_engine::Surroundings;

use super::*;
use crate::cli;
use crate::sub::Sub;

const PATH: &str = "/etc/plimsoll/plimsoll.toml";

/// Merges a file, variables and the arguments of `plimsoll agent`.
fn merge(file: Option<&str>, variables: &[(&str, &str)], arguments: &[&str]) -> Result<Merged, String> {
    let environment: Environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    let matches = agent(arguments);
    let flags = flags::assignments(Sub::Agent, &matches);
    load(flags, &environment, |path| match file {
        Some(contents) if path == Path::new(PATH) => Ok(contents.to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    })
    .map_err(told)
}

fn agent(arguments: &[&str]) -> ArgMatches {
    let matches = cli::command().get_matches_from(["plimsoll", "agent"].iter().chain(arguments));
    matches.subcommand_matches("agent").unwrap().clone()
}

/// What the user reads, on one line.
fn told(failure: Failure) -> String {
    failure.told().replace("\n  to do: ", " | ")
}

/// The value and the origin of a key, as `--print-config` shows them.
fn line(merged: &Merged, key: &str) -> String {
    let begin = format!("{} = ", key.rsplit('.').next().unwrap_or(key));
    let toml = merged.to_toml();
    toml.lines().find(|line| line.starts_with(&begin)).unwrap_or("absent").to_owned()
}

#[test]
fn the_stronger_place_wins_and_is_remembered() {
    type Case<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], &'a [&'a str], &'a str, &'a str);
    let cases: &[Case<'_>] = &[
        (None, &[], &[], "interval", "interval = \"1s\" # default"),
        (
            Some("# a comment\ninterval = \"5s\"\n"),
            &[],
            &[],
            "interval",
            "interval = \"5s\" # /etc/plimsoll/plimsoll.toml:2",
        ),
        (
            Some("interval = 5"),
            &[("POLL_INTERVAL", "15")],
            &[],
            "interval",
            "interval = \"15s\" # environment POLL_INTERVAL",
        ),
        (
            Some("interval = 5"),
            &[("POLL_INTERVAL", "15"), ("PLIMSOLL_INTERVAL", "20")],
            &[],
            "interval",
            "interval = \"20s\" # environment PLIMSOLL_INTERVAL",
        ),
        (
            Some("interval = 5"),
            &[("POLL_INTERVAL", "15"), ("PLIMSOLL_INTERVAL", "20")],
            &["--interval", "500ms"],
            "interval",
            "interval = \"500ms\" # flag --interval",
        ),
        (
            None,
            &[],
            &["--interval", "500ms", "--interval", "2s"],
            "interval",
            "interval = \"2s\" # flag --interval",
        ),
        (None, &[("POLL_INTERVAL", "")], &[], "interval", "interval = \"1s\" # default"),
        (
            None,
            &[("EXPORTER_PORT", "9000")],
            &[],
            "listen",
            "listen = \"127.0.0.1:9000\" # environment EXPORTER_PORT",
        ),
        (
            Some("listen = ':1'"),
            &[("EXPORTER_PORT", "9000")],
            &[],
            "listen",
            "listen = \"0.0.0.0:9000\" # environment EXPORTER_PORT",
        ),
        (
            None,
            &[("EXPORTER_PORT", "9000"), ("PLIMSOLL_LISTEN", "[::1]:1")],
            &[],
            "listen",
            "listen = \"[::1]:1\" # environment PLIMSOLL_LISTEN",
        ),
        (None, &[], &[], "engine", "engine = [\"auto\"] # default"),
        (
            None,
            &[("DOCKER_SOCKET_PATH", "/run/d.sock")],
            &[],
            "engine",
            "engine = [\"unix:///run/d.sock\"] # environment DOCKER_SOCKET_PATH",
        ),
        // What `auto` looks at is no setting.
        (None, &[("DOCKER_HOST", "tcp://10.0.0.1:2375")], &[], "engine", "engine = [\"auto\"] # default"),
        (
            Some("engine = '/run/one.sock'"),
            &[],
            &[],
            "engine",
            "engine = [\"unix:///run/one.sock\"] # /etc/plimsoll/plimsoll.toml:1",
        ),
        (
            Some("engine = ['auto']"),
            &[("PLIMSOLL_ENGINE", "/run/a.sock, context:b")],
            &[],
            "engine",
            "engine = [\"unix:///run/a.sock\", \"context:b\"] # environment PLIMSOLL_ENGINE",
        ),
        (
            None,
            &[("PLIMSOLL_ENGINE", "none")],
            &["--engine", "tcp://h:1", "--engine", "ssh://me@h"],
            "engine",
            "engine = [\"tcp://h:1\", \"ssh://me@h\"] # flag --engine",
        ),
        (None, &[], &["--source", "api"], "source", "source = \"api\" # flag --source"),
        // A bad value in another program's variable does no harm once the setting is given.
        (
            None,
            &[("DOCKER_SOCKET_PATH", "nonsense"), ("PLIMSOLL_ENGINE", "/run/d.sock")],
            &[],
            "engine",
            "engine = [\"unix:///run/d.sock\"] # environment PLIMSOLL_ENGINE",
        ),
        (
            None,
            &[("DOCKER_SOCKET_PATH", "nonsense")],
            &["--engine=/run/d.sock"],
            "engine",
            "engine = [\"unix:///run/d.sock\"] # flag --engine",
        ),
        (
            Some("include_name = ['a,b']"),
            &[],
            &[],
            "include_name",
            "include_name = [\"a,b\"] # /etc/plimsoll/plimsoll.toml:1",
        ),
        (
            Some("include_name = ['a']"),
            &[("PLIMSOLL_INCLUDE_NAME", "b*, c")],
            &[],
            "include_name",
            "include_name = [\"b*\", \"c\"] # environment PLIMSOLL_INCLUDE_NAME",
        ),
        (
            Some("include_name = ['a']"),
            &[("PLIMSOLL_INCLUDE_NAME", "b")],
            &["--include-name", "c,d", "--include-name=e"],
            "include_name",
            "include_name = [\"c,d\", \"e\"] # flag --include-name",
        ),
        (None, &[], &["--label", "*"], "labels", "labels = [\"*\"] # flag --label"),
        (
            Some("[collectors]\ncpu = false\nio = true"),
            &[],
            &[],
            "collectors.io",
            "io = true # /etc/plimsoll/plimsoll.toml:3",
        ),
        (
            Some("[collectors]\ncpu = false\nio = true"),
            &[("PLIMSOLL_COLLECTORS", "cpu, -io")],
            &[],
            "collectors.io",
            "io = false # environment PLIMSOLL_COLLECTORS",
        ),
        (
            None,
            &[("PLIMSOLL_COLLECTORS", "cpu,-io")],
            &["--collector.io"],
            "collectors.io",
            "io = true # flag --collector.io",
        ),
        (
            None,
            &[],
            &["--collector.io", "--no-collector.io"],
            "collectors.io",
            "io = false # flag --no-collector.io",
        ),
        (None, &[], &[], "collectors.io", "absent"),
        (
            Some("openmetrics_created = true"),
            &[],
            &["--openmetrics-created=false"],
            "openmetrics_created",
            "openmetrics_created = false # flag --openmetrics-created",
        ),
        (
            None,
            &[("PLIMSOLL_OPENMETRICS_CREATED", "1")],
            &[],
            "openmetrics_created",
            "openmetrics_created = true # environment PLIMSOLL_OPENMETRICS_CREATED",
        ),
        (
            None,
            &[],
            &["--openmetrics-created"],
            "openmetrics_created",
            "openmetrics_created = true # flag --openmetrics-created",
        ),
        // The scripts' variables, and those that Kubernetes makes for a service of this name.
        (
            None,
            &[
                ("PLIMSOLL_DOCKER_ROOT", "/x"),
                ("PLIMSOLL_TEST_ANY", "1"),
                ("PLIMSOLL_REVISION", "abc"),
                ("PLIMSOLL_PORT", "tcp://10.0.0.1:8003"),
                ("PLIMSOLL_PORT_8003_TCP_ADDR", "10.0.0.1"),
                ("PLIMSOLL_SERVICE_HOST", "10.0.0.1"),
                ("HOME", "/root"),
            ],
            &[],
            "profile",
            "profile = \"default\" # default",
        ),
    ];
    for (file, variables, arguments, key, expected) in cases {
        let merged = merge(*file, variables, arguments).unwrap_or_else(|told| panic!("{expected}: {told}"));
        assert_eq!(line(&merged, key), *expected);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    type Case<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)], &'a [&'a str], &'a str);
    let cases: &[Case<'_>] = &[
        (
            Some("\n\nintervall = 5"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:3: unknown key `intervall` | the nearest known one is `interval`",
        ),
        (
            // The first mistake of the file is told, whatever its key.
            Some("zzz = 1\nabc = 2"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: unknown key `zzz` | known are listen, web_config_file, web_token_file, web_systemd_socket, openmetrics_created, engine, source, \
             procfs, sysfs, cgroup_root, interval, profile, collectors, disk_interval, disk_budget, disk_deadline, labels, include_name, exclude_name, include_image, \
             exclude_image, include_label, exclude_label, history, history_size, history_keep, \
             scrape_labels, scrape, textfile, collection_interval, collection_timeout, collection_retries, collection_log_level, spool, drain_timeout, \
             census, census_interval, census_endpoint, census_images, census_state, census_agent_listen, census_agent_token_file, \
             log_level, log_format, collector, target",
        ),
        (
            Some("[colectors]\ncpu = true"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: unknown key `colectors` | the nearest known one is `collectors`",
        ),
        (
            Some("[collectors]\ncpus = true"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:2: unknown collector `cpus` | the nearest known one is `cpu`",
        ),
        (
            Some("[collectors]\ncpu = 'yes'"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:2: bad value `yes` for collectors.cpu: expected true or false",
        ),
        (
            Some("collectors = ['cpu']"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `[cpu]` for collectors: expected a table of collectors, each true \
             or false",
        ),
        (
            Some("listen = 8003"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `8003` for listen: expected an address with a port, such as \
             127.0.0.1:8003, [::1]:8003 or :8003, or a socket such as unix:/run/plimsoll.sock",
        ),
        (
            Some("interval = 5\ninclude_name = 'web'"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:2: bad value `web` for include_name: expected a list of glob patterns, such as \
             [\"web-*\", \"db\"]",
        ),
        (
            Some("include_name = [1]"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `an array of other things than strings` for include_name: expected \
             a list of glob patterns, such as [\"web-*\", \"db\"]",
        ),
        (
            Some("include_name = ['a[']"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `[a[]` for include_name: expected a glob pattern (`a[` has invalid \
             range pattern)",
        ),
        (
            Some("profile = \"\\u001b[2J\""),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `\\u{1b}[2J` for profile: expected one of minimal, default, full, cadvisor",
        ),
        (
            Some("disk_interval = '500ms'"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `500ms` for disk_interval: expected a duration from 1s to 24h, such as \
             30 (seconds), 5m or 6h",
        ),
        (
            Some("disk_deadline = '2d'"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `2d` for disk_deadline: expected a duration from 1s to 24h, such as \
             30 (seconds), 5m or 6h",
        ),
        (
            Some("disk_budget = 0"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: bad value `0` for disk_budget: expected a number from 1 to 10000000",
        ),
        (
            Some("config = 'x'"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: a configuration cannot name the configuration file | give it as --config or \
             PLIMSOLL_CONFIG",
        ),
        (
            Some("interval = \n"),
            &[],
            &[],
            "/etc/plimsoll/plimsoll.toml:1: not valid TOML: string values must be quoted, expected literal string",
        ),
        // A mistake in a file is told even where a flag overrides it.
        (
            Some("interval = '1ms'"),
            &[],
            &["--interval=1s"],
            "/etc/plimsoll/plimsoll.toml:1: bad value `1ms` for interval: expected a duration from 100ms to 1h, such as \
             500ms, 1s, 15 (seconds) or 1m",
        ),
        (
            None,
            &[("PLIMSOLL_INTERVALL", "1s")],
            &[],
            "environment: unknown variable `PLIMSOLL_INTERVALL` | the nearest known one is `PLIMSOLL_INTERVAL`",
        ),
        (
            None,
            &[("PLIMSOLL_0", "1")],
            &[],
            "environment: unknown variable `PLIMSOLL_0` | `plimsoll agent --help` names them all",
        ),
        (
            None,
            &[("PLIMSOLL_INTERVAL", "soon")],
            &[],
            "environment PLIMSOLL_INTERVAL: bad value `soon` for interval: expected a duration from 100ms to 1h, such as \
             500ms, 1s, 15 (seconds) or 1m",
        ),
        (
            None,
            &[("EXPORTER_PORT", "http")],
            &[],
            "environment EXPORTER_PORT: bad value `http` for listen: expected a port, 0 to 65535",
        ),
        (
            None,
            &[("PLIMSOLL_COLLECTORS", "cpu,-netwrk")],
            &[],
            "environment PLIMSOLL_COLLECTORS: unknown collector `netwrk` | the nearest known one is `network`",
        ),
        (
            None,
            &[("PLIMSOLL_INCLUDE_NAME", "a,,b")],
            &[],
            "environment PLIMSOLL_INCLUDE_NAME: bad value `[a, , b]` for include_name: expected a list of glob patterns, \
             such as [\"web-*\", \"db\"], without empty entries",
        ),
        (
            None,
            &[],
            &["--engine=auto", "--engine=/a"],
            "flag --engine: bad value `[auto, /a]` for engine: expected `auto` to stand alone, or only addresses and \
             contexts",
        ),
        (
            None,
            &[("DOCKER_SOCKET_PATH", "auto")],
            &[],
            "environment DOCKER_SOCKET_PATH: bad value `auto` for engine: expected an engine's address, such as \
             unix:///var/run/docker.sock (engine address \"auto\": it is neither a URL nor an absolute path; use \
             unix:///path/to/socket, tcp://host:port, https://host:port, ssh://user@host or /path/to/socket)",
        ),
        (
            None,
            &[("PLIMSOLL_ENGINE", "none")],
            &["--source=api"],
            "source = api (flag --source) and engine = none (environment PLIMSOLL_ENGINE) leave nobody to ask | name an \
             engine with --engine, or let numbers come from the kernel with --source kernel",
        ),
        (
            None,
            &[],
            &["--listen=here"],
            "flag --listen: bad value `here` for listen: expected an address with a port, such as 127.0.0.1:8003, \
             [::1]:8003 or :8003, or a socket such as unix:/run/plimsoll.sock",
        ),
        (
            None,
            &[],
            &["--config=/nowhere.toml"],
            "cannot read the configuration /nowhere.toml (flag --config): entity not found | make it readable for this \
             user, or name another file with --config",
        ),
        (
            None,
            &[("PLIMSOLL_CONFIG", "/nowhere.toml")],
            &[],
            "cannot read the configuration /nowhere.toml (environment PLIMSOLL_CONFIG): entity not found | make it \
             readable for this user, or name another file with --config",
        ),
    ];
    for (file, variables, arguments, expected) in cases {
        assert_eq!(merge(*file, variables, arguments).unwrap_err(), *expected);
    }
}

#[test]
fn the_default_file_may_be_missing_but_not_unreadable() {
    let load = |kind: io::ErrorKind| load(Vec::new(), &Environment::default(), |_| Err(kind.into()));
    assert_eq!(load(io::ErrorKind::NotFound).unwrap().settings, Settings::default());
    assert_eq!(
        told(load(io::ErrorKind::PermissionDenied).unwrap_err()),
        "cannot read the configuration /etc/plimsoll/plimsoll.toml: permission denied | make it readable for this user, \
         or name another file with --config"
    );
}

#[test]
fn a_printed_configuration_gives_the_same_settings() {
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("", &[], &[]),
        ("interval = 0.25\nlisten = '[::]:0'\n[collectors]\ncpu = false\nprocess = true", &[], &[]),
        (
            "procfs = \"/a \\\"b\\\" # c\\n\\u001b\\\\ü\"",
            &[("PLIMSOLL_SYSFS", "/x'''\"\"\"\ty")],
            &["--cgroup-root=/#"],
        ),
        (
            "include_label = ['a=\"b\"', 'c']\nexclude_label = [\"x\\n=y\"]",
            &[],
            &["--include-name", "a,b\nc", "--label=*"],
        ),
        (
            "profile = 'full'\nlog_level = 'trace'\nlog_format = 'json'",
            &[],
            &["--interval", "1m 30s 5ms", "--openmetrics-created"],
        ),
        (
            "exclude_name=['*']\ninclude_image=['a']\nexclude_image=['b']",
            &[("DOCKER_SOCKET_PATH", "/a\u{202e}x")],
            &["--no-collector.io"],
        ),
        (
            "collection_interval = '1m'\n\
             [[collector]]\nname = 'a'\ntype = 'exec'\ncommand = ['sh', '-c', \"a '''\\n\\\"\\u0007\"]\ninterval = 1.5\n\
             timeout = '3ms'\nretry_attempts = 0\nretry_delay = 0\nenabled = false\n\
             environment = { A = 'b', 'c d' = '', nested = { deep = [1, [2.5, { x = true }], -9223372036854775808] } }\n\
             labels = { z = '', 'not a name' = 'x' }\n\
             [[collector]]\ntype = 'never heard of'\nname = 'b'\n[collector.headers]\nX = 'y'\n[collector.labels]\na = 'b'\n\
             [collectors]\ncpu = false",
            &[("METRICS_TIMEOUT", "2.5"), ("METRICS_LOG_LEVEL", "WARNING")],
            &["--collection-retries", "0"],
        ),
    ];
    for (file, variables, arguments) in cases {
        let mut merged = merge(Some(file), variables, arguments).unwrap();
        let printed = merged.to_toml();
        let mut again = merge(Some(&printed), &[], &[]).unwrap_or_else(|told| panic!("{told}\n{printed}"));
        // A collector knows its line, which is another one now.
        for collector in merged.settings.collector.iter_mut().chain(&mut again.settings.collector) {
            collector.origin = Origin::Default;
        }
        assert_eq!(again.settings, merged.settings, "{printed}");
        assert!(again.origins.values().all(|origin| matches!(origin, Origin::File { .. })));
    }
}

/// What the `docker` and `podman` commands read is kept, and nothing else of the environment.
#[test]
fn engines_are_looked_for_where_the_environment_says() {
    let variables = [
        ("HOME", "/home/me"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("DOCKER_CONFIG", "/d"),
        ("DOCKER_HOST", "tcp://h:1"),
        ("DOCKER_CONTEXT", "prod"),
        ("DOCKER_TLS_VERIFY", "0"),
        ("DOCKER_CERT_PATH", "/c"),
        ("CONTAINER_HOST", "ssh://p"),
        ("SECRET", "x"),
    ];
    let expected = Surroundings {
        home: Some("/home/me".into()),
        uid: rustix::process::geteuid().as_raw(),
        xdg_runtime_dir: Some("/run/user/1000".into()),
        docker_config: Some("/d".into()),
        docker_host: Some("tcp://h:1".into()),
        docker_context: Some("prod".into()),
        docker_tls_verify: true,
        docker_cert_path: Some("/c".into()),
        container_host: Some("ssh://p".into()),
        root: "/".into(),
    };
    assert_eq!(merge(None, &variables, &[]).unwrap().settings.surroundings, expected);
    let empty = variables.map(|(name, _)| (name, ""));
    let nothing = Surroundings { uid: expected.uid, ..Surroundings::default() };
    assert_eq!(merge(None, &empty, &[]).unwrap().settings.surroundings, nothing, "empty is unset");
    // Help, README and man page derive from the setting's own text.
    let engine = table::by_key("engine").unwrap();
    for variable in environment::OF_ENGINES {
        assert!(engine.long.contains(variable), "{variable}");
    }
}

#[test]
fn the_table_for_the_readme_has_every_setting() {
    let markdown = print::markdown();
    assert_eq!(markdown.lines().count(), table::SETTINGS.len() + 2);
    assert!(markdown.contains(
        "| `interval` | `--interval DURATION` | `PLIMSOLL_INTERVAL`, `POLL_INTERVAL` (seconds) | `1s` | Time between two \
         samples, 100ms to 1h. As 500ms"
    ));
    for row in markdown.lines() {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
}

#[test]
fn the_readme_has_the_table() {
    const BEGIN: &str = "<!-- settings: generated";
    const END: &str = "<!-- settings end -->";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let begin = readme.find(BEGIN).map(|at| at + readme[at..].find('\n').unwrap() + 1).unwrap();
    let end = readme.find(END).unwrap();
    let table = format!("\n{}\n", print::markdown());
    #[expect(clippy::disallowed_methods, reason = "whoever changed a setting says so by hand")]
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(path, format!("{}{table}{}", &readme[..begin], &readme[end..])).unwrap();
    } else {
        assert!(
            readme[begin..end] == table,
            "README.md has another table of settings; PLIMSOLL_BLESS=1 cargo test -p plimsoll writes it anew"
        );
    }
}
