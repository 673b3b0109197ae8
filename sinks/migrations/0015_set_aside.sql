-- A record on which every worker dies would stop its partition: an operator has it set aside, and everything else goes on.

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
