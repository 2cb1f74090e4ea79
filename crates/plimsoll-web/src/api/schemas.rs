//! The schemas of answers, in the words of JSON Schema.

use plimsoll_store::Tier;
use serde_json::{Value, json};

use super::failure::KINDS;
use super::parameters::{FUNCTIONS, RANKS};

/// What happens to containers, as `event` has it.
const EVENTS: [&str; 11] = [
    "created",
    "started",
    "restarted",
    "exited",
    "oom_killed",
    "paused",
    "unpaused",
    "health",
    "renamed",
    "limit",
    "removed",
];

/// The schemas that others refer to.
pub(crate) fn shared() -> Value {
    json!({
        "Container": object("A container, or one after another under the same name, in short.", &whose()),
        "Member": object("A container of a line.", &[
            ("id", text("The full id.")),
            ("name", text("The name.")),
            ("image", text("The image, as it was asked for.")),
            ("labels", labels("Engine labels.")),
            ("created?", time("When it was created, where the engine told.")),
            ("since", time("When it was first seen under this name.")),
            ("last", time("The last sample.")),
        ]),
        "Metric": object("What a metric is.", &metric()),
        "Event": object("Something that happened. What does not concern its kind is absent.", &[
            ("at", time("When.")),
            ("id", text("The container's full id.")),
            ("name", text("Its name then.")),
            ("event", json!({ "type": "string", "enum": EVENTS })),
            ("count?", whole("How often, since the sample before; the details are of the last time.")),
            ("exit_code?", whole("The exit code, where it is known.")),
            ("health?", text("The health check's result now.")),
            ("old_name?", text("The name before.")),
            ("metric?", text("The metric that shows the limit.")),
            ("before?", number("The limit before, in the metric's unit; absent for none.")),
            ("after?", number("The limit now; absent for none.")),
        ]),
        "Error": object("What went wrong.", &[("error", object("", &[
            ("kind", json!({ "type": "string", "enum": KINDS.iter().map(|(_, word, _)| *word).collect::<Vec<_>>() })),
            ("message", text("What went wrong, in one line for people.")),
            ("nearest", described(list(text("")), "What may have been meant; empty where nothing is like it.")),
        ]))]),
    })
}

pub(crate) fn containers() -> Value {
    object(
        "",
        &[
            ("from", time("The range.")),
            ("until", time("The end of the range.")),
            ("containers", list(object("", &line()))),
        ],
    )
}

pub(crate) fn container() -> Value {
    let value = object(
        "",
        &[
            ("metric", text("The metric.")),
            ("labels", labels("Labels beyond those of the container.")),
            ("value", number("The value, in the metric's unit.")),
        ],
    );
    let [_, kind, unit, help] = metric();
    let cost = object(
        "A metric that is kept, and what it costs. One that is no more in the catalog has neither kind, unit nor help.",
        &[
            ("name", text("The metric.")),
            ("kind?", kind.1),
            ("unit?", unit.1),
            ("help?", help.1),
            ("series", whole("Its series.")),
            ("values", whole("Its values.")),
            ("bytes", whole("Its share of the stored bytes.")),
        ],
    );
    let last = object(
        "The numbers of the last sample, those included that follow from others.",
        &[("at", time("When.")), ("values", list(value))],
    );
    let mut fields = line();
    fields.extend([("last?", last), ("metrics", list(cost)), ("events", list(refer("Event")))]);
    object("", &fields)
}

pub(crate) fn series() -> Value {
    let values = json!({ "type": "array", "items": { "type": ["number", "null"] } });
    let series = object(
        "",
        &[
            ("container", whole("Whose it is: a position in `containers`.")),
            ("metric", text("Which metric.")),
            ("labels", labels("Labels beyond those of the container.")),
            ("function", json!({ "type": "string", "enum": names(FUNCTIONS) })),
            ("unit", text("The unit of the values.")),
            ("values", described(values, "A value for each step; `null` where there is no sample.")),
        ],
    );
    object(
        "",
        &[
            ("from", time("The time of the first value.")),
            ("step", whole("From one value to the next, in milliseconds.")),
            ("tier", tier()),
            ("containers", list(refer("Container"))),
            ("metrics", list(refer("Metric"))),
            ("series", described(list(series), "Those that have a value in the range.")),
        ],
    )
}

pub(crate) fn aggregate() -> Value {
    let figures = object(
        "",
        &[
            ("metric", text("Which metric.")),
            ("labels", labels("Labels beyond those of the container.")),
            ("unit", text("The unit of the figures.")),
            ("samples", whole("How many samples there are.")),
            ("min", number("The least.")),
            ("max", number("The largest.")),
            ("mean", number("The mean.")),
            ("last", number("The last.")),
            ("p50", number("The median.")),
            ("p90", number("The 90th percentile.")),
            ("p95", number("The 95th percentile.")),
            ("p99", number("The 99th percentile.")),
            ("increase?", number("Of a counter: how much it grew, in the metric's unit.")),
        ],
    );
    let mut of = whose();
    of.push(("figures", list(figures)));
    object(
        "",
        &[
            ("from", time("The range.")),
            ("until", time("The end of the range.")),
            ("tier", tier()),
            ("metrics", list(refer("Metric"))),
            ("containers", list(object("", &of))),
        ],
    )
}

pub(crate) fn top() -> Value {
    let mut ranked = whose();
    ranked.push(("value", number("By what it is ranked.")));
    object(
        "",
        &[
            ("from", time("The range.")),
            ("until", time("The end of the range.")),
            ("tier", tier()),
            ("metric", refer("Metric")),
            ("rank", json!({ "type": "string", "enum": names(RANKS) })),
            ("unit", text("The unit of the values.")),
            ("containers", described(list(object("", &ranked)), "The one with most first.")),
        ],
    )
}

pub(crate) fn events() -> Value {
    object(
        "",
        &[
            ("from", time("The range.")),
            ("until", time("The end of the range.")),
            ("more", json!({ "type": "boolean", "description": "Whether there are others before these." })),
            ("events", list(refer("Event"))),
        ],
    )
}

pub(crate) fn status() -> Value {
    let kept = object(
        "",
        &[
            ("tier", tier()),
            ("first?", time("The first sample.")),
            ("last?", time("The last sample.")),
            ("blocks", whole("Sealed blocks.")),
            ("bytes", whole("Their bytes.")),
            ("values", whole("The numbers in them.")),
        ],
    );
    object(
        "",
        &[
            ("now", time("The agent's clock.")),
            ("file_bytes", whole("The size of the file with its side files.")),
            ("max_bytes?", whole("The bound that the agent keeps, where it is known.")),
            ("free_bytes", whole("Bytes of the file that are free to be used again.")),
            ("containers", whole("Containers.")),
            ("lines", whole("Lines that they make.")),
            ("events", whole("Events.")),
            ("series", whole("Names of series.")),
            ("tiers", list(kept)),
        ],
    )
}

pub(crate) fn collectors() -> Value {
    let yes = |about| described(json!({ "type": "boolean" }), about);
    let one = object(
        "A collector. What stands here of schedules is absent for the agent's own, which run with each sample.",
        &[
            ("name", text("Its name.")),
            ("type", text("Its type; `built-in` for the agent's own.")),
            ("healthy", yes("Whether it works. One that keeps failing is tried seldom.")),
            ("success?", yes("Whether its last collection succeeded.")),
            ("duration?", number("How long its last attempt took, in seconds.")),
            ("interval?", number("The time between two collections, in seconds.")),
            ("timeout?", number("How long an attempt may take, in seconds.")),
            ("runs?", whole("Attempts so far.")),
            ("failures?", counts("Attempts that failed, by reason.")),
            ("skipped?", whole("Collections left out because the one before was still under way.")),
            ("values?", whole("Values in its last collection that succeeded.")),
            ("dropped?", counts("Values that were left out, by reason.")),
            ("unhealthy_containers?", whole("Containers of which nothing can be collected.")),
            ("last_success?", time("When it last succeeded.")),
            ("last_error?", text("What went wrong the last time.")),
        ],
    );
    object("", &[("at", time("The moment.")), ("collectors", list(one))])
}

pub(crate) fn targets() -> Value {
    let one = object(
        "A target of deliveries.",
        &[
            ("name", text("Its name.")),
            ("type", text("Its type, such as `influxdb-v2`.")),
            ("address", text("Where it is, without anything secret.")),
            (
                "state",
                text("How it does: `starting`, `up`, `retrying`, `unauthorized`, `not_found`, `refusing`."),
            ),
            ("trouble?", text("What is wrong.")),
            (
                "collected",
                whole("Points that came in, those that were found in the spool at start included."),
            ),
            ("delivered", whole("Points that the target has.")),
            ("rejected", counts("Points that it, or its format, refused, by reason.")),
            ("dropped", counts("Points that were given up, by reason.")),
            ("queued", whole("Points that wait, those under way included.")),
            ("resent", whole("Points that were sent once more, each time counted.")),
            ("queued_bytes", whole("Bytes of batches that wait.")),
            ("oldest_age?", number("The age of the oldest sample that waits.")),
            ("capacity?", number("How long an outage could still last before something is dropped.")),
            ("lag?", number("From the latest sample of the last delivered batch to the target's answer.")),
        ],
    );
    object("", &[("at", time("The moment.")), ("targets", list(one))])
}

pub(crate) fn flush() -> Value {
    let one = object(
        "What came of it for a target.",
        &[
            ("name", text("Its name.")),
            ("answered", described(json!({ "type": "boolean" }), "Whether there was a verdict in time.")),
            ("delivered", whole("Points that the target has taken since.")),
            ("rejected", whole("Points that were refused since.")),
            ("dropped", whole("Points that were given up since.")),
            ("queued", whole("Points that still wait of those that were there when it was asked for.")),
            ("trouble?", text("What is wrong.")),
        ],
    );
    object("", &[("targets", list(one))])
}

/// A number for each of some words.
fn counts(about: &str) -> Value {
    described(json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } }), about)
}

/// A body that is no JSON document.
pub(crate) fn lines() -> Value {
    json!({ "type": "string" })
}

pub(crate) fn document() -> Value {
    json!({ "type": "object", "required": ["openapi", "paths"], "additionalProperties": true })
}

type Field = (&'static str, Value);

fn whose() -> Vec<Field> {
    vec![
        ("line", whole("The line's number in this history.")),
        ("name", text("The name of the last container.")),
        ("engine", text("The engine's name.")),
        ("id?", text("The full id of the last container; absent for the host.")),
        ("image?", text("The image of the last container; absent for the host.")),
        ("seams", described(list(time("")), "When each container of the line but the first took over.")),
    ]
}

fn line() -> Vec<Field> {
    vec![
        ("line", whole("The line's number in this history.")),
        ("name", text("The name of the last container.")),
        ("engine", text("The engine's name.")),
        ("members", described(list(refer("Member")), "The containers of the line, in order of time.")),
    ]
}

fn metric() -> [Field; 4] {
    [
        ("name", text("The name, as in /metrics.")),
        (
            "kind",
            described(
                json!({ "type": "string", "enum": ["counter", "gauge", "info", "untyped"] }),
                "How it behaves.",
            ),
        ),
        ("unit", text("The unit; empty for a plain number.")),
        ("help", text("What it means.")),
    ]
}

/// An object. A field whose name ends in `?` may be absent.
fn object(about: &str, fields: &[Field]) -> Value {
    let required: Vec<_> = fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: serde_json::Map<_, _> =
        fields.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    described(json!({ "type": "object", "required": required, "properties": properties }), about)
}

fn described(mut schema: Value, about: &str) -> Value {
    if !about.is_empty() {
        schema["description"] = about.into();
    }
    schema
}

fn text(about: &str) -> Value {
    described(json!({ "type": "string" }), about)
}

fn whole(about: &str) -> Value {
    described(json!({ "type": "integer", "minimum": 0 }), about)
}

fn number(about: &str) -> Value {
    described(json!({ "type": "number" }), about)
}

/// Unix milliseconds.
fn time(about: &str) -> Value {
    described(json!({ "type": "integer" }), [about, "Unix milliseconds."].join(" ").trim_start())
}

fn labels(about: &str) -> Value {
    described(json!({ "type": "object", "additionalProperties": { "type": "string" } }), about)
}

fn list(items: Value) -> Value {
    let mut list = json!({ "type": "array" });
    list["items"] = items;
    list
}

fn refer(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn tier() -> Value {
    let names: Vec<_> = Tier::ALL.into_iter().map(Tier::name).collect();
    described(
        json!({ "type": "string", "enum": names }),
        "The coarsest tier that was read: samples, or points of a time.",
    )
}

fn names<T>(choices: &[(&'static str, T)]) -> Vec<&'static str> {
    choices.iter().map(|(name, _)| *name).collect()
}
