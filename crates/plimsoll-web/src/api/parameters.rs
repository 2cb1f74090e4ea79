//! The parameters of questions: one table that reads them, and that describes them.

use plimsoll_model::text::bounded;
use plimsoll_store::{Function, Millis, Range, Rank, Selector, Tier};
use plimsoll_wire::export::Format;
use serde_json::{Value, json};

use super::failure::{Failure, nearest};
use super::time::{A_DURATION, A_TIME, duration, moment};

/// The range where no beginning is asked for.
const USUAL_RANGE: Millis = 3_600_000;

/// The containers that `top` answers where no number is asked for.
pub(crate) const USUAL_TOP: usize = 10;

/// The most containers that `top` answers.
const MOST_TOP: usize = 1000;

/// The events that are answered where no number is asked for.
pub(crate) const USUAL_EVENTS: usize = 1000;

/// The most events that one answer has. The history can give one more, by which is known that there are others.
const MOST_EVENTS: usize = 5000;

/// How much of a value a message repeats, in bytes.
const MAX_REPEATED: usize = 256;

/// A question, as far as parameters say it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The present.
    pub(crate) now: Millis,
    pub(crate) selector: Selector,
    pub(crate) from: Option<Millis>,
    pub(crate) until: Option<Millis>,
    pub(crate) metrics: Vec<String>,
    pub(crate) step: Option<Millis>,
    pub(crate) function: Option<Function>,
    pub(crate) rank: Rank,
    pub(crate) count: Option<usize>,
    pub(crate) tier: Tier,
    pub(crate) format: Format,
    pub(crate) target: Option<String>,
}

/// How an export is written.
pub(crate) const FORMATS: &[(&str, Format)] =
    &[("jsonl", Format::JsonLines), ("csv", Format::Csv), ("openmetrics", Format::OpenMetrics)];

impl Asked {
    fn at(now: Millis) -> Self {
        Self {
            now,
            selector: Selector::default(),
            from: None,
            until: None,
            metrics: Vec::new(),
            step: None,
            function: None,
            rank: Rank::default(),
            count: None,
            tier: Tier::Raw,
            format: Format::JsonLines,
            target: None,
        }
    }

    /// The range that is asked for: the last hour, where nothing else is said.
    pub(crate) fn range(&self) -> Range {
        let until = self.until.unwrap_or(self.now);
        Range { from: self.from.unwrap_or(until - USUAL_RANGE), until }
    }
}

/// A parameter.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// What it means, in sentences.
    pub(crate) about: &'static str,
    /// Whether there is no answer without it.
    pub(crate) is_required: bool,
    /// Whether it may stand more than once.
    pub(crate) repeats: bool,
    /// What a value is, as an OpenAPI schema.
    pub(crate) schema: fn() -> Value,
    /// Takes a value, or says what it should have been.
    read: fn(&mut Asked, &str) -> Result<(), String>,
}

/// Reads the parameters of a request, all of which must be in `known`.
pub(crate) fn read<'a>(
    known: &[&'static Parameter],
    given: impl Iterator<Item = (&'a str, &'a str)>,
    now: Millis,
) -> Result<Asked, Failure> {
    let mut asked = Asked::at(now);
    let mut seen = Vec::new();
    for (name, value) in given {
        let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
            let names = known.iter().map(|parameter| parameter.name);
            return Err(Failure::Question {
                message: format!("there is no parameter {:?} here", bounded(name, MAX_REPEATED)),
                nearest: nearest(name, names),
            });
        };
        if seen.contains(&parameter.name) && !parameter.repeats {
            return Err(Failure::question(format!("the parameter {name} may stand only once")));
        }
        seen.push(parameter.name);
        if value.is_empty() {
            return Err(Failure::question(format!("the parameter {name} has no value")));
        }
        (parameter.read)(&mut asked, value).map_err(|expected| {
            let value = bounded(value, MAX_REPEATED);
            Failure::question(format!("the parameter {name} cannot be {value:?}; expected {expected}"))
        })?;
    }
    match known.iter().find(|parameter| parameter.is_required && !seen.contains(&parameter.name)) {
        Some(missing) => Err(Failure::question(format!("the parameter {} is missing", missing.name))),
        None => Ok(asked),
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn one_of(names: impl Iterator<Item = &'static str>) -> Value {
    json!({ "type": "string", "enum": names.collect::<Vec<_>>() })
}

fn find<T: Copy>(choices: &[(&'static str, T)], name: &str) -> Result<T, String> {
    let found = choices.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("one of {}", names.join(", "))
    })
}

fn whole(value: &str, most: usize) -> Result<Option<usize>, String> {
    let count = value.parse::<usize>().ok().filter(|count| (1..=most).contains(count));
    count.map(Some).ok_or_else(|| format!("a whole number from 1 to {most}"))
}

pub(crate) const FUNCTIONS: &[(&str, Function)] = &[
    ("last", Function::Last),
    ("min", Function::Min),
    ("max", Function::Max),
    ("mean", Function::Mean),
    ("count", Function::Count),
    ("rate", Function::Rate),
    ("increase", Function::Increase),
];

pub(crate) const RANKS: &[(&str, Rank)] = &[
    ("mean", Rank::Mean),
    ("max", Rank::Max),
    ("min", Rank::Min),
    ("last", Rank::Last),
    ("p95", Rank::P95),
    ("increase", Rank::Increase),
];

const PLAIN: Parameter =
    Parameter { name: "", about: "", is_required: false, repeats: false, schema: text, read: |_, _| Ok(()) };

const CONTAINER: Parameter = Parameter {
    name: "container",
    about: "One container: its name, its id, or the beginning of its id (at least 4 characters).",
    read: |asked, value| {
        asked.selector.container = Some(value.to_owned());
        Ok(())
    },
    ..PLAIN
};

const ENGINE: Parameter = Parameter {
    name: "engine",
    about: "The engine's name.",
    read: |asked, value| {
        asked.selector.engine = Some(value.to_owned());
        Ok(())
    },
    ..PLAIN
};

/// The container that a question for one container is about.
pub(crate) const ONE: &[Parameter] = &[Parameter { is_required: true, ..CONTAINER }, ENGINE];

/// Which containers are meant.
pub(crate) const SELECTION: &[Parameter] = &[
    CONTAINER,
    Parameter {
        name: "name",
        about: "A pattern of names, with * and ?.",
        read: |asked, value| {
            asked.selector.name = Some(value.to_owned());
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "image",
        about: "A pattern of images, with * and ?.",
        read: |asked, value| {
            asked.selector.image = Some(value.to_owned());
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "label",
        about: "An engine label: KEY for any value of it, or KEY=PATTERN. Several must all match.",
        repeats: true,
        read: |asked, value| {
            let (key, pattern) = match value.split_once('=') {
                Some((key, pattern)) => (key, Some(pattern.to_owned())),
                None => (value, None),
            };
            if key.is_empty() {
                return Err("KEY or KEY=PATTERN".to_owned());
            }
            asked.selector.labels.push((key.to_owned(), pattern));
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "project",
        about: "A Compose project.",
        read: |asked, value| {
            asked.selector.project = Some(value.to_owned());
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "service",
        about: "A Compose service.",
        read: |asked, value| {
            asked.selector.service = Some(value.to_owned());
            Ok(())
        },
        ..PLAIN
    },
    ENGINE,
    Parameter {
        name: "host",
        about: "The host, its engines and the agent instead of containers.",
        schema: || json!({ "type": "boolean" }),
        read: |asked, value| {
            asked.selector.host = find(&[("true", true), ("false", false)], value)?;
            Ok(())
        },
        ..PLAIN
    },
];

/// When.
pub(crate) const RANGE: &[Parameter] = &[
    Parameter {
        name: "from",
        about: "The first moment: Unix seconds (with a fraction), RFC 3339, `now`, or a time before now such as `-15m`, \
                `-1h30m` or `-7d`. Without it, an hour before `until`.",
        read: |asked, value| {
            asked.from = Some(moment(value, asked.now).ok_or(A_TIME)?);
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "until",
        about: "The first moment that is not in the range any more, written as `from`. Without it, now.",
        read: |asked, value| {
            asked.until = Some(moment(value, asked.now).ok_or(A_TIME)?);
            Ok(())
        },
        ..PLAIN
    },
];

const METRIC: Parameter = Parameter {
    name: "metric",
    about: "A metric, by its name in /metrics.",
    read: |asked, value| {
        asked.metrics.push(value.to_owned());
        Ok(())
    },
    ..PLAIN
};

/// One metric.
pub(crate) const ONE_METRIC: &[Parameter] = &[Parameter { is_required: true, ..METRIC }];

/// At least one metric.
pub(crate) const METRICS: &[Parameter] = &[Parameter {
    is_required: true,
    repeats: true,
    about: "Metrics, by their names in /metrics.",
    ..METRIC
}];

/// Every metric, or those that are named.
pub(crate) const ANY_METRICS: &[Parameter] = &[Parameter {
    repeats: true,
    about: "Metrics, by their names in /metrics. Without any, all of them.",
    ..METRIC
}];

/// How series are cut.
pub(crate) const STEPS: &[Parameter] = &[
    Parameter {
        name: "step",
        about: "The time from point to point: `10s`, `1m`, `1h30m` or plain seconds. Points lie at multiples of it since 1970. \
                Without it, the finest usual step that makes at most 500 points.",
        read: |asked, value| {
            asked.step = Some(duration(value).ok_or(A_DURATION)?);
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "function",
        about: "What is done with the samples of a step. Without it, the rate of counters and the mean of everything else.",
        schema: || one_of(FUNCTIONS.iter().map(|(name, _)| *name)),
        read: |asked, value| {
            asked.function = Some(find(FUNCTIONS, value)?);
            Ok(())
        },
        ..PLAIN
    },
];

/// By what containers are ranked, and how many are wanted.
pub(crate) const RANKING: &[Parameter] = &[
    Parameter {
        name: "rank",
        about: "By what containers are ranked; of a counter, all but `increase` are of its rate. Without it, the mean.",
        schema: || one_of(RANKS.iter().map(|(name, _)| *name)),
        read: |asked, value| {
            asked.rank = find(RANKS, value)?;
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "n",
        about: "How many containers, at most. Without it, 10.",
        schema: || json!({ "type": "integer", "minimum": 1, "maximum": MOST_TOP, "default": USUAL_TOP }),
        read: |asked, value| {
            asked.count = whole(value, MOST_TOP)?;
            Ok(())
        },
        ..PLAIN
    },
];

/// How many events are wanted.
pub(crate) const LIMIT: &[Parameter] = &[Parameter {
    name: "limit",
    about: "The most events that are wanted; the latest are given. Without it, 1000.",
    schema: || json!({ "type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": USUAL_EVENTS }),
    read: |asked, value| {
        asked.count = whole(value, MOST_EVENTS)?;
        Ok(())
    },
    ..PLAIN
}];

/// Which target is meant.
pub(crate) const TARGET: &[Parameter] = &[Parameter {
    name: "target",
    about: "The name of a target. Without it, all of them.",
    schema: || json!({ "type": "string" }),
    read: |asked, value| {
        asked.target = Some(value.to_owned());
        Ok(())
    },
    ..PLAIN
}];

/// How an export is written, and how finely.
pub(crate) const EXPORT: &[Parameter] = &[
    Parameter {
        name: "format",
        about: "How it is written. Without it, JSON lines.",
        schema: || one_of(FORMATS.iter().map(|(name, _)| *name)),
        read: |asked, value| {
            asked.format = find(FORMATS, value)?;
            Ok(())
        },
        ..PLAIN
    },
    Parameter {
        name: "tier",
        about: "How finely: the samples, or the points of ten seconds, a minute or an hour. Without it, the samples.",
        schema: || one_of(Tier::ALL.into_iter().map(Tier::name)),
        read: |asked, value| {
            asked.tier = find(&Tier::ALL.map(|tier| (tier.name(), tier)), value)?;
            Ok(())
        },
        ..PLAIN
    },
];
