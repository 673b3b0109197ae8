-- History of the activities, and their newest versions. The sorting keys hold only what can never be corrected.

CREATE TABLE IF NOT EXISTS ${DATABASE}.activity_revision${LOCAL} ${ON_CLUSTER}
(
    source       LowCardinality(String) COMMENT 'System (CRM) that published the record; never changes for a record',
    activity_id  String                 COMMENT 'The record''s id in its source, as the source writes it. A correction or retraction re-uses it',
    revision     UInt128                COMMENT 'Total order of the versions of a record, highest wins in any order of arrival: recorded_at in ms << 64 | is_deleted << 63 | pipeline version << 55 | 55 bits of a hash of the event''s content without derived',
    is_deleted   UInt8 DEFAULT 0        COMMENT '1 = this revision retracts the record',
    event_id     String                 COMMENT 'CloudEvents id of the event that brought this revision; for the audit, not an identity',
    company_id   UInt32                 COMMENT 'CVR number as reported; mergers are applied when read',
    cluster      LowCardinality(String) COMMENT 'Cluster organisation that helped the company; empty = unknown',
    event_type   LowCardinality(String) COMMENT 'Type of the event, such as workshop.attended or activity.retracted',
    reported     Array(LowCardinality(String)) COMMENT 'Outcomes the cluster reported, such as new_ideas; may be empty',
    derived      Array(LowCardinality(String)) COMMENT 'Outcomes that follow from event_type by the published mapping, written by the worker; empty if outcomes_given = 1',
    outcomes_given UInt8                COMMENT '1 = the event stated its outcomes, maybe none, and nothing is derived; 0 = it did not mention outcomes',
    membership   LowCardinality(String) COMMENT 'Membership of the company in the cluster as the event states it; empty = not stated',
    details      String CODEC(ZSTD(3))  COMMENT 'The rest of the event''s data as canonical JSON; read with JSONExtract',
    occurred_on  Date                   COMMENT 'Day of the activity in Europe/Copenhagen; decides the year',
    recorded_at  DateTime64(3, 'UTC')   COMMENT 'Time of the event: when the source recorded this version',
    known_at     DateTime64(3, 'UTC')   COMMENT 'When we knew it: Kafka log-append time of the source record, but not before the release of the pipeline version that made this revision',
    registry_revision UInt64            COMMENT 'Version of the registry by which the worker found the cluster, see registry_version',
    earliest     UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(known_at))) COMMENT 'Makes merges keep the earliest known_at; ignore',
    INDEX by_event event_id TYPE bloom_filter GRANULARITY 1
)
ENGINE = ${REPLICATED}ReplacingMergeTree(earliest)
ORDER BY (source, activity_id, revision)
COMMENT 'History: every accepted revision of every record, kept permanently. May hold a revision twice until merged, so count with DISTINCT. One record''s story: SELECT * FROM ${DATABASE}.activity_revision WHERE source = .. AND activity_id = .. ORDER BY revision';

CREATE TABLE IF NOT EXISTS ${DATABASE}.activity${LOCAL} ${ON_CLUSTER}
(
    source       LowCardinality(String) COMMENT 'System (CRM) that published the record',
    activity_id  String                 COMMENT 'The record''s id in its source',
    revision     UInt128                COMMENT 'Highest wins',
    is_deleted   UInt8                  COMMENT '1 = retracted; FINAL leaves it out',
    company_id   UInt32                 COMMENT 'CVR number as reported; mergers are applied when read',
    cluster      LowCardinality(String) COMMENT 'Cluster organisation that helped the company; empty = unknown',
    event_type   LowCardinality(String) COMMENT 'Type of the event, such as workshop.attended; never activity.retracted',
    reported     LowCardinality(String) COMMENT 'Outcomes the cluster reported, with commas between them; read faster than arrays, which activity_at gives',
    derived      LowCardinality(String) COMMENT 'Outcomes that follow from event_type by the published mapping, with commas between them',
    occurred_on  Date                   COMMENT 'Day of the activity in Europe/Copenhagen',
    identity     UInt128 MATERIALIZED reinterpretAsUInt128(sipHash128(source, activity_id)) COMMENT 'Hash of source and activity_id: FINAL compares one number much faster than two texts'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(revision, is_deleted)
ORDER BY identity
SETTINGS min_age_to_force_merge_seconds = 600
COMMENT 'Newest revision of each record; always read it with FINAL, or read ${DATABASE}.activity_at. Filled from ${DATABASE}.activity_revision, which has the other columns; never insert here and never OPTIMIZE ... CLEANUP';

CREATE MATERIALIZED VIEW IF NOT EXISTS ${DATABASE}.activity_fill ${ON_CLUSTER} TO ${DATABASE}.activity${LOCAL} AS
SELECT source, activity_id, revision, is_deleted, company_id, cluster, event_type,
       arrayStringConcat(reported, ',') AS reported, arrayStringConcat(derived, ',') AS derived, occurred_on
FROM ${DATABASE}.activity_revision${LOCAL}
COMMENT 'Carries each insert into ${DATABASE}.activity_revision on to ${DATABASE}.activity. To rebuild, run its SELECT as INSERT INTO ${DATABASE}.activity at any time; that is harmless';
