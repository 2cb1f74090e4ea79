//! To whom the agent delivers, and what its configuration says of them.

use std::path::Path;

use crate::servers::Databases;

/// The schema of a target's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    Default,
    Prometheus,
    Semconv,
    /// As the one before, in the characters that Prometheus wants unless it is told otherwise.
    SemconvEscaped,
}

/// A target whose samples are compared with the truth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) schema: Schema,
    pub(crate) database: Database,
}

/// Which database a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    Influx,
    Victoria,
    Prometheus,
}

/// The tag by which the points of several targets in one VictoriaMetrics differ.
pub(crate) const VIA: &str = "via";

/// All of them.
pub(crate) const TARGETS: [Target; 5] = [
    Target { name: "influx", schema: Schema::Default, database: Database::Influx },
    Target { name: "victoria-v1", schema: Schema::Default, database: Database::Victoria },
    Target { name: "victoria-v2", schema: Schema::Default, database: Database::Victoria },
    Target { name: "victoria-rw", schema: Schema::Prometheus, database: Database::Victoria },
    Target { name: "prometheus", schema: Schema::Prometheus, database: Database::Prometheus },
];

impl Schema {
    /// The target that writes the truth for it, and the file in the folder of the test.
    pub(crate) fn truth(self) -> (&'static str, &'static str) {
        match self {
            Self::Default => ("truth-default", "default.lp"),
            Self::Prometheus => ("truth-prometheus", "prometheus.lp"),
            Self::Semconv | Self::SemconvEscaped => ("truth-semconv", "semconv.lp"),
        }
    }

    /// The name in a configuration.
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Prometheus => "prometheus",
            Self::Semconv | Self::SemconvEscaped => "semconv",
        }
    }
}

/// The name of the database, where one is asked for.
pub(crate) const DATABASE: &str = "plimsoll";

/// That of all times.
const PRECISION: &str = "precision = \"ms\"";

/// What all targets have in common.
pub(crate) fn common(durability: &str) -> String {
    format!("durability = \"{durability}\"\nmax_wait = \"1s\"\nretry_min = \"100ms\"\nretry_max = \"1s\"")
}

/// The target that writes the truth for a schema.
pub(crate) fn file(schema: Schema, folder: &Path, common: &str) -> String {
    let (name, file) = schema.truth();
    let (path, schema) = (folder.join(file), schema.name());
    table(name, "file", &format!("path = {path:?}\nschema = \"{schema}\"\n{PRECISION}\n{common}"))
}

/// The targets of the agent's configuration.
pub(crate) fn configuration(databases: &Databases, folder: &Path, durability: &str, timeout: &str) -> String {
    let (influx, victoria, prometheus) = databases.urls();
    let common = common(durability);
    let network = format!("{common}\ntimeout = \"{timeout}\"");
    let lines = format!("{PRECISION}\n{network}");
    let database = format!("database = \"{DATABASE}\"");
    let of_files = [Schema::Default, Schema::Prometheus].map(|schema| file(schema, folder, &common));
    let of_databases = TARGETS.map(|target| {
        let name = target.name;
        let via = format!("tags = {{ {VIA} = \"{name}\" }}");
        match name {
            "influx" => table(name, "influxdb-v1", &format!("url = \"{influx}\"\n{database}\n{lines}")),
            "victoria-v1" => {
                table(name, "influxdb-v1", &format!("url = \"{victoria}\"\n{database}\n{via}\n{lines}"))
            }
            "victoria-v2" => table(
                name,
                "influxdb-v2",
                &format!("url = \"{victoria}\"\norg = \"o\"\nbucket = \"b\"\n{via}\n{lines}"),
            ),
            "victoria-rw" => {
                table(name, "remote-write", &format!("url = \"{victoria}/api/v1/write\"\n{via}\n{network}"))
            }
            _ => table(name, "remote-write", &format!("url = \"{prometheus}\"\n{network}")),
        }
    });
    format!("drain_timeout = \"30s\"\n{}{}", of_files.concat(), of_databases.concat())
}

/// A target of the configuration.
pub(crate) fn table(name: &str, kind: &str, rest: &str) -> String {
    format!("\n[[target]]\nname = \"{name}\"\ntype = \"{kind}\"\n{rest}\n")
}
