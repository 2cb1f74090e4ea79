-- Format 1 of a history. A file of each format stays in the tests for good.
-- Times are Unix milliseconds. `mark` is a checksum of its row (see file/mark.rs): SQLite has none of its own.

-- The names of series, for the whole file.
CREATE TABLE series(
    id INTEGER PRIMARY KEY,
    metric TEXT NOT NULL,
    labels TEXT NOT NULL, -- JSON: [[key, value], ...]
    mark INTEGER NOT NULL,
    UNIQUE(metric, labels)
) STRICT;

-- Engine labels of containers; many containers have the same ones.
CREATE TABLE label_sets(
    id INTEGER PRIMARY KEY,
    labels TEXT NOT NULL UNIQUE -- JSON: {key: value, ...}
) STRICT;

-- What goes on when a container is created anew.
CREATE TABLE lines(
    id INTEGER PRIMARY KEY,
    engine TEXT NOT NULL,
    key TEXT NOT NULL,
    mark INTEGER NOT NULL,
    UNIQUE(engine, key)
) STRICT;

CREATE TABLE containers(
    id INTEGER PRIMARY KEY,
    engine TEXT NOT NULL,
    container TEXT NOT NULL, -- the full id
    name TEXT NOT NULL,
    image TEXT NOT NULL,
    image_id TEXT NOT NULL,
    labels INTEGER NOT NULL, -- of label_sets
    project TEXT NOT NULL,
    service TEXT NOT NULL,
    created INTEGER,
    first_seen INTEGER NOT NULL, -- not in the mark
    last_seen INTEGER NOT NULL, -- not in the mark
    mark INTEGER NOT NULL,
    UNIQUE(engine, container)
) STRICT;
CREATE INDEX containers_labels ON containers(labels);
CREATE INDEX containers_last_seen ON containers(last_seen);

-- Which line a container belonged to from when on. A rename begins a span in another line.
CREATE TABLE spans(
    container INTEGER NOT NULL,
    since INTEGER NOT NULL,
    line INTEGER NOT NULL,
    PRIMARY KEY(container, since)
) STRICT, WITHOUT ROWID;
CREATE INDEX spans_line ON spans(line);

-- Sealed blocks. Slim, since queries and retention scan it; the bytes stand in `data`.
CREATE TABLE blocks(
    tier INTEGER NOT NULL,
    container INTEGER NOT NULL, -- 0 is the host
    first INTEGER NOT NULL, -- the first and the last sample
    last INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    vals INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    data INTEGER NOT NULL, -- of data
    mark INTEGER NOT NULL,
    PRIMARY KEY(tier, container, first, data)
) STRICT, WITHOUT ROWID;
-- The oldest of a tier, for retention.
CREATE INDEX blocks_age ON blocks(tier, data);

-- Ids tell the order of writing and are never used twice.
CREATE TABLE data(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bytes BLOB NOT NULL
) STRICT;

-- Samples that are in no sealed block yet.
CREATE TABLE journal(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE events(
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    container INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL, -- the word of Happening
    detail TEXT NOT NULL, -- JSON
    mark INTEGER NOT NULL
) STRICT;
CREATE INDEX events_at ON events(at);
CREATE INDEX events_container ON events(container, at);

-- The life of each container that is not removed: counters that survive the agent, and the last known facts
-- that events are found by.
CREATE TABLE lives(
    container INTEGER PRIMARY KEY,
    saved TEXT, -- JSON of plimsoll_model::lifecycle::Saved
    known TEXT NOT NULL, -- JSON of the last known facts
    mark INTEGER NOT NULL
) STRICT;
