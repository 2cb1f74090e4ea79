-- The tables of Container Census in their newest form: made where there are none, completed where they are older.

CREATE TABLE IF NOT EXISTS telemetry_reports (
    id SERIAL PRIMARY KEY,
    installation_id VARCHAR(255) NOT NULL,
    version VARCHAR(50),
    timestamp TIMESTAMPTZ NOT NULL,
    host_count INTEGER NOT NULL DEFAULT 0,
    agent_count INTEGER NOT NULL DEFAULT 0,
    total_containers INTEGER NOT NULL DEFAULT 0,
    scan_interval INTEGER NOT NULL DEFAULT 0,
    image_stats JSONB,
    agent_versions JSONB
);
ALTER TABLE telemetry_reports
    ADD COLUMN IF NOT EXISTS containers_running INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS containers_stopped INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS containers_paused INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS containers_other INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS avg_cpu_percent REAL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS avg_memory_bytes BIGINT DEFAULT 0,
    ADD COLUMN IF NOT EXISTS total_memory_limit BIGINT DEFAULT 0,
    ADD COLUMN IF NOT EXISTS avg_restarts REAL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS high_restart_containers INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS total_image_size BIGINT DEFAULT 0,
    ADD COLUMN IF NOT EXISTS unique_images INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS timezone VARCHAR(100),
    ADD COLUMN IF NOT EXISTS compose_project_count INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS containers_in_compose INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS network_count INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS custom_network_count INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS shared_volume_count INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS containers_with_deps INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS total_dependencies INTEGER DEFAULT 0,
    ADD COLUMN IF NOT EXISTS avg_connections_per_container REAL DEFAULT 0.0,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ DEFAULT NOW();
CREATE INDEX IF NOT EXISTS idx_telemetry_installation_id ON telemetry_reports(installation_id);
CREATE INDEX IF NOT EXISTS idx_telemetry_timestamp ON telemetry_reports(timestamp);
CREATE INDEX IF NOT EXISTS idx_telemetry_installation_timestamp ON telemetry_reports(installation_id, timestamp DESC);

CREATE TABLE IF NOT EXISTS image_stats (
    id SERIAL PRIMARY KEY,
    installation_id VARCHAR(255) NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    image VARCHAR(500) NOT NULL,
    count INTEGER NOT NULL DEFAULT 0
);
ALTER TABLE image_stats
    ADD COLUMN IF NOT EXISTS size_bytes BIGINT DEFAULT 0,
    ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ DEFAULT NOW();
CREATE INDEX IF NOT EXISTS idx_image_stats_image ON image_stats(image);
CREATE INDEX IF NOT EXISTS idx_image_stats_installation_id ON image_stats(installation_id);
CREATE INDEX IF NOT EXISTS idx_image_stats_timestamp ON image_stats(timestamp);

CREATE TABLE IF NOT EXISTS submission_events (
    id SERIAL PRIMARY KEY,
    installation_id VARCHAR(255) NOT NULL,
    event_type VARCHAR(10) NOT NULL,
    timestamp TIMESTAMPTZ NOT NULL,
    containers INTEGER NOT NULL DEFAULT 0,
    hosts INTEGER NOT NULL DEFAULT 0
);
ALTER TABLE submission_events ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ DEFAULT NOW();
CREATE INDEX IF NOT EXISTS idx_submission_events_id ON submission_events(id DESC);
CREATE INDEX IF NOT EXISTS idx_submission_events_timestamp ON submission_events(timestamp DESC);

CREATE TABLE IF NOT EXISTS image_stats_weekly (
    id SERIAL PRIMARY KEY,
    week_start DATE NOT NULL,
    image VARCHAR(500) NOT NULL,
    total_count INTEGER NOT NULL DEFAULT 0,
    installation_count INTEGER NOT NULL DEFAULT 0,
    first_seen DATE,
    UNIQUE (week_start, image)
);
ALTER TABLE image_stats_weekly ADD COLUMN IF NOT EXISTS created_at TIMESTAMPTZ DEFAULT NOW();
CREATE UNIQUE INDEX IF NOT EXISTS census_weekly_key ON image_stats_weekly(week_start, image);

-- Ours. Rows of installations are updated with every report: what is indexed of them seldom changes.
CREATE TABLE IF NOT EXISTS census_installations (
    installation_id VARCHAR(255) PRIMARY KEY,
    report_id BIGINT, -- of telemetry_reports: the one written last
    report_at TIMESTAMPTZ, -- its time when we wrote it
    first_seen TIMESTAMPTZ NOT NULL,
    last_seen TIMESTAMPTZ NOT NULL,
    images_pending BOOLEAN NOT NULL DEFAULT false -- whether image_stats lags behind
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS census_installations_pending ON census_installations(installation_id) WHERE images_pending;

-- What an installation reported last on a day.
CREATE TABLE IF NOT EXISTS census_history (
    day DATE NOT NULL,
    installation_id VARCHAR(255) NOT NULL,
    containers INTEGER NOT NULL,
    hosts INTEGER NOT NULL,
    images INTEGER NOT NULL,
    PRIMARY KEY (installation_id, day)
) WITH (fillfactor = 80);
CREATE INDEX IF NOT EXISTS census_history_day ON census_history(day);

CREATE TABLE IF NOT EXISTS census_days (
    day DATE PRIMARY KEY,
    installations BIGINT NOT NULL,
    containers BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS census_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
