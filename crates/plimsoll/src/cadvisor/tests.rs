use super::*;
use crate::settings::environment::Environment;
use crate::settings::history::Place as HistoryPlace;
use crate::settings::value::Shown;
use crate::settings::{Settings, load_over};

fn words(text: &str) -> Vec<OsString> {
    text.split(' ').map(OsString::from).collect()
}

/// The settings and the meaning of a command line after `plimsoll cadvisor`.
fn read_line(line: &str, file: &str) -> Result<(Settings, Meaning), String> {
    let line =
        if line.is_empty() { "plimsoll cadvisor".to_owned() } else { format!("plimsoll cadvisor {line}") };
    let split = split(words(&line));
    let meaning = read(&split.flags).map_err(Failure::told)?;
    let matches =
        crate::cli::command().try_get_matches_from(&split.arguments).map_err(|error| error.to_string())?;
    let mut given = flags::assignments(Sub::Cadvisor, matches.subcommand_matches("cadvisor").unwrap());
    given.extend(meaning.assignments());
    let merged = load_over(defaults(), given, &Environment::default(), |_| Ok(file.to_owned()));
    merged.map(|merged| (merged.settings, meaning)).map_err(Failure::told)
}

fn listens_at(settings: &Settings) -> String {
    settings.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn flags_may_be_written_as_go_takes_them() {
    let labels = ["a.b", "c"].map(str::to_owned).to_vec();
    type Check = fn(&Settings) -> String;
    let listen: Check = listens_at;
    let interval: Check = |settings| format!("{:?}", settings.interval);
    let shown: Check = |settings| settings.labels.join(",");
    let off: Check = |settings| {
        let off = settings.collectors.iter().filter(|(_, on)| !**on).map(|(name, _)| *name);
        off.collect::<Vec<_>>().join(",")
    };
    // Of those that are on by themselves.
    let usual_off: Check = |settings| {
        let is_usual = |name: &str| Collector::by_name(name).is_some_and(|found| !found.is_opt_in());
        let off = settings.collectors.iter().filter(|(name, on)| !**on && is_usual(name));
        off.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    };
    // Of those that are off by themselves: whose numbers are in files of cgroups, and of processes.
    fn on(settings: &Settings, known: &[&str]) -> String {
        let on = settings.collectors.iter().filter(|(name, on)| **on && known.contains(name));
        on.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
    }
    let on_cgroups: Check = |settings| on(settings, &["blkio", "cpuset", "hugetlb", "numa", "percpu"]);
    let on_processes: Check =
        |settings| on(settings, &["descriptors", "schedstat", "tasks", "tcp", "tcpstats", "udp", "ulimits"]);
    for (line, check, expected) in [
        ("", on_processes, ""),
        ("--enable_metrics=cpu,process,tcp", on_processes, "descriptors,tcp,ulimits"),
        ("--enable_metrics=cpuLoad,sched,udp,advtcp", on_processes, "schedstat,tasks,tcpstats,udp"),
        ("--disable_metrics=process,tcp,advtcp", on_processes, "schedstat,udp"),
        ("--disable_metrics=process,tcp,advtcp,sched,udp -enable_load_reader", on_processes, "tasks"),
        ("--enable_load_reader=true", on_processes, "tasks"),
        (
            "--enable_load_reader=true --disable_metrics=cpuLoad,sched,tcp,udp,advtcp,process",
            on_processes,
            "",
        ),
        ("--enable_load_reader=false", on_processes, ""),
        ("--enable_load_reader --enable_metrics=cpu", on_processes, ""),
        ("", listen, "0.0.0.0:8080"),
        ("--port=9090", listen, "0.0.0.0:9090"),
        ("-port=9090", listen, "0.0.0.0:9090"),
        ("--port 9090", listen, "0.0.0.0:9090"),
        ("-port 9090", listen, "0.0.0.0:9090"),
        ("--port=1 --port=2", listen, "0.0.0.0:2"),
        ("--listen_ip=127.0.0.1", listen, "127.0.0.1:8080"),
        ("--listen_ip=::1 -port 80", listen, "[::1]:80"),
        ("--listen_ip=", listen, "0.0.0.0:8080"),
        ("--listen 127.0.0.1:1", listen, "127.0.0.1:1"),
        ("--housekeeping_interval=10s", interval, "10s"),
        ("-housekeeping_interval 1m30s", interval, "90s"),
        ("--interval 2s", interval, "2s"),
        ("", shown, "*"),
        ("--store_container_labels", shown, "*"),
        ("--store_container_labels=false", shown, ""),
        ("--store_container_labels false --port 1", shown, ""),
        ("--store_container_labels=0 --whitelisted_container_labels=a.b,c", shown, "a.b,c"),
        ("--whitelisted_container_labels a.b,c -store_container_labels=false", shown, "a.b,c"),
        ("--whitelisted_container_labels=a.b", shown, "*"),
        ("--label a.b --label c", shown, "a.b,c"),
        ("--disable_metrics=diskIO,network", usual_off, "io,network"),
        ("--disable_metrics=", off, ""),
        ("--enable_metrics=cpu,memory", usual_off, "disk,filesystem,io,network,pressure,processes"),
        (
            "--enable_metrics=cpu,memory --disable_metrics=cpu",
            usual_off,
            "disk,filesystem,io,network,pressure,processes",
        ),
        ("", on_cgroups, ""),
        ("--disable_metrics=tcp,udp", on_cgroups, "blkio,cpuset,hugetlb,numa,percpu"),
        ("--disable_metrics=diskIO,percpu,hugetlb,tcp", on_cgroups, "cpuset,numa"),
        ("--enable_metrics= --disable_metrics=percpu", on_cgroups, "blkio,cpuset,hugetlb,numa"),
        ("--enable_metrics=cpu,memory", on_cgroups, ""),
        ("--enable_metrics=percpu,diskIO,memory_numa", on_cgroups, "blkio,numa,percpu"),
        ("--docker_only=true --no-collector.cpu", off, "cpu"),
        ("-docker_only -no-collector.cpu", off, "cpu"),
    ] {
        let (settings, meaning) = read_line(line, "").unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(check(&settings), expected, "{line}");
        assert_eq!(meaning.warning(), None, "{line}");
        assert_eq!(settings.profile, Shown::Cadvisor, "{line}");
    }
    let (settings, _) =
        read_line("--store_container_labels=false --whitelisted_container_labels=a.b,c", "").unwrap();
    assert_eq!(settings.labels, labels);
}

#[test]
fn the_rest_of_cadvisors_flags_is_named_in_one_warning() {
    let line = "--v=2 -logtostderr --storage_duration 2m0s --port=1 --raw_cgroup_prefix_whitelist=/a,/b";
    let (settings, meaning) = read_line(line, "").unwrap();
    let expected = "flags of cAdvisor without a meaning here are ignored: \
                    `--logtostderr`, `--raw_cgroup_prefix_whitelist`, `--storage_duration`, `--v`";
    assert_eq!(meaning.warning().as_deref(), Some(expected));
    assert!(listens_at(&settings).ends_with(":1"), "{}", listens_at(&settings));
}

#[test]
fn values_that_are_none_are_told() {
    for (line, part) in [
        ("--port=x", "flag --port: bad value `x`: expected a port"),
        ("--port", "flag --port: bad value `nothing`: expected a value"),
        ("--listen_ip=host", "expected an address"),
        ("--docker_only=maybe", "expected true or false"),
        ("--disable_metrics=cpus", "flag --disable_metrics: bad value `cpus`: expected some of accelerator,"),
        ("--housekeeping_interval=1y1s", "housekeeping_interval"),
        ("--url_base_prefix=x", "flag --url_base_prefix: bad value `x`: expected a path"),
        ("--prometheus_endpoint=/health", "flag --prometheus_endpoint: bad value `/health`"),
        ("something", "unexpected argument 'something'"),
        ("--docker_only something", "unexpected argument 'something'"),
    ] {
        let told = read_line(line, "").map(|_| ()).unwrap_err();
        assert!(told.contains(part), "{line}: {told}");
    }
}

#[test]
fn paths_move_as_with_cadvisor() {
    let (_, meaning) = read_line("--url_base_prefix=/cadvisor --prometheus_endpoint /prom", "").unwrap();
    assert_eq!((meaning.place.prefix(), meaning.place.metrics()), ("/cadvisor", Some("/prom")));
    let (_, meaning) = read_line("--prometheus_endpoint=/metrics", "").unwrap();
    assert_eq!(meaning.place, Place::default());
}

#[test]
fn a_file_is_stronger_than_the_commands_defaults_and_weaker_than_flags() {
    let file = "listen = \"127.0.0.1:1\"\nhistory = \"auto\"\nlabels = [\"team\"]\ninterval = \"3s\"\n";
    let (settings, _) = read_line("--housekeeping_interval=4s", file).unwrap();
    assert_eq!(listens_at(&settings), "127.0.0.1:1");
    assert_eq!(settings.history, HistoryPlace::Usual);
    assert_eq!(settings.labels, ["team"]);
    assert_eq!(settings.interval.as_secs(), 4);
    let (settings, _) = read_line("", "").unwrap();
    assert_eq!(settings.history, HistoryPlace::Off, "cAdvisor writes nothing either");
}

#[test]
fn other_commands_keep_their_words() {
    for line in
        ["plimsoll", "plimsoll agent -port=1 --x", "plimsoll stats --no-stream cadvisor", "plimsoll --help"]
    {
        assert_eq!(split(words(line)), Split { arguments: words(line), flags: BTreeMap::new() });
    }
    for help in ["--help", "-help", "-h"] {
        let line = words(&format!("plimsoll cadvisor {help}"));
        assert_eq!(split(line).arguments, words("plimsoll cadvisor --help"));
    }
}
