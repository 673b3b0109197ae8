-- What people did with rejected records, and the one rule by which a rejected record is open.

CREATE TABLE IF NOT EXISTS ${DATABASE}.rejected_action ${ON_CLUSTER}
(
    topic        LowCardinality(String) COMMENT 'The rejected record, as in rejected: Kafka topic',
    topic_epoch  UInt16                 COMMENT 'Counts how often the topic was deleted and re-created',
    partition    UInt16                 COMMENT 'Kafka partition',
    offset       UInt64                 COMMENT 'Kafka offset',
    attempt      UUID                   COMMENT 'One go at the record: what was intended and what came of it share it',
    action       Enum8('replaying' = 1, 'replayed' = 2, 'discarded' = 3) COMMENT 'replaying: about to be sent again, or interrupted then; replayed and discarded close the record',
    acted_at     DateTime64(3, 'UTC')   COMMENT 'When',
    acted_by     LowCardinality(String) COMMENT 'User name of who did it',
    note         String                 COMMENT 'Why; never empty for a discarded record',
    replays      UInt16                 COMMENT 'Header ct-replays of the record as sent again; 0 for an edited one, which is a new event',
    edited       UInt8                  COMMENT '1 = an edited copy was sent, as a new event with the header ct-edited-from',
    to_topic     LowCardinality(String) COMMENT 'replayed: address of the record that was sent, see its receipt; else empty',
    to_epoch     UInt16                 COMMENT 'See to_topic',
    to_partition UInt16                 COMMENT 'See to_topic',
    to_offset    UInt64                 COMMENT 'See to_topic',
    rank         UInt8 MATERIALIZED toUInt8(action) COMMENT 'Highest wins within an attempt; ignore'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}rank)
ORDER BY (topic, topic_epoch, partition, offset, attempt)
COMMENT 'What was done with rejected records, by whom and why, kept permanently (read with FINAL). Written by clustertrack rejected; on a cluster it is whole on every node';

CREATE VIEW IF NOT EXISTS ${DATABASE}.rejected_open ${ON_CLUSTER} AS
SELECT topic, topic_epoch, partition, offset, log_time, source, reason, faults, headers, key, payload, pipeline_version, event_id, activity_id,
       (key, payload, arrayFilter(h -> startsWith(lower(h.name), 'ce_'), headers)) AS message
FROM ${DATABASE}.rejected FINAL
WHERE log_time <= {known:DateTime64(3, 'UTC')}
  AND (topic, topic_epoch, partition, offset) GLOBAL NOT IN
  (   -- asked of rejected records only: few of many receipts
      SELECT topic, topic_epoch, partition, offset FROM ${DATABASE}.receipt FINAL
      WHERE status != 'rejected'
        AND (topic, topic_epoch, partition, offset) GLOBAL IN (SELECT topic, topic_epoch, partition, offset FROM ${DATABASE}.rejected)
  )
  AND (topic, topic_epoch, partition, offset) GLOBAL NOT IN
  (
      SELECT topic, topic_epoch, partition, offset FROM ${DATABASE}.rejected_action
      WHERE action IN ('replayed', 'discarded') AND acted_at <= {known:DateTime64(3, 'UTC')}
  )
COMMENT 'Open rejected records, as known at an instant (UTC): their receipt, if their topic has any, still says rejected, and they were neither replayed nor discarded. The same message published twice waits twice; its column message (key, payload and CloudEvents headers) is the same. SELECT topic, partition, offset, reason FROM ${DATABASE}.rejected_open(known = ''2200-01-01 00:00:00'')';
