-- What became of every Kafka record, the records that were rejected, and those that workers reject unread: a record that
-- kills every worker would stop its partition, so an operator sets it aside.

CREATE TABLE IF NOT EXISTS ${DATABASE}.receipt${LOCAL} ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic as first received',
    topic_epoch  UInt16 DEFAULT 0       COMMENT 'Counts how often the topic was deleted and re-created, its offsets starting at 0 again',
    partition    UInt16                 COMMENT 'Kafka partition',
    offset       UInt64                 COMMENT 'Kafka offset',
    status       Enum8('duplicate' = 1, 'rejected' = 2, 'rerouted' = 3, 'accepted' = 4, 'retracted' = 5) COMMENT 'What became of the record. accepted and retracted have their own row in activity_revision (a correction is accepted), duplicate points at the one of the first occurrence',
    reason       LowCardinality(String) DEFAULT '' COMMENT 'Why rejected or rerouted, a short code; empty otherwise',
    source       LowCardinality(String) COMMENT 'System that published the record; empty if the record could not be read',
    log_time     DateTime64(3, 'UTC')   COMMENT 'Kafka log-append time',
    activity_id  String DEFAULT ''      COMMENT 'Identity of the row in activity_revision; empty for rejected and rerouted',
    revision     UInt128 DEFAULT 0      COMMENT 'Identity of the row in activity_revision, for a duplicate that of the first occurrence, from any pipeline version; 0 for rejected and rerouted',
    pipeline_version UInt8 DEFAULT 1    COMMENT 'Version of the worker code that decided',
    rank         UInt16 MATERIALIZED toUInt16(status IN ('accepted', 'retracted')) * 4096 + toUInt16(pipeline_version) * 8 + toUInt8(status) COMMENT 'Highest wins for one offset: what was accepted stays accepted, as its row does; then the newest pipeline, then the status with more in it',
    sent_to      UInt16 DEFAULT 65535   COMMENT 'rerouted: partition that the record was sent on to; 65535 = not sent on',
    origin_partition UInt16 DEFAULT 65535 COMMENT 'Partition of the same topic that the record was on before it was sent on to this one, see origin_offset; 65535 = it was never sent on',
    origin_offset UInt64 DEFAULT 0      COMMENT 'Its offset there; 0 without an origin_partition',
    event_id     String DEFAULT ''      COMMENT 'duplicate: CloudEvents id of this record, which can be another than that of the first occurrence; else empty, the id is in activity_revision or rejected',
    INDEX by_activity activity_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_event event_id TYPE bloom_filter GRANULARITY 1,
    INDEX by_time log_time TYPE minmax GRANULARITY 1
)
ENGINE = ${REPLICATED}ReplacingMergeTree(rank)
ORDER BY (topic, topic_epoch, partition, offset)
COMMENT 'One row per Kafka record (read with FINAL): what became of it. Completeness is checked by clustertrack reconcile';

CREATE TABLE IF NOT EXISTS ${DATABASE}.rejected${LOCAL} ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic',
    topic_epoch  UInt16 DEFAULT 0       COMMENT 'Counts how often the topic was deleted and re-created',
    partition    UInt16                 COMMENT 'Kafka partition',
    offset       UInt64                 COMMENT 'Kafka offset',
    log_time     DateTime64(3, 'UTC')   COMMENT 'Kafka log-append time; the row is deleted 90 days after it',
    source       LowCardinality(String) COMMENT 'Source if it could be read, else empty',
    reason       LowCardinality(String) DEFAULT faults[1].code COMMENT 'Why the worker rejected the record: code of the first fault',
    faults       Array(Tuple(field String, code String, value String)) COMMENT 'Every fault found: field, short code, value as received',
    headers      Array(Tuple(name String, value Nullable(String))) COMMENT 'Headers of the record in order, bytes as received',
    key          Nullable(String)       COMMENT 'Key of the record, bytes as received; NULL = none',
    payload      Nullable(String) CODEC(ZSTD(3)) COMMENT 'Value of the record, bytes as received (may not be UTF-8: use hex(payload) or base64Encode(payload)); NULL = tombstone',
    pipeline_version UInt8 DEFAULT 1    COMMENT 'Version of the worker code that rejected it; newest wins',
    payload_size UInt64 DEFAULT length(ifNull(payload, '')) COMMENT 'Bytes of the value as received; payload holds its beginning where that is shorter',
    payload_sha256 String DEFAULT ''    COMMENT 'SHA-256 (32 bytes, see hex) of the value as received; empty where payload is all of it, or where it could not be read to its end',
    registry_revision UInt64 DEFAULT 0  COMMENT 'Version of the registry by which the worker judged the record, see registry_version; 0 for records that are not judged by it',
    event_id     String MATERIALIZED substringUTF8(if(arrayExists(h -> lower(h.1) = 'ce_id', headers), ifNull(arrayFirst(h -> lower(h.1) = 'ce_id', headers).2, ''), JSONExtractString(ifNull(payload, ''), 'id')), 1, 200) COMMENT 'CloudEvents id as far as it can be read; else empty',
    activity_id  String MATERIALIZED substringUTF8(concat(JSONExtractString(ifNull(payload, ''), 'data', 'activity_id'), JSONExtractString(ifNull(payload, ''), 'activity_id')), 1, 200) COMMENT 'activity_id as far as it can be read, of a whole event or of its data alone; else empty'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(pipeline_version)
ORDER BY (topic, topic_epoch, partition, offset)
TTL toDateTime(log_time) + INTERVAL 90 DAY
COMMENT 'Records that failed validation, kept 90 days (read with FINAL). A record accepted by a later pipeline version stays here until then; its ${DATABASE}.receipt says accepted';

CREATE TABLE IF NOT EXISTS ${DATABASE}.set_aside ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic',
    topic_epoch  UInt16                 COMMENT 'Counts how often the topic was deleted and re-created',
    partition    UInt16                 COMMENT 'Kafka partition',
    first        UInt64                 COMMENT 'First Kafka offset that is set aside',
    last         UInt64                 COMMENT 'Last Kafka offset that is set aside',
    ordered_at   DateTime64(3, 'UTC')   COMMENT 'When',
    ordered_by   LowCardinality(String) COMMENT 'User name of the operator',
    reason       String                 COMMENT 'Why; never empty'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}ordered_at)
ORDER BY (topic, topic_epoch, partition, first, last)
COMMENT 'Records that workers reject unread, with the reason set_aside, kept permanently (read with FINAL). Written by clustertrack rejected set-aside; on a cluster it is whole on every node';
