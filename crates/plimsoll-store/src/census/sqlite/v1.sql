-- Format 1 of a census on SQLite. The tables of Container Census with their names, and ours beside them.
-- Times are Unix milliseconds, days are days since the epoch.

CREATE TABLE telemetry_reports(
    id INTEGER PRIMARY KEY,
    installation_id TEXT NOT NULL,
    version TEXT,
    timestamp INTEGER NOT NULL,
    host_count INTEGER NOT NULL DEFAULT 0,
    agent_count INTEGER NOT NULL DEFAULT 0,
    total_containers INTEGER NOT NULL DEFAULT 0,
    scan_interval INTEGER NOT NULL DEFAULT 0,
    image_stats TEXT, -- JSON: [{"image": …, "count": …, "size_bytes": …}, …]
    agent_versions TEXT, -- JSON: {version: count, …}
    containers_running INTEGER DEFAULT 0,
    containers_stopped INTEGER DEFAULT 0,
    containers_paused INTEGER DEFAULT 0,
    containers_other INTEGER DEFAULT 0,
    avg_cpu_percent REAL DEFAULT 0,
    avg_memory_bytes INTEGER DEFAULT 0,
    total_memory_limit INTEGER DEFAULT 0,
    avg_restarts REAL DEFAULT 0,
    high_restart_containers INTEGER DEFAULT 0,
    total_image_size INTEGER DEFAULT 0,
    unique_images INTEGER DEFAULT 0,
    timezone TEXT,
    compose_project_count INTEGER DEFAULT 0,
    containers_in_compose INTEGER DEFAULT 0,
    network_count INTEGER DEFAULT 0,
    custom_network_count INTEGER DEFAULT 0,
    shared_volume_count INTEGER DEFAULT 0,
    containers_with_deps INTEGER DEFAULT 0,
    total_dependencies INTEGER DEFAULT 0,
    avg_connections_per_container REAL DEFAULT 0,
    created_at INTEGER
) STRICT;
CREATE INDEX idx_telemetry_installation_timestamp ON telemetry_reports(installation_id, timestamp DESC);
CREATE INDEX idx_telemetry_timestamp ON telemetry_reports(timestamp);

CREATE TABLE image_stats(
    id INTEGER PRIMARY KEY,
    installation_id TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    image TEXT NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER DEFAULT 0,
    created_at INTEGER
) STRICT;
CREATE INDEX idx_image_stats_installation_id ON image_stats(installation_id, timestamp);
CREATE INDEX idx_image_stats_timestamp ON image_stats(timestamp);

-- Ids are never used twice: whoever has seen events asks for those with a greater one.
CREATE TABLE submission_events(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    installation_id TEXT NOT NULL,
    event_type TEXT NOT NULL, -- new, update
    timestamp INTEGER NOT NULL,
    containers INTEGER NOT NULL DEFAULT 0,
    hosts INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER
) STRICT;
CREATE INDEX idx_submission_events_installation ON submission_events(installation_id);
CREATE INDEX idx_submission_events_timestamp ON submission_events(timestamp);

CREATE TABLE image_stats_weekly(
    id INTEGER PRIMARY KEY,
    week_start INTEGER NOT NULL,
    image TEXT NOT NULL,
    total_count INTEGER NOT NULL DEFAULT 0,
    installation_count INTEGER NOT NULL DEFAULT 0,
    first_seen INTEGER NOT NULL,
    created_at INTEGER,
    UNIQUE(week_start, image)
) STRICT;
CREATE INDEX idx_image_stats_weekly_image ON image_stats_weekly(image);

CREATE TABLE census_installations(
    installation_id TEXT PRIMARY KEY,
    report_id INTEGER, -- of telemetry_reports: the one written last
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    images_pending INTEGER NOT NULL -- whether image_stats lags behind
) STRICT, WITHOUT ROWID;
CREATE INDEX census_installations_pending ON census_installations(installation_id) WHERE images_pending;
CREATE INDEX census_installations_last_seen ON census_installations(last_seen);

-- What an installation reported last on a day.
CREATE TABLE census_history(
    day INTEGER NOT NULL,
    installation_id TEXT NOT NULL,
    containers INTEGER NOT NULL,
    hosts INTEGER NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY(day, installation_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX census_history_installation ON census_history(installation_id);

CREATE TABLE census_days(
    day INTEGER PRIMARY KEY,
    installations INTEGER NOT NULL,
    containers INTEGER NOT NULL
) STRICT;

CREATE TABLE census_meta(
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
