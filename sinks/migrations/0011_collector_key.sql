-- Keys with which publishers send to the HTTP collector. Whole on every node of a cluster.

CREATE TABLE IF NOT EXISTS ${DATABASE}.collector_key ${ON_CLUSTER}
(
    id           String                 COMMENT 'Public name of the key, the part between ct_ and the next _',
    revision     UInt64                 COMMENT 'Highest wins for the same id: when the key was created or revoked, ms since 1970',
    cluster      LowCardinality(String) COMMENT 'Cluster whose sources the key publishes for',
    hash         FixedString(32)        COMMENT 'SHA-256 of the whole key, see hex; the key itself is kept nowhere',
    created_at   DateTime64(3, 'UTC')   COMMENT 'When the key was created',
    expires      Nullable(Date32)       COMMENT 'Last day in Denmark on which the key works; NULL = it does not expire',
    revoked_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'When the key was revoked; NULL = it was not',
    note         String                 COMMENT 'What the operator wrote about the key',
    known_at     DateTime64(3, 'UTC')   COMMENT 'When we knew it: Kafka log-append time of the record',
    earliest     UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(known_at))) COMMENT 'Makes merges keep the earliest known_at; ignore'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}earliest)
ORDER BY (id, revision)
COMMENT 'Every version of every key of the HTTP collector, kept permanently. Read ${DATABASE}.collector_key_known instead, which leaves the hashes out';

CREATE VIEW IF NOT EXISTS ${DATABASE}.collector_key_known ${ON_CLUSTER} AS
SELECT id, revision, cluster, created_at, expires, revoked_at, note
FROM ${DATABASE}.collector_key
WHERE known_at <= {known:DateTime64(3, 'UTC')}
ORDER BY id, revision DESC, known_at
LIMIT 1 BY id
SETTINGS ${PINNED}
COMMENT 'Keys of the HTTP collector as known at an instant (UTC), one row each, without their hashes. A key works until revoked_at, and on expires for the last time. SELECT * FROM ${DATABASE}.collector_key_known(known = ''2200-01-01 00:00:00'')';
