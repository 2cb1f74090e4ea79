//! The paths of the API.

use plimsoll_model::Snapshot;
use plimsoll_store::History;
use serde_json::Value;

use super::body::Out;
use super::failure::Failure;
use super::parameters::{
    ANY_METRICS, Asked, EXPORT, LIMIT, METRICS, ONE, ONE_METRIC, Parameter, RANGE, RANKING, SELECTION, STEPS,
    TARGET,
};
use super::{answers, collectors, export, numbers, schemas, targets};

/// Answers a question.
pub(crate) type Question = fn(&History, &Asked, &mut Out) -> Result<(), Failure>;

/// Answers from a snapshot.
pub(crate) type Present = fn(&Snapshot) -> Result<Vec<u8>, Failure>;

/// How an endpoint answers.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// From the history.
    Question(Question),
    /// From the history, at length.
    Export(Question),
    /// From the present snapshot.
    Present(Present),
    /// With the OpenAPI document.
    Document,
    /// Once targets have sent what waits.
    Flush,
}

/// A path of the API.
pub(crate) struct Endpoint {
    pub(crate) path: &'static str,
    /// Its name in programs.
    pub(crate) id: &'static str,
    /// What it answers, in a few words.
    pub(crate) about: &'static str,
    /// What else there is to say.
    pub(crate) details: &'static str,
    groups: &'static [&'static [Parameter]],
    pub(crate) answer: Answer,
    /// The answer's schema.
    pub(crate) schema: fn() -> Value,
}

impl Endpoint {
    /// Whether it does something, so that it takes `POST` rather than `GET`.
    pub(crate) fn changes(&self) -> bool {
        matches!(self.answer, Answer::Flush)
    }

    /// The parameters that it takes.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }
}

/// Every path of the API.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/api/v1/containers",
        id: "containers",
        about: "the containers of a time, with those that came before under the same name",
        details: "A line goes on when a container is created anew under the same name, or for the same Compose service. Lines are \
                  in order of name; the containers of a line in order of time.",
        groups: &[SELECTION, RANGE],
        answer: Answer::Question(answers::containers),
        schema: schemas::containers,
    },
    Endpoint {
        path: "/api/v1/container",
        id: "container",
        about: "one container: who it is and was, its last numbers, its events, what its metrics cost",
        details: "The events are the latest hundred.",
        groups: &[ONE],
        answer: Answer::Question(answers::container),
        schema: schemas::container,
    },
    Endpoint {
        path: "/api/v1/series",
        id: "series",
        about: "numbers at equal steps of time",
        details: "Each series is an array of numbers: the first stands for the time from `from` on, each other a `step` later. A \
                  step without samples is `null`. `step` may be more than was asked for where that time is kept more coarsely.",
        groups: &[SELECTION, RANGE, METRICS, STEPS],
        answer: Answer::Question(numbers::series),
        schema: schemas::series,
    },
    Endpoint {
        path: "/api/v1/aggregate",
        id: "aggregate",
        about: "minimum, maximum, mean, last and percentiles over a time",
        details: "Of a counter, they are of its rate, a second; `increase` is how much it grew in all.",
        groups: &[SELECTION, RANGE, METRICS],
        answer: Answer::Question(numbers::aggregate),
        schema: schemas::aggregate,
    },
    Endpoint {
        path: "/api/v1/top",
        id: "top",
        about: "the containers with most of something over a time",
        details: "The series of one container (its interfaces, its devices) are added up.",
        groups: &[SELECTION, RANGE, ONE_METRIC, RANKING],
        answer: Answer::Question(numbers::top),
        schema: schemas::top,
    },
    Endpoint {
        path: "/api/v1/events",
        id: "events",
        about: "what happened to containers: starts, exits, OOM kills, health, limits",
        details: "In order of time. `more` tells that there were others before, beyond `limit`.",
        groups: &[SELECTION, RANGE, LIMIT],
        answer: Answer::Question(answers::events),
        schema: schemas::events,
    },
    Endpoint {
        path: "/api/v1/export",
        id: "export",
        about: "every stored number of a time",
        details: "As CSV and as JSON lines: container after container, each in order of time. As OpenMetrics: metric after \
                  metric, each series in order of time, as `promtool tsdb create-blocks-from openmetrics` takes it. An answer of \
                  any length is sent as it is read; one that breaks off ends without its last chunk.",
        groups: &[SELECTION, RANGE, ANY_METRICS, EXPORT],
        answer: Answer::Export(export::export),
        schema: schemas::lines,
    },
    Endpoint {
        path: "/api/v1/status",
        id: "status",
        about: "what the history holds, and its size",
        details: "",
        groups: &[],
        answer: Answer::Question(answers::status),
        schema: schemas::status,
    },
    Endpoint {
        path: "/api/v1/collectors",
        id: "collectors",
        about: "how collectors do: the agent's own, and those of the configuration",
        details: "This is of the present, and needs no history. What is scheduled on the framework also tells how often it runs, \
                  what failed and what was left out, by reason, and what went wrong the last time. Durations are in seconds.",
        groups: &[],
        answer: Answer::Present(collectors::answer),
        schema: schemas::collectors,
    },
    Endpoint {
        path: "/api/v1/targets",
        id: "targets",
        about: "how deliveries do: each target with its account of points",
        details: "This is of the present, and needs no history. Always: `collected` is the sum of `delivered`, `rejected`, `dropped` \
                  and `queued`. What a point is depends on the target: a line, a sample, a data point. Durations are in seconds.",
        groups: &[],
        answer: Answer::Present(targets::answer),
        schema: schemas::targets,
    },
    Endpoint {
        path: "/api/v1/flush",
        id: "flush",
        about: "POST: sends what waits for targets, and waits for the verdict",
        details: "Of one target, or of all. A target that is in trouble is tried once more. The numbers are of what was decided since \
                  the request; `queued` is what still waits of what was there then.",
        groups: &[TARGET],
        answer: Answer::Flush,
        schema: schemas::flush,
    },
    Endpoint {
        path: "/api/v1/openapi.json",
        id: "openapi",
        about: "this API, described for programs",
        details: "",
        groups: &[],
        answer: Answer::Document,
        schema: schemas::document,
    },
];
