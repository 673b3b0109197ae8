-- More proofs: a record that was sent on arrived; an offset at which Kafka delivers nothing stays known as such. And the
-- proofs of rows and receipts by joins that can be computed part by part: a condition on source and activity_id, such as
-- cityHash64(source, activity_id) % 20 = 3, reaches both sides before they are joined.

ALTER TABLE ${DATABASE}.receipt${LOCAL} ${ON_CLUSTER}
    ADD COLUMN IF NOT EXISTS sent_to UInt16 DEFAULT 65535 COMMENT 'rerouted: partition that the record was sent on to; 65535 = not sent on, or by a version that did not write it down',
    ADD COLUMN IF NOT EXISTS origin_partition UInt16 DEFAULT 65535 COMMENT 'Partition of the same topic on which the record stood before it was sent on to this one, see origin_offset; 65535 = it was never sent on',
    ADD COLUMN IF NOT EXISTS origin_offset UInt64 DEFAULT 0 COMMENT 'Its offset there; 0 without an origin_partition';

CREATE TABLE IF NOT EXISTS ${DATABASE}.no_record ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic',
    topic_epoch  UInt16                 COMMENT 'Counts how often the topic was deleted and made again',
    partition    UInt16                 COMMENT 'Kafka partition',
    first        UInt64                 COMMENT 'First offset of the range',
    last         UInt64                 COMMENT 'Last offset of the range, included',
    seen_at      DateTime64(3, 'UTC')   COMMENT 'When clustertrack reconcile asked Kafka for these offsets'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}seen_at)
ORDER BY (topic, topic_epoch, partition, first, last)
COMMENT 'Offsets at which Kafka delivers nothing (markers of transactions, aborted records), kept because Kafka cannot be asked any more once it has deleted what lies around them. Written by clustertrack reconcile; on a cluster it is whole on every node';

CREATE VIEW IF NOT EXISTS ${DATABASE}.reroute_not_arrived ${ON_CLUSTER} AS
SELECT topic, topic_epoch, partition, offset, max(to_partition) AS sent_to, max(sender) AS source, max(sent_at) AS log_time
FROM
(
    SELECT topic, topic_epoch, partition, offset, sent_to AS to_partition, toString(source) AS sender, log_time AS sent_at, 0 AS arrived
    FROM ${DATABASE}.receipt FINAL
    WHERE status = 'rerouted' AND sent_to != 65535
    UNION ALL
    SELECT topic, topic_epoch, origin_partition, origin_offset, 0, '', toDateTime64(0, 3, 'UTC'), 1
    FROM ${DATABASE}.receipt
    WHERE origin_partition != 65535
)
GROUP BY topic, topic_epoch, partition, offset
HAVING max(arrived) = 0
COMMENT 'Records that were sent on to another partition and have no receipt there (origin_partition, origin_offset): empty when everything is counted; until then such a record may still lie unread on sent_to. Receipts of versions that did not write sent_to down are left out. SELECT * FROM ${DATABASE}.reroute_not_arrived';

DROP VIEW IF EXISTS ${DATABASE}.receipt_without_row ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.receipt_without_row ${ON_CLUSTER} AS
SELECT r.topic AS topic, r.topic_epoch AS topic_epoch, r.partition AS partition, r.offset AS offset, r.status AS status, r.source AS source, r.log_time AS log_time, r.activity_id AS activity_id, r.revision AS revision
FROM ${DATABASE}.receipt AS r FINAL
GLOBAL LEFT ANTI JOIN ${DATABASE}.activity_revision AS a ON a.source = r.source AND a.activity_id = r.activity_id AND a.revision = r.revision
WHERE r.status NOT IN ('rejected', 'rerouted')
COMMENT 'Receipts that say accepted, retracted or duplicate although activity_revision lacks the row: must be empty. Replay these offsets. SELECT * FROM ${DATABASE}.receipt_without_row';

DROP VIEW IF EXISTS ${DATABASE}.row_without_receipt ${ON_CLUSTER};

CREATE VIEW IF NOT EXISTS ${DATABASE}.row_without_receipt ${ON_CLUSTER} AS
SELECT r.source AS source, r.activity_id AS activity_id, r.revision AS revision, any(r.is_deleted) AS is_deleted, argMin(r.event_id, r.known_at) AS event_id, any(r.recorded_at) AS recorded_at
FROM ${DATABASE}.activity_revision AS r
GLOBAL LEFT ANTI JOIN
(
    SELECT source, activity_id, revision AS named, bitShiftRight(revision, 63) AS version
    FROM ${DATABASE}.receipt FINAL
    WHERE status IN ('accepted', 'retracted')
) AS n ON n.source = r.source AND n.activity_id = r.activity_id AND n.version = bitShiftRight(r.revision, 63)
      AND (n.named = r.revision OR bitAnd(bitShiftRight(bitXor(n.named, r.revision), 55), 255) != 0)
GROUP BY source, activity_id, revision  -- until merged a row may be there twice, and under another event_id
COMMENT 'Rows of activity_revision that no accepted or retracted receipt names: must be empty. A receipt also answers for the same version (source, activity_id, recorded_at, is_deleted) as written by another pipeline version: a receipt keeps the newest only, and a new mapping is applied without Kafka. SELECT * FROM ${DATABASE}.row_without_receipt';
