//! Targets as tables: what file and environment say, what comes out, and what is told when it is wrong.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{ffi::OsString, io};

use plimsoll_deliver::config::{
    Compression, Durability, FileFormat, RemoteWriteVersion, Schema, Secret, TargetConfig, TargetKind,
    WhenFull,
};
use plimsoll_wire::line_protocol::Precision;

use super::*;
use crate::settings::environment::Environment;
use crate::settings::{Merged, load};

const PATH: &str = "/etc/plimsoll/plimsoll.toml";

/// Merges a file and variables.
fn merge(file: &str, variables: &[(&str, &str)]) -> Result<Merged, String> {
    let environment: Environment =
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
    let read = |path: &Path| {
        if path == Path::new(PATH) { Ok(file.to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    let told = |failure: Failure| failure.told().replace("\n  to do: ", " | ").replace(PATH, "FILE");
    load(Vec::new(), &environment, read).map_err(told)
}

#[track_caller]
fn configs(file: &str, variables: &[(&str, &str)]) -> Vec<TargetConfig> {
    let merged = merge(file, variables).unwrap_or_else(|told| panic!("{told}"));
    merged.settings.target.into_iter().map(|target| target.config).collect()
}

/// A table of each type with what it needs.
fn least(kind: TargetKind) -> (&'static str, TargetConfig) {
    let base = TargetConfig::new("t", kind);
    let url = |url: &str| url.to_owned();
    match kind {
        TargetKind::InfluxV1 => (
            "url = 'http://h:8086'\ndatabase = 'd'",
            TargetConfig { url: url("http://h:8086"), database: "d".into(), ..base },
        ),
        TargetKind::InfluxV2 => (
            "url = 'http://h:8086/'\nbucket = 'b'",
            TargetConfig { url: url("http://h:8086"), bucket: "b".into(), ..base },
        ),
        TargetKind::InfluxV3 => (
            "url = 'https://h'\ndatabase = 'd'",
            TargetConfig { url: url("https://h"), database: "d".into(), ..base },
        ),
        TargetKind::RemoteWrite => {
            ("url = 'http://h/api/v1/write'", TargetConfig { url: url("http://h/api/v1/write"), ..base })
        }
        TargetKind::Otlp => ("url = 'http://h:4318'", TargetConfig { url: url("http://h:4318"), ..base }),
        TargetKind::Nats => ("url = 'nats://h:4222'", TargetConfig { url: url("nats://h:4222"), ..base }),
        TargetKind::File => ("path = '/p'", TargetConfig { path: "/p".into(), ..base }),
        TargetKind::Stdout => ("", base),
    }
}

#[test]
fn each_type_needs_little() {
    for kind in TargetKind::ALL {
        let (keys, expected) = least(*kind);
        let file = format!("[[target]]\nname = 't'\ntype = '{}'\n{keys}\n", kind.name());
        assert_eq!(configs(&file, &[]), [expected], "{file}");
        // Every line of it is needed.
        for line in keys.lines() {
            let key = line.split(' ').next().unwrap();
            let told = merge(&file.replace(line, ""), &[]).unwrap_err();
            let expected =
                format!("FILE:1: this target (`t`, {}) has no {key} | add a line {key} = ", kind.name());
            assert!(told.starts_with(&expected), "{told}");
        }
    }
    assert_eq!(configs("", &[]), []);
    assert_eq!(configs("target = []", &[]), []);
}

const WHOLE: &str = r#"
[[target]]
name = "whole-1.a_b"
type = "influxdb-v1"
url = "https://db.example.org:8086/influx"
database = "d b"
retention_policy = "week"
username = "me"
password_file = "/run/secrets/pw"
headers = { X-Two = "s3cret", X-One = "s3cret, too" }
ca_file = "/ca.pem"
cert_file = "/cert.pem"
key_file = "/key.pem"
insecure_skip_verify = true
timeout = "3s"
schema = "telegraf-docker"
precision = "s"
compression = "zstd"
max_points = 10_000
max_bytes = "10MiB"
max_wait = 0.5
queue_points = 20000
queue_bytes = "50MB"
queue_disk = "1GiB"
max_age = "7d"
when_full = "thin"
durability = "always"
max_retries = 3
retry_min = "100ms"
retry_max = "2m"
max_in_flight = 2
fresh_lane = true
every = 10
families = ["cpu", "mem*"]
exclude_families = ["host_?"]
containers = ["web-*"]
exclude_containers = ["web-canary"]
labels = ["container_*"]
exclude_labels = ["container_id"]
rename_labels = { container_name = "container" }
dead_letter = "/var/lib/plimsoll/refused.jsonl"

[target.tags]
region = "eu-1"
"a b" = "\"'''= ,"

[[target]]
name = "write"
type = "remote-write"
url = "http://h/api/v1/write"
remote_write_version = 2.0
token_file = "token"

[[target]]
name = "out"
type = "stdout"
format = "json"
"#;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn every_key_is_read() {
    let found = configs(WHOLE, &[]);
    let whole = &found[0];
    let mut expected = TargetConfig::new("whole-1.a_b", TargetKind::InfluxV1);
    expected.url = "https://db.example.org:8086/influx".into();
    expected.database = "d b".into();
    expected.retention_policy = "week".into();
    expected.username = "me".into();
    expected.password = Some(Secret::File("/run/secrets/pw".into()));
    expected.headers = pairs(&[("X-One", "s3cret, too"), ("X-Two", "s3cret")]);
    expected.tls.ca_file = Some("/ca.pem".into());
    expected.tls.cert_file = Some("/cert.pem".into());
    expected.tls.key_file = Some("/key.pem".into());
    expected.tls.insecure_skip_verify = true;
    expected.timeout = Duration::from_secs(3);
    expected.schema = Some(Schema::TelegrafDocker);
    expected.precision = Precision::Seconds;
    expected.compression = Some(Compression::Zstd);
    (expected.max_points, expected.max_bytes) = (10_000, 10 << 20);
    expected.max_wait = Duration::from_millis(500);
    (expected.queue_points, expected.queue_bytes, expected.queue_disk) = (20_000, 50_000_000, 1 << 30);
    expected.max_age = Duration::from_secs(7 * 86_400);
    (expected.when_full, expected.durability) = (WhenFull::Thin, Durability::Always);
    expected.max_retries = Some(3);
    expected.backoff = (Duration::from_millis(100), Duration::from_secs(120));
    (expected.max_in_flight, expected.fresh_lane, expected.every) = (2, true, 10);
    expected.choice.families = texts(&["cpu", "mem*"]);
    expected.choice.exclude_families = texts(&["host_?"]);
    expected.choice.containers = texts(&["web-*"]);
    expected.choice.exclude_containers = texts(&["web-canary"]);
    expected.choice.labels = texts(&["container_*"]);
    expected.choice.exclude_labels = texts(&["container_id"]);
    expected.choice.rename_labels = pairs(&[("container_name", "container")]);
    expected.choice.tags = pairs(&[("a b", "\"'''= ,"), ("region", "eu-1")]);
    expected.dead_letter = Some("/var/lib/plimsoll/refused.jsonl".into());
    assert_eq!(*whole, expected);
    assert_eq!(found[1].remote_write, RemoteWriteVersion::V2);
    assert_eq!(found[1].token, Some(Secret::File(PathBuf::from("token"))));
    assert_eq!(found[2].format, FileFormat::Json);
}

#[test]
fn what_is_printed_can_be_read_back_and_has_no_secrets() {
    let secrets = "[[target]]\nname = 'a'\ntype = 'otlp'\nurl = 'https://h/v1/metrics?api-key=s3cret'\nusername = 'me'\n\
                   password = 's3cret'\nheaders = { X-Key = 's3cret' }\n\
                   [[target]]\nname = 'b'\ntype = 'nats'\nurl = 'nats://h'\n";
    let variables = [("PLIMSOLL_TARGET_NAME", "b"), ("PLIMSOLL_TARGET_TOKEN", "s3cret")];
    for (file, variables) in [(WHOLE, &[][..]), (secrets, &variables)] {
        let merged = merge(file, variables).unwrap();
        let printed = merged.to_toml();
        assert!(!printed.contains("s3cret") && !format!("{merged:?}").contains("s3cret"), "{printed}");
        let mut expected: Vec<_> = merged.settings.target.into_iter().map(|target| target.config).collect();
        // What is not shown is put in by hand, as a comment in its place asks for.
        let printed = printed.replace("# url = ", "url = 'https://h/v1/metrics?api-key=s3cret' #");
        for target in &mut expected {
            target.headers.clear();
            target.password.take_if(|secret| matches!(secret, Secret::Inline(_)));
            target.token.take_if(|secret| matches!(secret, Secret::Inline(_)));
        }
        assert_eq!(configs(&printed, &[]), expected, "{printed}");
    }
    let printed = merge(secrets, &variables).unwrap().to_toml();
    for line in [
        "# FILE:1\n[[target]]\nname = \"a\" # FILE:2\n",
        "\nmax_points = 1000 # default\n",
        "\n# url = https://h/v1/metrics?… # FILE:4, not shown\n",
        "\n# password = … # FILE:6, not shown\n",
        "\n# headers = { X-Key = … } # FILE:7, not shown\n",
        "\n# token = … # environment PLIMSOLL_TARGET_TOKEN, not shown\n",
    ] {
        assert!(printed.replace(PATH, "FILE").contains(line), "{line}: {printed}");
    }
}

#[test]
fn the_environment_makes_a_target_or_changes_one() {
    let made = configs(
        "",
        &[
            ("PLIMSOLL_TARGET_TYPE", "influxdb-v2"),
            ("PLIMSOLL_TARGET_URL", "http://h:8086"),
            ("PLIMSOLL_TARGET_BUCKET", "b"),
            ("PLIMSOLL_TARGET_TOKEN_FILE", "/t"),
            ("PLIMSOLL_TARGET_FAMILIES", "cpu, mem*"),
            ("PLIMSOLL_TARGET_TAGS", "region=eu-1, rack = 7"),
            ("PLIMSOLL_TARGET_HEADERS", "X-A=b=c"),
            ("PLIMSOLL_TARGET_QUEUE_DISK", "16MiB"),
            ("PLIMSOLL_TARGET_FRESH_LANE", "yes"),
            ("PLIMSOLL_TARGET_ORG", ""),
        ],
    );
    let mut expected = TargetConfig::new("default", TargetKind::InfluxV2);
    expected.url = "http://h:8086".into();
    expected.bucket = "b".into();
    expected.token = Some(Secret::File("/t".into()));
    expected.choice.families = texts(&["cpu", "mem*"]);
    expected.choice.tags = pairs(&[("rack", "7"), ("region", "eu-1")]);
    expected.headers = pairs(&[("X-A", "b=c")]);
    (expected.queue_disk, expected.fresh_lane) = (16 << 20, true);
    assert_eq!(made, [expected]);

    let file = "[[target]]\nname = 'default'\ntype = 'stdout'\n\
                [[target]]\nname = 'db'\ntype = 'influxdb-v1'\nurl = 'http://h'\ndatabase = 'd'\nusername = 'u'\npassword = 'p'\n";
    let changed = configs(
        file,
        &[
            ("PLIMSOLL_TARGET_NAME", "db"),
            ("PLIMSOLL_TARGET_URL", "http://other"),
            ("PLIMSOLL_TARGET_PASSWORD_FILE", "/p"),
        ],
    );
    assert_eq!(changed.len(), 2);
    assert_eq!((changed[0].name.as_str(), changed[1].url.as_str()), ("default", "http://other"));
    assert_eq!(changed[1].database, "d");
    assert_eq!(changed[1].password, Some(Secret::File("/p".into())), "the stronger place wins");
    let unnamed = configs(file, &[("PLIMSOLL_TARGET_FORMAT", "json")]);
    assert_eq!((unnamed.len(), unnamed[0].format), (2, FileFormat::Json), "without a name it is `default`");
    let more = [("PLIMSOLL_TARGET_NAME", "x"), ("PLIMSOLL_TARGET_TYPE", "stdout")];
    assert_eq!(configs(file, &more).len(), 3);
}

/// A table of type influxdb-v2 with this line instead of or beside its own; its own are the lines 2 to 5.
fn with(line: &str) -> String {
    let key = line.split(' ').next().unwrap();
    let own = ["name = 'a'", "type = 'influxdb-v2'", "url = 'http://h'", "bucket = 'b'"];
    let own: Vec<_> = own.into_iter().filter(|own| own.split(' ').next() != Some(key)).collect();
    format!("[[target]]\n{}\n{line}\n", own.join("\n"))
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let long = format!("name = '{}'", "x".repeat(65));
    let cases = [
        ("buket = 'x'", "FILE:6: unknown key of a target `buket` | the nearest known one is `bucket`"),
        ("zzzzz = 1", "FILE:6: unknown key of a target `zzzzz` | known are name, type, url,"),
        ("type = 'otpl'", "FILE:5: unknown type of target `otpl` | the nearest known one is `otlp`"),
        (
            "type = 'qqq'",
            "FILE:5: unknown type of target `qqq` | known are influxdb-v1, influxdb-v2, influxdb-v3, remote-write",
        ),
        (
            "type = 'influxdb'",
            "FILE:5: unknown type of target `influxdb` | by the server's version it is influxdb-v1, influxdb-v2 or",
        ),
        ("type = 2", "FILE:5: bad value `2` for target.type: expected one of influxdb-v1, "),
        (
            "name = 'a/b'",
            "FILE:5: bad value `a/b` for target.name: expected a name of letters, digits, `.`, `_` and `-`, at most 64",
        ),
        (&long, "FILE:5: bad value "),
        (
            "database = 'x'",
            "FILE:6: target.database makes no sense for the type influxdb-v2 | leave it out; the types that have it: influxdb-v1, influxdb-v3",
        ),
        (
            "path = '/x'",
            "FILE:6: target.path makes no sense for the type influxdb-v2 | leave it out; the types that have it: file",
        ),
        ("password = 's3cret'", "FILE:6: target.password makes no sense"),
        (
            "url = 'h:8086'",
            "FILE:5: bad value `h:8086` for target.url: expected an address such as http://localhost:8086",
        ),
        (
            "url = 'nats://h'",
            "FILE:5: bad value `nats://h` for target.url: expected an address such as http://localhost:8086",
        ),
        (
            "url = 'http://u:s3cret@h/'",
            "FILE:5: bad value `…@h/` for target.url: expected an address without a user's name and password: give them as username",
        ),
        (
            "url = 'http://h?token=s3cret'",
            "FILE:5: bad value `http://h?…` for target.url: expected an address without a query",
        ),
        ("url = ['http://u:s3cret@h']", "FILE:5: bad value of another kind for target.url"),
        ("token = 12345678", "FILE:6: bad value (not shown) for target.token: expected a text in quotes"),
        ("token = ['s3cret']", "FILE:6: bad value (not shown) for target.token"),
        (
            "headers = { X = ['s3cret'] }",
            "FILE:6: bad value (not shown) for target.headers.X: expected a text",
        ),
        (
            "headers = { X = \"s3cret\\n\" }",
            "FILE:6: bad value (not shown) for target.headers: expected a value of printable ASCII for `X`",
        ),
        (
            "headers = 's3cret'",
            "FILE:6: bad value (not shown) for target.headers: expected a table of headers",
        ),
        ("tags = { a = 1 }", "FILE:6: bad value `1` for target.tags.a: expected a text"),
        (
            "tags = { a = '' }",
            "FILE:6: bad value `{ a =  }` for target.tags: expected tags whose names and values are not empty",
        ),
        (
            "max_points = 0",
            "FILE:6: bad value `0` for target.max_points: expected a whole number from 1 to 10000",
        ),
        ("max_points = 10001", "FILE:6: bad value `10001` for target.max_points"),
        (
            "max_bytes = '11MiB'",
            "FILE:6: bad value `11MiB` for target.max_bytes: expected a size from 1KiB to 10MiB",
        ),
        (
            "queue_disk = '15MiB'",
            "FILE:6: bad value `15MiB` for target.queue_disk: expected a size from 16MiB to 16TiB",
        ),
        ("every = 0", "FILE:6: bad value `0` for target.every: expected a whole number from 1 to 1000000"),
        ("families = 'cpu'", "FILE:6: bad value `cpu` for target.families: expected a list of names"),
        (
            "retry_min = '2m'",
            "FILE:6: target.retry_min (2m) is longer than retry_max (1m) | lower retry_min, or raise retry_max",
        ),
        ("retry_max = '1ms'", "FILE:6: target.retry_min (500ms) is longer than retry_max (1ms) | "),
        (
            "token = 's3cret'\ntoken_file = '/x'",
            "FILE:7: target.token_file beside target.token (FILE:6) | give one of them, best token_file",
        ),
        (
            "cert_file = '/x'",
            "FILE:6: target.cert_file without key_file | a certificate goes with its key: give both",
        ),
        (
            "ca_file = '/x'",
            "FILE:6: target.ca_file beside a url that begins with http://, which is not encrypted | begin the url with https://",
        ),
        (
            "insecure_skip_verify = true",
            "FILE:6: target.insecure_skip_verify beside a url that begins with http://",
        ),
        (
            "queue_points = 999",
            "FILE:6: target.queue_points (999) is less than one batch may have, max_points (1000) | raise queue_points",
        ),
        (
            "queue_bytes = '1MB'",
            "FILE:6: target.queue_bytes (1MB) is less than one batch may have, max_bytes (4MiB) | raise",
        ),
        (
            "[[target]]\nname = 'a'\ntype = 'stdout'",
            "FILE:6: there is a target `a` already, at FILE:1 | give each target a name of its own",
        ),
        (
            "[[target]]\nname = 'b'",
            "FILE:6: this target has no type | add a line type = \"TYPE\" to the table (What it is: ",
        ),
        ("[[target]]\ntype = 'stdout'", "FILE:6: this target has no name | add a line name = \"NAME\""),
    ];
    for (line, expected) in cases {
        let told = merge(&with(line), &[]).unwrap_err();
        assert!(told.starts_with(expected), "{line}\n{told}\n{expected}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let of_v1 = |keys: &str| {
        format!("[[target]]\nname = 'a'\ntype = 'influxdb-v1'\nurl = 'http://h'\ndatabase = 'd'\n{keys}")
    };
    for (file, expected) in [
        (
            "target = { token = 's3cret' }".to_owned(),
            "FILE:1: bad value (not shown) for target: expected tables, each under [[target]]",
        ),
        ("target = ['s3cret']".to_owned(), "FILE:1: bad value (not shown) for target: expected tables"),
        ("[[targett]]".to_owned(), "FILE:1: unknown key `targett` | the nearest known one is `target`"),
        (of_v1("password = 's3cret'"), "FILE:6: target.password without a user's name | add username"),
        (
            of_v1("token = 's3cret'\nusername = 'u'"),
            "FILE:6: target.token beside a user's name or password | give the token alone",
        ),
        (
            of_v1("password = 's3cret'\npassword_file = '/x'"),
            "FILE:7: target.password_file beside target.password (FILE:6) | ",
        ),
        (
            of_v1("username = 'u:s3cret'"),
            "FILE:6: bad value (not shown) for target.username: expected a name without a colon",
        ),
        (
            (0..=MAX_TARGETS).map(|at| format!("[[target]]\nname = '{at}'\ntype = 'stdout'\n")).collect(),
            "FILE:97: more than 32 targets",
        ),
    ] {
        let told = merge(&file, &[]).unwrap_err();
        assert!(told.starts_with(expected), "{file}\n{told}\n{expected}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[test]
fn wrong_variables_are_told() {
    let file =
        "[[target]]\nname = 'db'\ntype = 'stdout'\n[[target]]\nname = 'file'\ntype = 'file'\npath = '/x'\n";
    let cases: [(&[(&str, &str)], &str); 11] = [
        (
            &[("PLIMSOLL_TARGET_BUKET", "x")],
            "environment: unknown variable `PLIMSOLL_TARGET_BUKET` | the nearest known one is `PLIMSOLL_TARGET_BUCKET`",
        ),
        (
            &[("PLIMSOLL_TARGET_QQQ", "x")],
            "environment: unknown variable `PLIMSOLL_TARGET_QQQ` | known are PLIMSOLL_TARGET_ and",
        ),
        (
            &[("PLIMSOLL_TARGT_URL", "x")],
            "environment: unknown variable `PLIMSOLL_TARGT_URL` | the nearest known one is `PLIMSOLL_TARGET_URL`",
        ),
        (
            &[("PLIMSOLL_TARGET_TOKEN", "s3cret")],
            "environment PLIMSOLL_TARGET_TOKEN: this target has no type | set PLIMSOLL_TARGET_TYPE, or PLIMSOLL_TARGET_NAME to one \
             of the configuration's: `db`, `file`",
        ),
        (
            &[("PLIMSOLL_TARGET_NAME", "a/b")],
            "environment PLIMSOLL_TARGET_NAME: this target has no type | set ",
        ),
        (
            &[("PLIMSOLL_TARGET_TYPE", "influx")],
            "environment PLIMSOLL_TARGET_TYPE: unknown type of target `influx` | by the server's version",
        ),
        (
            &[("PLIMSOLL_TARGET_TYPE", "nats")],
            "environment PLIMSOLL_TARGET_TYPE: this target (`default`, nats) has no url | set PLIMSOLL_TARGET_URL (Its address",
        ),
        (
            &[("PLIMSOLL_TARGET_NAME", "db"), ("PLIMSOLL_TARGET_TAGS", "a=1,b")],
            "environment PLIMSOLL_TARGET_TAGS: bad value `a=1,b` for target.tags: expected NAME=VALUE, several with commas",
        ),
        (
            &[("PLIMSOLL_TARGET_NAME", "db"), ("PLIMSOLL_TARGET_HEADERS", "s3cret")],
            "environment PLIMSOLL_TARGET_HEADERS: bad value (not shown) for target.headers: expected NAME=VALUE",
        ),
        (
            &[("PLIMSOLL_TARGET_NAME", "file"), ("PLIMSOLL_TARGET_TYPE", "stdout")],
            "FILE:7: target.path makes no sense for the type stdout | leave it out; the types that have it: file",
        ),
        (
            &[("PLIMSOLL_TARGET_TYPE", "otlp"), ("PLIMSOLL_TARGET_URL", "http://u:s3cret@h")],
            "environment PLIMSOLL_TARGET_URL: bad value `…@h` for target.url: expected an address without a user's name",
        ),
    ];
    for (variables, expected) in cases {
        let told = merge(file, variables).unwrap_err();
        assert!(told.starts_with(expected), "{variables:?}\n{told}\n{expected}");
        assert!(!told.contains("s3cret"), "{told}");
    }
}

#[test]
fn keys_follow_one_rule() {
    let mut names = BTreeSet::new();
    for key in keys() {
        assert_eq!(key.env, format!("{PREFIX}{}", key.key.to_uppercase()));
        assert!(names.insert(key.key), "{} twice", key.key);
        assert!(!key.help.is_empty() && !key.help.ends_with('.'), "{}", key.help);
        assert!(!key.kinds.is_empty(), "{}", key.key);
    }
}

#[test]
fn the_page_has_every_key() {
    let page = page::markdown();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/targets.md");
    #[expect(clippy::disallowed_methods, reason = "whoever changed a key says so by hand")]
    if std::env::var_os("PLIMSOLL_BLESS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == page,
        "docs/targets.md is not what the keys say; PLIMSOLL_BLESS=1 cargo test -p plimsoll writes it anew"
    );
    for key in keys() {
        assert!(page.contains(&format!("\n| `{}` | {} | ", key.key, key.value_name)), "{}", key.key);
    }
    assert!(
        page.contains("| `max_in_flight` | COUNT | all but file, stdout | `4`; `1` for remote-write, otlp |"),
        "{page}"
    );
    let rows = page.lines().filter(|line| line.starts_with('|'));
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    }
    // Its example is one.
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert_eq!(configs(example, &[]).len(), 2);
}
