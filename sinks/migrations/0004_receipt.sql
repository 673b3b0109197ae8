-- What became of every Kafka record, and the records that were refused.

CREATE TABLE IF NOT EXISTS ${DATABASE}.receipt${LOCAL} ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic as first received',
    topic_epoch  UInt16 DEFAULT 0       COMMENT 'Counts how often the topic was deleted and made again, its offsets starting anew',
    partition    UInt16                 COMMENT 'Kafka partition',
    offset       UInt64                 COMMENT 'Kafka offset',
    status       Enum8('duplicate' = 1, 'rejected' = 2, 'rerouted' = 3, 'accepted' = 4, 'retracted' = 5) COMMENT 'What became of the record. accepted and retracted have their own row in activity_revision (a correction is accepted), duplicate points at the one of the first occurrence',
    reason       LowCardinality(String) DEFAULT '' COMMENT 'Why rejected or rerouted, a short code; empty otherwise',
    source       LowCardinality(String) COMMENT 'System that published the record; empty if the record could not be read',
    log_time     DateTime64(3, 'UTC')   COMMENT 'Kafka log-append time',
    activity_id  String DEFAULT ''      COMMENT 'Identity of the row in activity_revision; empty for rejected and rerouted',
    revision     UInt128 DEFAULT 0      COMMENT 'Identity of the row in activity_revision, for a duplicate that of the first occurrence, whatever pipeline wrote it; 0 for rejected and rerouted',
    pipeline_version UInt8 DEFAULT 1    COMMENT 'Version of the worker code that decided',
    rank         UInt16 MATERIALIZED toUInt16(status IN ('accepted', 'retracted')) * 4096 + toUInt16(pipeline_version) * 8 + toUInt8(status) COMMENT 'Highest wins for one offset: what was accepted stays accepted, its row stands; then the newest pipeline, then the status with more in it'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(rank)
ORDER BY (topic, topic_epoch, partition, offset)
COMMENT 'One row per Kafka record (read with FINAL): what became of it. Check completeness with ${DATABASE}.conservation';

CREATE TABLE IF NOT EXISTS ${DATABASE}.rejected${LOCAL} ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic',
    topic_epoch  UInt16 DEFAULT 0       COMMENT 'Counts how often the topic was deleted and made again',
    partition    UInt16                 COMMENT 'Kafka partition',
    offset       UInt64                 COMMENT 'Kafka offset',
    log_time     DateTime64(3, 'UTC')   COMMENT 'Kafka log-append time; the row is deleted 90 days after it',
    source       LowCardinality(String) COMMENT 'Source if it could be read, else empty',
    reason       LowCardinality(String) DEFAULT faults[1].code COMMENT 'Why the worker refused the message: code of the first fault',
    faults       Array(Tuple(field String, code String, value String)) COMMENT 'Every fault found: field, short code, value as received',
    headers      Array(Tuple(name String, value Nullable(String))) COMMENT 'Message headers in order, bytes as received',
    key          Nullable(String)       COMMENT 'Message key, bytes as received; NULL = none',
    payload      Nullable(String) CODEC(ZSTD(3)) COMMENT 'Message value, bytes as received (may not be UTF-8: use hex(payload) or base64Encode(payload)); NULL = tombstone',
    pipeline_version UInt8 DEFAULT 1    COMMENT 'Version of the worker code that refused it; newest wins'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(pipeline_version)
ORDER BY (topic, topic_epoch, partition, offset)
TTL toDateTime(log_time) + INTERVAL 90 DAY
COMMENT 'Messages that failed validation, kept 90 days (read with FINAL). A message accepted by a later pipeline version stays here until then; its ${DATABASE}.receipt says accepted';
