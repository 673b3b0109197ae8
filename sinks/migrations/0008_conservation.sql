-- Proofs of completeness, and what an analyst should look at.

CREATE VIEW IF NOT EXISTS ${DATABASE}.receipt_hole ${ON_CLUSTER} AS
WITH bound AS (SELECT b.1 AS topic, b.2 AS topic_epoch, b.3 AS partition, toInt64(b.4) AS low, toInt64(b.5) AS high
               FROM (SELECT arrayJoin({bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) AS b))
SELECT topic, topic_epoch, partition, toUInt64(before + 1) AS first, toUInt64(o - 1) AS last, toUInt64(o - before - 1) AS missing, time_before, time_after
FROM
(
    SELECT topic, topic_epoch, partition, o, edge, t AS time_after, lagInFrame(o) OVER w AS before, lagInFrame(t) OVER w AS time_before
    FROM
    (
        SELECT r.topic AS topic, r.topic_epoch AS topic_epoch, r.partition AS partition, toInt64(r.offset) AS o, 0 AS edge, toNullable(r.log_time) AS t
        FROM ${DATABASE}.receipt AS r INNER JOIN bound AS b ON b.topic = r.topic AND b.topic_epoch = r.topic_epoch AND b.partition = r.partition
        WHERE o >= b.low AND o < b.high
        UNION ALL SELECT topic, topic_epoch, partition, low - 1, 1, NULL FROM bound
        UNION ALL SELECT topic, topic_epoch, partition, high, 2, NULL FROM bound
    )
    WINDOW w AS (PARTITION BY topic, topic_epoch, partition ORDER BY o, edge ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE edge != 1 AND o > before + 1
COMMENT 'Kafka offsets without a receipt, as ranges first..last. bounds = list of (topic, topic_epoch, partition, low watermark, high watermark), high exclusive as Kafka gives it; offsets below low were deleted by Kafka and are not missed. time_before/time_after = log times of the neighbours. SELECT * FROM ${DATABASE}.receipt_hole(bounds = [(''activities'', 0, 0, 0, 1000)])';

CREATE VIEW IF NOT EXISTS ${DATABASE}.receipt_without_row ${ON_CLUSTER} AS
SELECT topic, topic_epoch, partition, offset, status, source, log_time, activity_id, revision
FROM ${DATABASE}.receipt FINAL
WHERE status NOT IN ('rejected', 'rerouted')
  AND (source, activity_id, revision) GLOBAL NOT IN (SELECT source, activity_id, revision FROM ${DATABASE}.activity_revision)
COMMENT 'Receipts that say accepted, retracted or duplicate although activity_revision lacks the row: must be empty. Replay these offsets. SELECT * FROM ${DATABASE}.receipt_without_row';

CREATE VIEW IF NOT EXISTS ${DATABASE}.row_without_receipt ${ON_CLUSTER} AS
SELECT r.source AS source, r.activity_id AS activity_id, r.revision AS revision, any(r.is_deleted) AS is_deleted, argMin(r.event_id, r.known_at) AS event_id, any(r.recorded_at) AS recorded_at
FROM ${DATABASE}.activity_revision AS r
GLOBAL LEFT JOIN
(
    SELECT source, activity_id, bitShiftRight(revision, 63) AS version, groupUniqArray(revision) AS named
    FROM ${DATABASE}.receipt FINAL
    WHERE status IN ('accepted', 'retracted')
    GROUP BY source, activity_id, version
) AS n ON n.source = r.source AND n.activity_id = r.activity_id AND n.version = bitShiftRight(r.revision, 63)
WHERE NOT arrayExists(x -> x = r.revision OR bitAnd(bitShiftRight(bitXor(x, r.revision), 55), 255) != 0, n.named)
GROUP BY source, activity_id, revision  -- until merged a row may be there twice, and under another event_id
SETTINGS join_use_nulls = 0
COMMENT 'Rows of activity_revision that no accepted or retracted receipt names: must be empty. A receipt also answers for the same version (source, activity_id, recorded_at, is_deleted) as written by another pipeline version: a receipt keeps the newest only, and a new mapping is applied without Kafka. SELECT * FROM ${DATABASE}.row_without_receipt';

CREATE VIEW IF NOT EXISTS ${DATABASE}.conservation ${ON_CLUSTER} AS
WITH bound AS (SELECT b.1 AS topic, b.2 AS topic_epoch, b.3 AS partition, b.4 AS low, b.5 AS high
               FROM (SELECT arrayJoin({bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) AS b))
SELECT b.topic AS topic, b.topic_epoch AS topic_epoch, b.partition AS partition, b.low AS low, b.high AS high, b.high - b.low AS expected,
       r.received AS received, r.accepted AS accepted, r.retracted AS retracted, r.duplicate AS duplicate, r.rejected AS rejected, r.rerouted AS rerouted,
       h.missing AS missing, h.holes AS holes, l.lost AS without_row,
       missing = 0 AND without_row = 0 AND received = expected AS whole
FROM bound AS b
LEFT JOIN
(
    SELECT r.topic AS topic, r.topic_epoch AS topic_epoch, r.partition AS partition, count() AS received,
           countIf(status = 'accepted') AS accepted, countIf(status = 'retracted') AS retracted,
           countIf(status = 'duplicate') AS duplicate, countIf(status = 'rejected') AS rejected, countIf(status = 'rerouted') AS rerouted
    FROM ${DATABASE}.receipt AS r FINAL INNER JOIN bound AS b ON b.topic = r.topic AND b.topic_epoch = r.topic_epoch AND b.partition = r.partition
    WHERE r.offset >= b.low AND r.offset < b.high
    GROUP BY topic, topic_epoch, partition
) AS r ON r.topic = b.topic AND r.topic_epoch = b.topic_epoch AND r.partition = b.partition
LEFT JOIN
(
    SELECT topic, topic_epoch, partition, sum(missing) AS missing, arraySort(groupArray((first, last))) AS holes
    FROM ${DATABASE}.receipt_hole(bounds = {bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) GROUP BY topic, topic_epoch, partition
) AS h ON h.topic = b.topic AND h.topic_epoch = b.topic_epoch AND h.partition = b.partition
LEFT JOIN
(
    SELECT w.topic AS topic, w.topic_epoch AS topic_epoch, w.partition AS partition, count() AS lost
    FROM ${DATABASE}.receipt_without_row AS w INNER JOIN bound AS b ON b.topic = w.topic AND b.topic_epoch = w.topic_epoch AND b.partition = w.partition
    WHERE w.offset >= b.low AND w.offset < b.high
    GROUP BY topic, topic_epoch, partition
) AS l ON l.topic = b.topic AND l.topic_epoch = b.topic_epoch AND l.partition = b.partition
SETTINGS join_use_nulls = 0
COMMENT 'Is every Kafka record accounted for? One row per topic, topic_epoch and partition between low and high watermark (high exclusive): whole = 1 when no offset is missing and every accepted receipt has its row in activity_revision; holes lists missing offsets as (first, last). SELECT * FROM ${DATABASE}.conservation(bounds = [(''activities'', 0, 0, 0, 1000), (''activities'', 0, 1, 250, 900)])';

CREATE VIEW IF NOT EXISTS ${DATABASE}.conservation_day ${ON_CLUSTER} AS
WITH bound AS (SELECT b.1 AS topic, b.2 AS topic_epoch, b.3 AS partition, b.4 AS low, b.5 AS high
               FROM (SELECT arrayJoin({bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))}) AS b))
SELECT source, day, sum(received) AS received, sum(accepted) AS accepted, sum(retracted) AS retracted, sum(duplicate) AS duplicate,
       sum(rejected) AS rejected, sum(rerouted) AS rerouted, sum(lost) AS without_row, sum(missing) AS missing_at_most, without_row = 0 AND missing_at_most = 0 AS whole
FROM
(
    SELECT if(r.source = '', 'unknown', r.source) AS source, toDate(r.log_time) AS day, count() AS received,
           countIf(status = 'accepted') AS accepted, countIf(status = 'retracted') AS retracted,
           countIf(status = 'duplicate') AS duplicate, countIf(status = 'rejected') AS rejected, countIf(status = 'rerouted') AS rerouted, 0 AS lost, 0 AS missing
    FROM ${DATABASE}.receipt AS r FINAL INNER JOIN bound AS b ON b.topic = r.topic AND b.topic_epoch = r.topic_epoch AND b.partition = r.partition
    WHERE r.offset >= b.low AND r.offset < b.high
    GROUP BY source, day
    UNION ALL
    SELECT w.source, toDate(w.log_time), 0, 0, 0, 0, 0, 0, 1, 0
    FROM ${DATABASE}.receipt_without_row AS w INNER JOIN bound AS b ON b.topic = w.topic AND b.topic_epoch = w.topic_epoch AND b.partition = w.partition
    WHERE w.offset >= b.low AND w.offset < b.high
    UNION ALL
    SELECT s.source, toDate(arrayJoin(range(least(h.a, h.b), greatest(h.a, h.b) + 1))), 0, 0, 0, 0, 0, 0, 0, h.missing
    FROM
    (   -- a neighbour that is missing is replaced by the other; log times go back where a partition gets a leader whose clock is behind
        SELECT topic, missing, toUInt32(toDate(assumeNotNull(ifNull(time_before, time_after)))) AS a, toUInt32(toDate(assumeNotNull(ifNull(time_after, time_before)))) AS b
        FROM ${DATABASE}.receipt_hole(bounds = {bounds:Array(Tuple(String, UInt16, UInt16, UInt64, UInt64))})
        WHERE ifNull(time_before, time_after) IS NOT NULL
    ) AS h
    INNER JOIN (SELECT DISTINCT topic, if(source = '', 'unknown', source) AS source FROM ${DATABASE}.receipt) AS s ON s.topic = h.topic
)
GROUP BY source, day
COMMENT 'The same per source and UTC day of arrival. missing_at_most = missing offsets that may belong to that source and day: a hole says nothing of its source, so it is charged to every source of its topic, on every day between its neighbours. A partition with no receipt at all shows in ${DATABASE}.conservation only. SELECT * FROM ${DATABASE}.conservation_day(bounds = [(''activities'', 0, 0, 0, 1000)]) WHERE NOT whole';

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
