//! `plimsoll cadvisor`: the agent in cAdvisor's place, with its names, its port and its flags, so that in a compose file or a
//! `DaemonSet` nothing but the image changes.
//!
//! cAdvisor's flags are written as Go programs take them: with one dash or two, the value behind `=` or in the next word.
//! [`split`] takes them out before the command line is parsed; what is a flag of the agent stays. Those that mean something
//! here become settings, stronger than all others; the rest is named in one warning, because a flag that only cAdvisor needs
//! must not keep the agent from starting.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use clap::{Arg, ArgAction};
use plimsoll_model::Collector;
use plimsoll_web::Place;

use crate::failure::Failure;
use crate::settings::table::{COLLECTORS, by_key};
use crate::settings::value::Raw;
use crate::settings::{Assignment, Origin, flags};
use crate::sub::Sub;
use crate::text;

pub(crate) const EXAMPLES: &str = "\
Examples:
  plimsoll cadvisor
      Serve http://0.0.0.0:8080/metrics as cAdvisor does.

  plimsoll cadvisor --docker_only=true --store_container_labels=false \\
    --whitelisted_container_labels=com.docker.compose.project,com.docker.compose.service
      With flags of cAdvisor, as they stand in a compose file.

  plimsoll cadvisor --interval 5s --history auto
      Flags of the agent are understood as well.

cAdvisor's flags, with one dash or two, the value behind `=` or in the next word:
  --port, --listen_ip              where to listen [default: 8080, every address]
  --url_base_prefix                what all paths begin with
  --prometheus_endpoint            where the metrics are, besides /metrics
  --housekeeping_interval          time between two samples, as --interval
  --store_container_labels         false: no labels but those of the next flag
  --whitelisted_container_labels   labels to show, with commas between
  --disable_metrics                kinds of metrics to leave out; all others are shown
  --enable_metrics                 kinds of metrics to show, and no others
  --enable_load_reader             true: tasks by state, unless their kind, cpuLoad, is left out
  --docker_only                    no effect: only containers are shown in any case
Others are named in a warning and ignored.";

/// The port on which cAdvisor listens.
const PORT: u16 = 8080;

/// Where cAdvisor's image has the machine's `/proc` in its usual set of mounts.
const ROOTFS_PROC: &str = "/rootfs/proc";

/// cAdvisor's kinds of metrics, with the collectors that have them. Of the others nothing is shown, or, with `oom_event`, it
/// goes with the memory.
const METRICS: &[(&str, Option<Collector>)] = &[
    ("accelerator", None),
    ("advtcp", Some(Collector::TcpStats)),
    ("app", None),
    ("cpu", Some(Collector::Cpu)),
    ("cpuLoad", Some(Collector::Tasks)),
    ("cpu_topology", None),
    ("cpuset", Some(Collector::Cpuset)),
    ("disk", Some(Collector::Filesystem)),
    ("disk", Some(Collector::Disk)),
    ("diskIO", Some(Collector::Io)),
    ("diskIO", Some(Collector::Blkio)),
    ("hugetlb", Some(Collector::Hugetlb)),
    ("memory", Some(Collector::Memory)),
    ("memory_numa", Some(Collector::Numa)),
    ("network", Some(Collector::Network)),
    ("oom_event", None),
    ("percpu", Some(Collector::Percpu)),
    ("perf_event", None),
    ("pressure", Some(Collector::Pressure)),
    ("process", Some(Collector::Processes)),
    ("process", Some(Collector::Descriptors)),
    ("process", Some(Collector::Ulimits)),
    ("referenced_memory", None),
    ("resctrl", None),
    ("sched", Some(Collector::Schedstat)),
    ("tcp", Some(Collector::Tcp)),
    ("udp", Some(Collector::Udp)),
];

/// A command line, with what is cAdvisor's taken out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// What is left for the parser.
    pub(crate) arguments: Vec<OsString>,
    /// cAdvisor's flags, without dashes, with their values. Of one that is given twice, the last one counts.
    pub(crate) flags: BTreeMap<String, Option<String>>,
}

/// Takes cAdvisor's flags out, if it is the command `cadvisor`.
pub(crate) fn split(arguments: impl IntoIterator<Item = OsString>) -> Split {
    let mut words = arguments.into_iter().peekable();
    let mut split = Split::default();
    split.arguments.extend(words.by_ref().take(2));
    if split.arguments.get(1).is_none_or(|command| command != Sub::Cadvisor.name()) {
        split.arguments.extend(words);
        return split;
    }
    let own = flags::arguments(Sub::Cadvisor);
    while let Some(word) = words.next() {
        let Some(flag) = word.to_str().and_then(flag_in) else {
            split.arguments.push(word);
            continue;
        };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
        if matches!(name, "help" | "h" | "print-config") {
            split.arguments.push(format!("--{}", if name == "h" { "help" } else { name }).into());
        } else if let Some(argument) = own.iter().find(|argument| argument.get_long() == Some(name)) {
            split.arguments.push(format!("--{flag}").into());
            if value.is_none() && takes_a_word(argument) {
                split.arguments.extend(words.next());
            }
        } else {
            let is_value = |next: &OsString| {
                let next = next.to_string_lossy();
                if is_switch(name) { go_bool(&next).is_some() } else { !next.starts_with('-') }
            };
            let value = value.map(str::to_owned);
            let value =
                value.or_else(|| words.next_if(is_value).map(|next| next.to_string_lossy().into_owned()));
            split.flags.insert(name.to_owned(), value);
        }
    }
    split
}

/// The word without its one or two dashes, if it is a flag.
fn flag_in(word: &str) -> Option<&str> {
    let flag = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    flag.starts_with(|first: char| first.is_ascii_alphanumeric()).then_some(flag)
}

fn takes_a_word(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) && !argument.is_require_equals_set()
}

/// Whether it is a flag of cAdvisor without a value in the next word.
fn is_switch(name: &str) -> bool {
    matches!(
        name,
        "docker_only" | "store_container_labels" | "logtostderr" | "alsologtostderr" | "enable_load_reader"
    )
}

/// A truth value as Go reads it.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What cAdvisor's flags mean.
#[derive(Debug)]
pub(crate) struct Meaning {
    /// Settings, with the flag that each came from.
    settings: Vec<(&'static str, Raw, &'static str)>,
    /// Where the server's paths are.
    pub(crate) place: Place,
    /// Flags without a meaning here, with their dashes.
    pub(crate) ignored: Vec<String>,
}

impl Meaning {
    /// What the flags say, as settings.
    pub(crate) fn assignments(&self) -> Vec<Assignment> {
        let settings = self.settings.iter();
        settings
            .filter_map(|(key, raw, flag)| set(key, raw.clone(), Origin::Flag((*flag).to_owned())))
            .collect()
    }

    /// The one warning, if there is something to warn of.
    pub(crate) fn warning(&self) -> Option<String> {
        let ignored: Vec<String> = self.ignored.iter().map(|flag| text::quoted(flag)).collect();
        (!ignored.is_empty())
            .then(|| format!("flags of cAdvisor without a meaning here are ignored: {}", ignored.join(", ")))
    }
}

fn set(key: &str, raw: Raw, origin: Origin) -> Option<Assignment> {
    by_key(key).map(|setting| Assignment::new(setting, raw, origin))
}

/// What the command has in place of the agent's defaults.
pub(crate) fn defaults() -> Vec<Assignment> {
    let text = |text: &str| Raw::Text(text.to_owned());
    let mut defaults = vec![
        ("profile", text("cadvisor")),
        ("listen", text(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).to_string())),
        // cAdvisor writes nothing, and its containers have no place for it.
        ("history", text("off")),
    ];
    if Path::new(ROOTFS_PROC).join("1").exists() {
        defaults.push(("procfs", text(ROOTFS_PROC)));
    }
    let origin = Origin::Command(Sub::Cadvisor.name());
    defaults.into_iter().filter_map(|(key, raw)| set(key, raw, origin.clone())).collect()
}

/// Reads cAdvisor's flags.
pub(crate) fn read(flags: &BTreeMap<String, Option<String>>) -> Result<Meaning, Failure> {
    let mut meaning = Meaning { settings: Vec::new(), place: Place::default(), ignored: Vec::new() };
    let (mut port, mut address) = (None, None);
    let (mut store, mut chosen) = (None, None);
    let (mut prefix, mut endpoint) = ("", "");
    let (mut enabled, mut disabled, mut load_reader) = (None, None, false);
    for (name, value) in flags {
        let text = || value.as_deref().ok_or_else(|| wrong(name, "nothing", "a value"));
        match name.as_str() {
            "port" => port = Some(number(name, text()?)?),
            "listen_ip" => address = ip(name, text()?)?,
            "url_base_prefix" => prefix = text()?,
            "prometheus_endpoint" => endpoint = text()?,
            "housekeeping_interval" => {
                let raw = Raw::Text(text()?.to_owned());
                meaning.settings.push(("interval", raw, "housekeeping_interval"));
            }
            "docker_only" => {
                switch(name, value.as_deref())?;
            }
            "store_container_labels" => store = Some(switch(name, value.as_deref())?),
            "whitelisted_container_labels" => chosen = Some(list(text()?)),
            "enable_load_reader" => load_reader = switch(name, value.as_deref())?,
            "disable_metrics" => disabled = Some(kinds(name, text()?)?),
            "enable_metrics" => enabled = Some(kinds(name, text()?)?),
            _ => meaning.ignored.push(format!("--{name}")),
        }
    }
    if port.is_some() || address.is_some() {
        let address = SocketAddr::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), port.unwrap_or(PORT));
        let flag = if port.is_some() { "port" } else { "listen_ip" };
        meaning.settings.push(("listen", Raw::Text(address.to_string()), flag));
    }
    // cAdvisor looks at the list only where it does not show them all.
    match (store, chosen) {
        (Some(false), chosen) => {
            let keys = Raw::List(chosen.unwrap_or_default());
            meaning.settings.push(("labels", keys, "store_container_labels"));
        }
        (Some(true), _) => {
            meaning.settings.push(("labels", Raw::List(vec!["*".to_owned()]), "store_container_labels"));
        }
        (None, _) => {}
    }
    for (collector, on, flag) in switches(enabled.as_deref(), disabled.as_deref(), load_reader) {
        if let Some(name) = COLLECTORS.into_iter().find(|name| *name == collector.name()) {
            meaning.settings.push(("collectors", Raw::Collector(name, on), flag));
        }
    }
    meaning.place = place(prefix, endpoint)?;
    Ok(meaning)
}

/// The collectors that the flags switch, and which flag does. What is enabled makes cAdvisor forget what is disabled; and what
/// is disabled makes it forget which kinds it leaves out by itself, so that the rest is on.
fn switches(
    enabled: Option<&[Option<Collector>]>,
    disabled: Option<&[Option<Collector>]>,
    load_reader: bool,
) -> Vec<(Collector, bool, &'static str)> {
    let collectors = METRICS.iter().filter_map(|(_, collector)| *collector);
    let (is_shown, flag): (Box<dyn Fn(Collector) -> bool>, _) = match (enabled, disabled) {
        (Some(on), _) if !on.is_empty() => (Box::new(|one| on.contains(&Some(one))), "enable_metrics"),
        // Without its reader cAdvisor would show zeros of the load.
        (_, Some(off)) => (
            Box::new(move |one| !off.contains(&Some(one)) && (load_reader || one != Collector::Tasks)),
            "disable_metrics",
        ),
        _ if load_reader => return vec![(Collector::Tasks, true, "enable_load_reader")],
        _ => return Vec::new(),
    };
    let switch = |one: Collector| (one, is_shown(one), flag);
    // What is as it is by default needs no switch.
    collectors.map(switch).filter(|(one, on, _)| *on == one.is_opt_in()).collect()
}

fn place(prefix: &str, endpoint: &str) -> Result<Place, Failure> {
    // The prefix alone first, so that it is clear which of the two is wrong.
    Place::new(prefix, "").map_err(|expected| wrong("url_base_prefix", prefix, &expected))?;
    Place::new(prefix, endpoint).map_err(|expected| wrong("prometheus_endpoint", endpoint, &expected))
}

fn wrong(flag: &str, given: &str, expected: &str) -> Failure {
    Failure::caller(format!("flag --{flag}: bad value {}: expected {expected}", text::quoted(given)))
}

fn number(flag: &str, value: &str) -> Result<u16, Failure> {
    value.parse().map_err(|_| wrong(flag, value, "a port, 0 to 65535"))
}

/// An address; nothing means every address.
fn ip(flag: &str, value: &str) -> Result<Option<IpAddr>, Failure> {
    match value {
        "" => Ok(None),
        _ => value.parse().map(Some).map_err(|_| wrong(flag, value, "an address such as 127.0.0.1")),
    }
}

fn switch(flag: &str, value: Option<&str>) -> Result<bool, Failure> {
    let Some(value) = value else { return Ok(true) };
    go_bool(value).ok_or_else(|| wrong(flag, value, "true or false"))
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// The collectors of these kinds of metrics.
fn kinds(flag: &str, value: &str) -> Result<Vec<Option<Collector>>, Failure> {
    let mut collectors = Vec::new();
    for kind in list(value) {
        let mut found = METRICS.iter().filter(|(known, _)| *known == kind).peekable();
        if found.peek().is_none() {
            let mut known: Vec<&str> = METRICS.iter().map(|(known, _)| *known).collect();
            known.dedup();
            return Err(wrong(flag, &kind, &format!("some of {}", known.join(","))));
        }
        collectors.extend(found.map(|(_, collector)| *collector));
    }
    Ok(collectors)
}

#[cfg(test)]
mod tests;
