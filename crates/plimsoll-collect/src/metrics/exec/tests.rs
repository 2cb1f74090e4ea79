use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll_testkit::{wait_until, wait_until_async};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::metrics::{Collector, CollectorConfig, CollectorError};

const SOON: Duration = Duration::from_secs(20);

/// A shell script in a folder of its own, which it runs in.
struct Script {
    folder: TempDir,
    exec: Exec,
}

/// Whatever a test does, nothing of it is left.
impl Drop for Script {
    fn drop(&mut self) {
        if let Some(leader) = self.leader().filter(|leader| !is_gone(*leader)) {
            let leader = rustix::process::Pid::from_raw(leader).unwrap();
            rustix::process::kill_process_group(leader, rustix::process::Signal::KILL).ok();
        }
    }
}

impl Script {
    fn new(text: &str) -> Self {
        Self::with(text, [])
    }

    fn with<const N: usize>(text: &str, more: [(&str, Value); N]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Moved into place, so that nobody reads half a number.
        let text = format!("echo $$ >new\nmv new leader\n{text}\n");
        std::fs::write(folder.path().join("script"), text).unwrap();
        let mut parameters: BTreeMap<String, Value> = [
            ("command".to_owned(), json!(["sh", "script"])),
            ("directory".to_owned(), folder.path().to_str().into()),
        ]
        .into();
        parameters.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Self { exec: Exec::from_parameters(&parameters).unwrap(), folder }
    }

    fn leader(&self) -> Option<i32> {
        std::fs::read_to_string(self.folder.path().join("leader")).ok()?.trim().parse().ok()
    }

    /// Waits until nothing runs any more of what it started, and the script itself was reaped.
    async fn is_gone(&self) {
        let leader = self.leader().expect("the script began");
        wait_until_async(SOON, "the whole group is gone", async || is_gone(leader)).await;
    }
}

fn is_gone(leader: i32) -> bool {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let mut left = stats.filter_map(|stat| {
        let behind = stat[stat.rfind(')')? + 1..].split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let number: i32 = stat.split(' ').next()?.parse().ok()?;
        // Orphans are somebody else's to reap.
        (behind[2] == leader.to_string() && (behind[0] != "Z" || number == leader)).then_some(())
    });
    left.next().is_none()
}

fn parameters(value: Value) -> BTreeMap<String, Value> {
    let Value::Object(parameters) = value else { panic!("{value} is no object") };
    parameters.into_iter().collect()
}

async fn lines(exec: &Exec) -> Result<Vec<String>, String> {
    match exec.collect_system_metrics().await {
        Ok(values) => Ok(values
            .iter()
            .map(|value| value.clone().at(std::time::UNIX_EPOCH).to_prometheus_format())
            .collect()),
        Err(error) => Err(crate::lost::chain(&*error)),
    }
}

#[tokio::test]
async fn what_is_printed_is_collected() {
    for (text, format, expected) in [
        (
            "echo '# TYPE jobs counter'; echo 'jobs{queue=\"a\"} 3'; echo broken",
            "auto",
            // What cannot be read has no name, and is left out and counted by the collector.
            &["my_jobs{queue=\"a\"} 3 0", "_ 0 0"][..],
        ),
        ("echo '{\"size\": 8, \"pool\": {\"open\": true}}'", "auto", &["my_size 8 0", "my_pool_open 1 0"]),
        (
            "echo 'up{image=\"a\",container_id=\"b\"} 1'",
            "prometheus",
            &["my_up{container_id=\"b\",image=\"a\"} 1 0"],
        ),
        ("echo '[{\"name\": \"a\", \"value\": 1}]'", "json", &["my_a 1 0"]),
        ("echo complaint >&2", "auto", &[]),
        (
            "printf 'a 1'; exec >&- 2>&-; i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done",
            "auto",
            &["my_a 1 0"],
        ),
    ] {
        let script = Script::with(text, [("format", json!(format)), ("prefix", json!("my"))]);
        assert_eq!(lines(&script.exec).await.unwrap(), expected, "{text}");
        script.is_gone().await;
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    for (text, expected) in [
        (
            "echo a 1; echo 'first' >&2; echo 'no such\tvolume' >&2; exit 3",
            "running \"sh\": it ended with status 3, and said last: first / no such\\u{9}volume",
        ),
        ("exit 1", "running \"sh\": it ended with status 1, and said last: (nothing)"),
        (
            "kill -9 $$",
            "running \"sh\": it did not end by itself (signal: 9 (SIGKILL)), and said last: (nothing)",
        ),
        ("head -c 100000 /dev/zero | tr '\\0' x >&2; echo; echo the end >&2; exit 1", "xxxthe end"),
        (
            "printf '\\377\\0\\1'",
            "reading what \"sh\" printed: reading it as Prometheus' text: nothing in it is a metric; line 1, \"\u{fffd}\\0\\u{1}\": it is no UTF-8",
        ),
        (
            "printf '{\"a\": 1'",
            "reading what \"sh\" printed: reading it as JSON: it is no valid JSON: EOF while parsing an object at line 1 column 7; is something else printed, too?",
        ),
        ("exec yes", "running \"sh\": it printed more than 1048576 bytes; let it print less"),
        ("yes >&2 & yes", "running \"sh\": it printed more than 1048576 bytes; let it print less"),
    ] {
        let script = Script::new(text);
        let error = lines(&script.exec).await.unwrap_err();
        assert!(error.ends_with(expected), "{error}");
        assert!(error.len() < 1000, "{} bytes", error.len());
        script.is_gone().await;
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "echo a 1").unwrap();
    for (given, expected) in [
        (json!({"command": ["/no/such program", "x"]}), "running \"/no/such program\": is it there, and what its first line names?: No such file or directory (os error 2)".to_owned()),
        (json!({"command": "no-such-program x"}), format!("running \"no-such-program\": there is no such program in {COMMAND_PATH}; give its full path")),
        (json!({"command": "sh", "environment": {"PATH": "relative:/empty"}}), "running \"sh\": there is no such program in relative:/empty; give its full path".to_owned()),
        (json!({"command": [plain]}), format!("running {plain:?}: may it be executed?: Permission denied (os error 13)")),
        (json!({"command": "true", "directory": "/no/such"}), "running \"true\": there is no folder \"/no/such\" to run it in".to_owned()),
    ] {
        let exec = Exec::from_parameters(&parameters(given)).unwrap();
        assert_eq!(lines(&exec).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn the_agents_environment_is_not_inherited() {
    let given = json!({"command": "env", "environment": {"TOKEN": "x y", "LANG": "de_DE"}});
    let exec = Exec::from_parameters(&parameters(given)).unwrap();
    let output = String::from_utf8(exec.run().await.unwrap()).unwrap();
    let mut lines: Vec<_> = output.lines().collect();
    lines.sort_unstable();
    let path = format!("PATH={COMMAND_PATH}");
    assert_eq!(lines, ["HOME=/", "LANG=de_DE", &*path, "TOKEN=x y"]);
}

#[tokio::test]
async fn no_shell_looks_at_the_words() {
    for (command, expected) in [
        (json!(["echo", "a{b=\"$HOME;x *\"}", "1"]), "a{b=\"$HOME;x *\"} 1 0"),
        (json!(" echo  a\t1 "), "a 1 0"),
    ] {
        let exec = Exec::from_parameters(&parameters(json!({"command": command}))).unwrap();
        assert_eq!(lines(&exec).await.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn what_is_left_behind_is_killed() {
    for text in [
        "sleep 1000 & echo a 1",
        "(sleep 1000 & sleep 1000) & echo a 1",
        "(trap '' TERM HUP INT; sleep 1000) & echo a 1",
        "sleep 1000 >&- 2>&- & echo a 1",
    ] {
        let script = Script::new(text);
        let began = Instant::now();
        assert_eq!(lines(&script.exec).await.unwrap(), ["a 1 0"]);
        assert!(began.elapsed() < SOON, "{text}: {:?}", began.elapsed());
        script.is_gone().await;
    }
}

#[tokio::test]
async fn a_flood_of_processes_is_stopped() {
    let script = Script::new("i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i+1)); done; wait");
    let error = lines(&script.exec).await.unwrap_err();
    assert!(error.starts_with("running \"sh\": it had "), "{error}");
    assert!(error.ends_with(" processes at the same time, and 64 at most are allowed"), "{error}");
    script.is_gone().await;
}

#[tokio::test]
async fn as_many_processes_as_are_allowed_are_left_alone() {
    let script = Script::new("i=0; while [ $i -lt 60 ]; do sleep 0.5 & i=$((i+1)); done; wait; echo a 1");
    assert_eq!(lines(&script.exec).await.unwrap(), ["a 1 0"]);
}

#[tokio::test]
async fn silence_without_end_is_ended_by_the_timeout() {
    for text in
        ["sleep 1000", "exec sleep 1000", "exec >&- 2>&-; sleep 1000", "while :; do echo; sleep 0.01; done"]
    {
        let Script { folder, exec } = &mut Script::new(text);
        let config = CollectorConfig {
            timeout: Duration::from_millis(700),
            retry_attempts: 0,
            ..CollectorConfig::new("c")
        };
        let exec =
            std::mem::replace(exec, Exec::from_parameters(&parameters(json!({"command": "true"}))).unwrap());
        let collector = Collector::of_system(config, exec).unwrap();
        let error = collector.collect_with_error_handling("").await.unwrap_err();
        assert!(matches!(error, CollectorError::Timeout { .. }), "{error}");
        let leader = std::fs::read_to_string(folder.path().join("leader")).unwrap().trim().parse().unwrap();
        wait_until_async(SOON, text, async || is_gone(leader)).await;
    }
}

#[test]
fn the_end_of_the_runtime_is_the_end_of_its_commands() {
    let script = Arc::new(Script::new("sleep 1000 & sleep 1000"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = Arc::clone(&script);
    runtime.spawn(async move { running.exec.run().await.map(drop) });
    wait_until(SOON, "the script begins", || script.leader().is_some());
    runtime.shutdown_timeout(Duration::from_secs(5));
    // Reaped by whoever has a runtime next, which ends programs leave to the system.
    let leader = script.leader().unwrap();
    let runs = || {
        let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).unwrap_or_default();
        stat.rfind(')').is_some_and(|at| !stat[at..].starts_with(") Z"))
    };
    wait_until(SOON, "the script is killed", || !runs());
}

#[tokio::test]
async fn not_all_commands_run_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = format!("echo + >>{0}; sleep 0.2; echo - >>{0}; echo a 1", log.display());
    let given = parameters(json!({"command": ["sh", "-c", script]}));
    let runs = (0..MAX_AT_ONCE + 8).map(|_| async {
        let exec = Exec::from_parameters(&given).unwrap();
        lines(&exec).await.unwrap()
    });
    let outcomes = futures_util::future::join_all(runs).await;
    assert!(outcomes.iter().all(|lines| *lines == ["a 1 0"]));
    let (mut now, mut most) = (0, 0);
    for line in std::fs::read_to_string(log).unwrap().lines() {
        now = if line == "+" { now + 1 } else { now - 1 };
        most = most.max(now);
    }
    assert!((2..=MAX_AT_ONCE).contains(&most), "{most} at the same time");
}

#[test]
fn parameters_that_cannot_be_say_why() {
    for (given, expected) in [
        (
            json!({}),
            "have no \"command\": it takes a program and its arguments, such as [\"/opt/backup-age\", \"--all\"]",
        ),
        (json!({"command": []}), "have no \"command\""),
        (json!({"command": " "}), "have no \"command\""),
        (json!({"command": null}), "have no \"command\""),
        (json!({"command": 5}), "have a number as \"command\": it takes an array of texts, or one text"),
        (
            json!({"command": ["a", 5]}),
            "have a number as \"command\": it takes an array of texts, without NUL",
        ),
        (json!({"command": ["a", "b\0"]}), "have a text with a NUL character as \"command\""),
        (json!({"command": "a\0"}), "have a text with a NUL character as \"command\""),
        (json!({"command": "./a"}), "have \"./a\" as program: it takes its full path, or its name alone"),
        (json!({"comand": "a"}), "have no \"comand\": did you mean \"command\"?"),
        (json!({"xyz": "a"}), "have no \"xyz\": there are command, format, prefix, directory, environment"),
        (
            json!({"command": "a", "format": "xml"}),
            "have a bad \"format\": there is no format \"xml\"; there are auto, prometheus, json",
        ),
        (json!({"command": "a", "format": 1}), "have a number as \"format\": it takes a text"),
        (json!({"command": "a", "prefix": "9x"}), "have \"9x\" as \"prefix\": it takes letters"),
        (json!({"command": "a", "directory": "a/b"}), "have a \"directory\" that is no full path"),
        (
            json!({"command": "a", "environment": ["A=b"]}),
            "have an array as \"environment\": it takes texts by name, such as { \"A\": \"b\" }",
        ),
        (
            json!({"command": "a", "environment": {"A": 1}}),
            "have \"environment\" with a number as \"A\": it takes a text",
        ),
        (
            json!({"command": "a", "environment": {"A=": "secret"}}),
            "have \"A=\" in \"environment\", which no variable can be",
        ),
    ] {
        let error = Exec::from_parameters(&parameters(given.clone())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("parameters {expected}")), "{given}: {error}");
        assert!(!error.contains("secret"));
    }
    let given = json!({"command": ["a", "secret"], "environment": {"A": "secret"}});
    assert!(!format!("{:?}", Exec::from_parameters(&parameters(given)).unwrap()).contains("secret"));
}
