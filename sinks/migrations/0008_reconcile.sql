-- Proofs that every Kafka record is accounted for, which clustertrack reconcile runs part by part: on one partition alone,
-- or with a condition on source and activity_id, such as cityHash64(source, activity_id) % 20 = 3, that reaches both sides
-- of the join. And what an analyst should look at.

CREATE TABLE IF NOT EXISTS ${DATABASE}.no_record ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'Kafka topic',
    topic_epoch  UInt16                 COMMENT 'Counts how often the topic was deleted and re-created',
    partition    UInt16                 COMMENT 'Kafka partition',
    first        UInt64                 COMMENT 'First offset of the range',
    last         UInt64                 COMMENT 'Last offset of the range, included',
    seen_at      DateTime64(3, 'UTC')   COMMENT 'When clustertrack reconcile asked Kafka for these offsets',
    acknowledged String DEFAULT ''      COMMENT 'Why it was accepted (clustertrack reconcile --acknowledge) that Kafka deleted these records before they were read; empty = no records, Kafka delivers nothing at these offsets'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}seen_at)
ORDER BY (topic, topic_epoch, partition, first, last)
COMMENT 'Offsets at which Kafka delivers nothing (markers of transactions, aborted records), kept because Kafka can no longer be asked once it has deleted the records around them; and offsets of records that are lost for good, acknowledged by an operator. Written by clustertrack reconcile; on a cluster it is whole on every node';

CREATE VIEW IF NOT EXISTS ${DATABASE}.receipt_hole ${ON_CLUSTER} AS
WITH bound AS (SELECT b.1 AS topic, b.2 AS topic_epoch, b.3 AS partition, toInt64(b.4) AS low, toInt64(b.5) AS high
               FROM (SELECT arrayJoin({bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) AS b))
SELECT topic, topic_epoch, partition, toUInt64(before + 1) AS first, toUInt64(o - 1) AS last, toUInt64(o - before - 1) AS missing
FROM
(
    SELECT topic, topic_epoch, partition, o, edge, lagInFrame(o) OVER w AS before
    FROM
    (
        SELECT r.topic AS topic, r.topic_epoch AS topic_epoch, r.partition AS partition, toInt64(r.offset) AS o, 0 AS edge
        FROM ${DATABASE}.receipt AS r INNER JOIN bound AS b ON b.topic = r.topic AND b.topic_epoch = r.topic_epoch AND b.partition = r.partition
        WHERE o >= b.low AND o < b.high
          AND (r.topic, r.topic_epoch, r.partition) IN (SELECT topic, topic_epoch, partition FROM bound)  -- reads these alone
        UNION ALL SELECT topic, topic_epoch, partition, low - 1, 1 FROM bound
        UNION ALL SELECT topic, topic_epoch, partition, high, 2 FROM bound
    )
    WINDOW w AS (PARTITION BY topic, topic_epoch, partition ORDER BY o, edge ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE edge != 1 AND o > before + 1
COMMENT 'Kafka offsets without a receipt, as ranges first..last. bounds = list of (topic, topic_epoch, partition, low watermark, high watermark), high exclusive as Kafka gives it; offsets below low were deleted by Kafka and are not missed. SELECT * FROM ${DATABASE}.receipt_hole(bounds = [(''activities'', 0, 0, 0, 1000)])';

CREATE VIEW IF NOT EXISTS ${DATABASE}.receipt_without_row ${ON_CLUSTER} AS
SELECT r.topic AS topic, r.topic_epoch AS topic_epoch, r.partition AS partition, r.offset AS offset, r.status AS status, r.source AS source, r.log_time AS log_time, r.activity_id AS activity_id, r.revision AS revision
FROM ${DATABASE}.receipt AS r FINAL
GLOBAL LEFT ANTI JOIN ${DATABASE}.activity_revision AS a ON a.source = r.source AND a.activity_id = r.activity_id AND a.revision = r.revision
WHERE r.status NOT IN ('rejected', 'rerouted')
COMMENT 'Receipts that say accepted, retracted or duplicate although activity_revision lacks the row: must be empty. Replay these offsets. SELECT * FROM ${DATABASE}.receipt_without_row';

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

CREATE VIEW IF NOT EXISTS ${DATABASE}.reroute_not_arrived ${ON_CLUSTER} AS
SELECT topic, topic_epoch, partition, offset, max(to_partition) AS sent_to, max(sender) AS source, max(sent_at) AS log_time
FROM
(
    SELECT topic, topic_epoch, partition, offset, sent_to AS to_partition, toString(source) AS sender, log_time AS sent_at, 0 AS arrived
    FROM ${DATABASE}.receipt FINAL
    WHERE status = 'rerouted'
    UNION ALL
    SELECT topic, topic_epoch, origin_partition, origin_offset, 0, '', toDateTime64(0, 3, 'UTC'), 1
    FROM ${DATABASE}.receipt
    WHERE origin_partition != 65535
)
GROUP BY topic, topic_epoch, partition, offset
HAVING max(arrived) = 0
COMMENT 'Records that were sent on to another partition and have no receipt there (origin_partition, origin_offset): empty when everything is counted; until then such a record may still lie unread on sent_to. SELECT * FROM ${DATABASE}.reroute_not_arrived';

CREATE VIEW IF NOT EXISTS ${DATABASE}.rejected_without_row ${ON_CLUSTER} AS
SELECT topic, topic_epoch, partition, offset, max(sender) AS source, max(sent_at) AS log_time
FROM
(
    SELECT topic, topic_epoch, partition, offset, toString(source) AS sender, log_time AS sent_at, 0 AS kept
    FROM ${DATABASE}.receipt FINAL
    WHERE status = 'rejected' AND log_time > now() - INTERVAL 89 DAY  -- a day less than rejected keeps its rows
    UNION ALL
    SELECT topic, topic_epoch, partition, offset, '', toDateTime64(0, 3, 'UTC'), 1
    FROM ${DATABASE}.rejected
)
GROUP BY topic, topic_epoch, partition, offset
HAVING max(kept) = 0
COMMENT 'Receipts of the last 89 days that say rejected although the table rejected, which keeps 90 days, lacks the record: must be empty. Replay these offsets. SELECT * FROM ${DATABASE}.rejected_without_row';

CREATE VIEW IF NOT EXISTS ${DATABASE}.activity_difference_within ${ON_CLUSTER} AS
SELECT source, activity_id, groupArray((side, revision)) AS sides
FROM
(
    SELECT 'current' AS side, source, activity_id, revision, cityHash64(company_id, cluster, event_type, reported, derived, occurred_on) AS h
    FROM ${DATABASE}.activity FINAL
    WHERE is_deleted = 0 AND identity BETWEEN {first:UInt128} AND {last:UInt128}
    UNION ALL
    SELECT 'history', source, activity_id, revision, cityHash64(company_id, cluster, event_type, arrayStringConcat(reported, ','), arrayStringConcat(derived, ','), occurred_on)
    FROM ${DATABASE}.activity_at(known = '2199-12-31 00:00:00')
    WHERE reinterpretAsUInt128(sipHash128(source, activity_id)) BETWEEN {first:UInt128} AND {last:UInt128}
)
GROUP BY source, activity_id
HAVING count() != 2 OR uniqExact(revision, h) != 1
COMMENT 'activity_difference of a part of the activities, by a range of their identity; a tenth of them: SELECT * FROM ${DATABASE}.activity_difference_within(first = ''0'', last = ''34028236692093846346337460743176821145'')';

CREATE VIEW IF NOT EXISTS ${DATABASE}.activity_difference ${ON_CLUSTER} AS
SELECT * FROM ${DATABASE}.activity_difference_within(first = '0', last = '340282366920938463463374607431768211455')
COMMENT 'Records on which ${DATABASE}.activity and the newest revisions in ${DATABASE}.activity_revision disagree: must be empty. Repair: see ${DATABASE}.activity_fill';

CREATE VIEW IF NOT EXISTS ${DATABASE}.activity_moved ${ON_CLUSTER} AS
SELECT source, activity_id, arraySort(groupUniqArray(cluster)) AS clusters, arraySort(groupUniqArray(company_id)) AS companies
FROM ${DATABASE}.activity_revision
WHERE is_deleted = 0
GROUP BY source, activity_id
HAVING min(company_id) != max(company_id)
COMMENT 'Activities whose revisions, retractions left out, name more than one company: corrections, or a source that uses an id twice. Not an error, but worth a look. SELECT * FROM ${DATABASE}.activity_moved';

CREATE VIEW IF NOT EXISTS ${DATABASE}.retraction_without_activity ${ON_CLUSTER} AS
SELECT source, activity_id, max(revision) AS last_revision, uniqExact(revision) AS revisions, min(known_at) AS first_known_at
FROM ${DATABASE}.activity_revision
GROUP BY source, activity_id
HAVING min(is_deleted) = 1
COMMENT 'Retractions of activities that were never reported: a wrong activity_id, or the activity is still to come or was rejected. SELECT * FROM ${DATABASE}.retraction_without_activity';
