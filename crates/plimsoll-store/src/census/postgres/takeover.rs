//! Takes over the database of a Container Census in place, or makes a new one.
//!
//! All of it is one transaction under a lock: two programs that start together do it one after the other, and a schema
//! that is not known is left untouched.

use tokio_postgres::Client;

use super::address::Address;
use crate::census::CensusError;

/// The version of what is ours in the database.
pub(super) const VERSION: i64 = 1;

/// The lock under which schemas change: "census" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(109330010665843)";

const SCHEMA: &str = include_str!("schema.sql");
const FILL: &str = include_str!("fill.sql");

/// What every known schema has: table, columns, and the types that they may have.
const CORE: [(&str, &[(&str, Type)]); 4] = [
    (
        "telemetry_reports",
        &[
            ("id", Type::Whole),
            ("installation_id", Type::Text),
            ("version", Type::Text),
            ("timestamp", Type::Time),
            ("host_count", Type::Whole),
            ("agent_count", Type::Whole),
            ("total_containers", Type::Whole),
            ("scan_interval", Type::Whole),
            ("image_stats", Type::Json),
            ("agent_versions", Type::Json),
        ],
    ),
    (
        "image_stats",
        &[
            ("id", Type::Whole),
            ("installation_id", Type::Text),
            ("timestamp", Type::Time),
            ("image", Type::Text),
            ("count", Type::Whole),
        ],
    ),
    (
        "submission_events",
        &[
            ("id", Type::Whole),
            ("installation_id", Type::Text),
            ("event_type", Type::Text),
            ("timestamp", Type::Time),
            ("containers", Type::Whole),
            ("hosts", Type::Whole),
        ],
    ),
    (
        "image_stats_weekly",
        &[
            ("id", Type::Whole),
            ("week_start", Type::Date),
            ("image", Type::Text),
            ("total_count", Type::Whole),
            ("installation_count", Type::Whole),
            ("first_seen", Type::Date),
        ],
    ),
];

/// Columns that later versions added, which may be there with these types.
const ADDED: [(&str, &str, Type); 22] = [
    ("telemetry_reports", "containers_running", Type::Whole),
    ("telemetry_reports", "containers_stopped", Type::Whole),
    ("telemetry_reports", "containers_paused", Type::Whole),
    ("telemetry_reports", "containers_other", Type::Whole),
    ("telemetry_reports", "avg_cpu_percent", Type::Real),
    ("telemetry_reports", "avg_memory_bytes", Type::Whole),
    ("telemetry_reports", "total_memory_limit", Type::Whole),
    ("telemetry_reports", "avg_restarts", Type::Real),
    ("telemetry_reports", "high_restart_containers", Type::Whole),
    ("telemetry_reports", "total_image_size", Type::Whole),
    ("telemetry_reports", "unique_images", Type::Whole),
    ("telemetry_reports", "timezone", Type::Text),
    ("telemetry_reports", "compose_project_count", Type::Whole),
    ("telemetry_reports", "containers_in_compose", Type::Whole),
    ("telemetry_reports", "network_count", Type::Whole),
    ("telemetry_reports", "custom_network_count", Type::Whole),
    ("telemetry_reports", "shared_volume_count", Type::Whole),
    ("telemetry_reports", "containers_with_deps", Type::Whole),
    ("telemetry_reports", "total_dependencies", Type::Whole),
    ("telemetry_reports", "avg_connections_per_container", Type::Real),
    ("telemetry_reports", "created_at", Type::Time),
    ("image_stats", "size_bytes", Type::Whole),
];

#[derive(Clone, Copy)]
enum Type {
    Whole,
    Real,
    Text,
    Time,
    Date,
    Json,
}

impl Type {
    /// Names as `format_type` gives them, without lengths.
    fn allows(self, name: &str) -> bool {
        let names: &[&str] = match self {
            Self::Whole => &["integer", "bigint"],
            Self::Real => &["real"],
            Self::Text => &["character varying", "text"],
            Self::Time => &["timestamp with time zone"],
            Self::Date => &["date"],
            Self::Json => &["jsonb"],
        };
        names.contains(&name)
    }
}

const COLUMNS: &str = "SELECT c.relname::text, c.relkind::text, a.attname::text, format_type(a.atttypid, NULL) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
     WHERE n.nspname = current_schema() AND c.relname = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

const OURS: [&str; 4] = ["census_meta", "census_installations", "census_history", "census_days"];

pub(super) async fn take_over(client: &mut Client, address: &Address) -> Result<(), CensusError> {
    let failed = |error| address.failed("take over the tables", error);
    let on = client.transaction().await.map_err(failed)?;
    on.query_one(LOCK, &[]).await.map_err(failed)?;
    let names: Vec<&str> = CORE.iter().map(|(table, _)| *table).chain(OURS).collect();
    let rows = on.query(COLUMNS, &[&names]).await.map_err(failed)?;
    let found: Vec<[String; 4]> =
        rows.iter().map(|row| [row.get(0), row.get(1), row.get(2), row.get(3)]).collect();
    check(&found).map_err(|why| CensusError::UnknownSchema { database: address.shown.clone(), why })?;
    if found.iter().any(|[table, ..]| table == "census_meta") {
        let row =
            on.query_opt("SELECT value FROM census_meta WHERE key = 'version'", &[]).await.map_err(failed)?;
        let version = row.and_then(|row| row.get::<_, String>(0).parse().ok()).unwrap_or(0);
        if version > VERSION {
            return Err(CensusError::NewerVersion {
                database: address.shown.clone(),
                version,
                known: VERSION,
            });
        }
        if version == VERSION {
            return Ok(());
        }
    }
    on.batch_execute(SCHEMA).await.map_err(failed)?;
    on.batch_execute(FILL).await.map_err(failed)?;
    on.execute("INSERT INTO census_meta VALUES ('version', $1)", &[&VERSION.to_string()])
        .await
        .map_err(failed)?;
    on.commit().await.map_err(failed)?;
    tracing::info!(database = address.shown, "the census database was taken over or made");
    Ok(())
}

/// What is not as it should be.
fn check(found: &[[String; 4]]) -> Result<(), String> {
    let column = |table: &str, column: &str| {
        found.iter().find(|[of, _, name, _]| of == table && name == column).map(|[.., name]| name.as_str())
    };
    for (table, columns) in CORE {
        let Some([_, kind, ..]) = found.iter().find(|[of, ..]| of == table) else { continue };
        if kind != "r" {
            return Err(format!("{table} is no ordinary table"));
        }
        for (name, wanted) in columns {
            match column(table, name) {
                None => return Err(format!("{table} has no column {name}")),
                Some(other) if !wanted.allows(other) => {
                    return Err(format!("{table}.{name} has the type {other}"));
                }
                Some(_) => {}
            }
        }
    }
    for (table, name, wanted) in ADDED {
        if let Some(other) = column(table, name).filter(|other| !wanted.allows(other)) {
            return Err(format!("{table}.{name} has the type {other}"));
        }
    }
    let has_meta = found.iter().any(|[table, ..]| table == "census_meta");
    let other = found.iter().find(|[table, ..]| OURS.contains(&table.as_str()));
    match other {
        Some([table, ..]) if !has_meta => Err(format!("{table} was made by another program")),
        _ if has_meta && column("census_meta", "value").is_none_or(|kind| kind != "text") => {
            Err("census_meta was made by another program".to_owned())
        }
        _ => Ok(()),
    }
}
