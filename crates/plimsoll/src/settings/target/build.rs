//! From what file and environment say to targets, and what the keys of one may not be together.

use std::collections::BTreeMap;

use plimsoll_deliver::config::{TargetConfig, TargetKind};

use crate::failure::Failure;
use crate::settings::assignment::unknown;
use crate::settings::origin::Origin;
use crate::settings::target::key::{HTTP, kinds_text};
use crate::settings::target::{Draft, Given, KEY, MAX_TARGETS, PREFIX, TargetTable, keys, measure};
use crate::settings::value::{self, Raw};
use crate::text;

/// The name of the environment's target where it has none.
const DEFAULT_NAME: &str = "default";

/// Keys that say the same in two ways, of which a place may use one.
const EITHER: [(&str, &str); 2] = [("password", "password_file"), ("token", "token_file")];

/// Makes the targets. The variables change the one that they name, or add it.
pub(in crate::settings) fn build(
    mut drafts: Vec<Draft>,
    variables: Vec<Given>,
) -> Result<Vec<TargetTable>, Failure> {
    merge(&mut drafts, variables);
    let mut targets: Vec<TargetTable> = Vec::new();
    for draft in &drafts {
        let others = || drafts.iter().filter_map(Draft::name).filter(|name| *name != DEFAULT_NAME);
        let target = target(draft, others)?;
        let name = &target.config.name;
        if let Some(other) = targets.iter().find(|other| other.config.name == *name) {
            let (origin, name) = (&target.origin, text::quoted(name));
            let what = format!("{origin}: there is a target {name} already, at {}", other.origin);
            return Err(Failure::caller(what).remedy("give each target a name of its own"));
        }
        if targets.len() >= MAX_TARGETS {
            return Err(Failure::caller(format!("{}: more than {MAX_TARGETS} targets", target.origin)));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn merge(drafts: &mut Vec<Draft>, variables: Vec<Given>) {
    let Some(first) = variables.iter().find(|given| given.key.key == "type").or(variables.first()) else {
        return;
    };
    let origin = first.origin.clone();
    let named = variables.iter().find(|given| given.key.key == "name");
    let name = match named {
        Some(given) => given.raw.clone(),
        None => Raw::Text(DEFAULT_NAME.to_owned()),
    };
    match drafts.iter_mut().find(|draft| draft.get("name").is_some_and(|given| given.raw == name)) {
        Some(draft) => draft.given.extend(variables.into_iter().filter(|given| given.key.key != "name")),
        None => {
            let unnamed = keys().find(|key| key.key == "name").filter(|_| named.is_none());
            let name = unnamed.map(|key| Given { key, raw: name, origin: Origin::Default });
            drafts.push(Draft { origin, given: name.into_iter().chain(variables).collect() });
        }
    }
}

impl Draft {
    /// What is said last about a key.
    fn get(&self, key: &str) -> Option<&Given> {
        self.given.iter().rev().find(|given| given.key.key == key)
    }

    fn name(&self) -> Option<&str> {
        match &self.get("name")?.raw {
            Raw::Text(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is the environment that begins it.
    fn is_of_environment(&self) -> bool {
        matches!(self.origin, Origin::Environment(_))
    }

    /// That a key is missing.
    fn without(&self, key: &str, of: &str) -> Failure {
        let failure = Failure::caller(format!("{}: this target{of} has no {key}", self.origin));
        let Some(found) = keys().find(|known| known.key == key) else { return failure };
        let what = match self.is_of_environment() {
            true => format!("set {}", found.env),
            false => format!("add a line {key} = \"{}\" to the table", found.value_name),
        };
        failure.remedy(format!("{what} ({})", found.help))
    }
}

fn target<'a, I: Iterator<Item = &'a str>>(
    draft: &'a Draft,
    others: impl Fn() -> I,
) -> Result<TargetTable, Failure> {
    let name = draft.get("name").ok_or_else(|| draft.without("name", ""))?;
    let kind = match draft.get("type") {
        Some(given) => self::kind(given)?,
        None => {
            let known: Vec<_> = others().map(text::quoted).collect();
            let failure = draft.without("type", "");
            // Whoever set one variable alone meant to change a table.
            return Err(if draft.is_of_environment() && !known.is_empty() {
                let known = known.join(", ");
                failure.remedy(format!(
                    "set {PREFIX}TYPE, or {PREFIX}NAME to one of the configuration's: {known}"
                ))
            } else {
                failure
            });
        }
    };
    let mut target = TargetTable {
        config: TargetConfig::new(draft.name().unwrap_or_default(), kind),
        origin: draft.origin.clone(),
        origins: BTreeMap::new(),
    };
    for given in &draft.given {
        let (key, origin) = (given.key, &given.origin);
        if !key.kinds.contains(&kind) {
            let kinds = kinds_text(key.kinds);
            let what = format!("{origin}: {KEY}.{} makes no sense for the type {}", key.key, kind.name());
            return Err(
                Failure::caller(what).remedy(format!("leave it out; the types that have it: {kinds}"))
            );
        }
        (key.apply)(&mut target.config, &given.raw).map_err(|expected| given.refused(&expected))?;
        target.origins.insert(key.key, origin.clone());
    }
    for (one, other) in EITHER {
        if let (Some(one), Some(other)) = (draft.get(one), draft.get(other)) {
            let rank = |given: &Given| matches!(given.origin, Origin::Environment(_));
            if rank(one) == rank(other) {
                let (key, place) = (other.key.key, &other.origin);
                let what = format!("{place}: {KEY}.{key} beside {KEY}.{} ({})", one.key.key, one.origin);
                return Err(Failure::caller(what).remedy(format!("give one of them, best {key}")));
            }
        }
    }
    let of = format!(" ({}, {})", name.raw.quoted(), kind.name());
    for key in keys().filter(|key| key.needed && key.kinds.contains(&kind)) {
        if !target.origins.contains_key(key.key) {
            return Err(draft.without(key.key, &of));
        }
    }
    agree(&target)?;
    Ok(target)
}

fn kind(given: &Given) -> Result<TargetKind, Failure> {
    value::choice(&given.raw).map_err(|expected| match &given.raw {
        // They are all as near, so it takes to know what they mean.
        Raw::Text(text) if text.to_lowercase().starts_with("influx") => {
            let what = format!("{}: unknown type of target {}", given.origin, text::quoted(text));
            Failure::caller(what)
                .remedy("by the server's version it is influxdb-v1, influxdb-v2 or influxdb-v3")
        }
        Raw::Text(text) => {
            unknown(&given.origin.to_string(), "type of target", text, &value::names::<TargetKind>())
        }
        _ => given.refused(&expected),
    })
}

/// What each key may be and all of them together may not.
fn agree(target: &TargetTable) -> Result<(), Failure> {
    let config = &target.config;
    let wrong = |key: &str, what: String, remedy: &str| {
        Err(Failure::caller(format!("{}: {what}", target.origin(key))).remedy(remedy))
    };
    let has = |key: &str| target.origins.contains_key(key);
    if config.token.is_some() && (config.password.is_some() || !config.username.is_empty()) {
        let key = if has("token_file") { "token_file" } else { "token" };
        return wrong(
            key,
            format!("{KEY}.{key} beside a user's name or password"),
            "give the token alone, or username and password_file",
        );
    }
    if config.password.is_some() && config.username.is_empty() {
        let key = if has("password_file") { "password_file" } else { "password" };
        return wrong(
            key,
            format!("{KEY}.{key} without a user's name"),
            "add username, or give a token_file",
        );
    }
    for (one, other) in [("cert_file", "key_file"), ("key_file", "cert_file")] {
        if has(one) && !has(other) {
            return wrong(
                one,
                format!("{KEY}.{one} without {other}"),
                "a certificate goes with its key: give both",
            );
        }
    }
    if HTTP.contains(&config.kind) && config.url.get(..5).is_some_and(|url| url.eq_ignore_ascii_case("http:"))
    {
        let of_tls = ["ca_file", "cert_file", "key_file"].into_iter().find(|key| has(key));
        let key = of_tls.or(config.tls.insecure_skip_verify.then_some("insecure_skip_verify"));
        if let Some(key) = key {
            let what = format!("{KEY}.{key} beside a url that begins with http://, which is not encrypted");
            return wrong(key, what, "begin the url with https://");
        }
    }
    if config.backoff.0 > config.backoff.1 {
        let [least, most] = [config.backoff.0, config.backoff.1].map(value::show_duration);
        let key = if has("retry_min") { "retry_min" } else { "retry_max" };
        let what = format!("{KEY}.retry_min ({least}) is longer than retry_max ({most})");
        return wrong(key, what, "lower retry_min, or raise retry_max");
    }
    if config.queue_points < config.max_points {
        let what = format!(
            "{KEY}.queue_points ({}) is less than one batch may have, max_points ({})",
            config.queue_points, config.max_points
        );
        return wrong("queue_points", what, "raise queue_points, or lower max_points");
    }
    if config.queue_bytes < config.max_bytes {
        let [queue, batch] = [config.queue_bytes, config.max_bytes].map(measure::show_size);
        let what =
            format!("{KEY}.queue_bytes ({queue}) is less than one batch may have, max_bytes ({batch})");
        return wrong("queue_bytes", what, "raise queue_bytes, or lower max_bytes");
    }
    Ok(())
}
