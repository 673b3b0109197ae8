-- Which ledger this is, and which Kafka topics it was filled from.

CREATE TABLE IF NOT EXISTS ${DATABASE}.ledger ${ON_CLUSTER}
(
    id           String                 COMMENT 'UUID of this ledger: part of the name of its consumer group and of its changelog topic, so that a new ledger starts at the beginning of the topics',
    created_at   DateTime64(3, 'UTC')   COMMENT 'When the id was given; of several rows the earliest counts'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}created_at)
ORDER BY id
COMMENT 'The identity of this ledger; written once by clustertrack migrate';

CREATE TABLE IF NOT EXISTS ${DATABASE}.topic ${ON_CLUSTER}
(
    topic        String                 COMMENT 'Name of the Kafka topic',
    topic_epoch  UInt16                 COMMENT 'Counts how often the topic was deleted and re-created, its offsets starting at 0 again; as in receipt and rejected',
    topic_id     String                 COMMENT 'UUID that Kafka gave the topic when it was created',
    partitions   UInt16                 COMMENT 'Number of partitions, fixed for life',
    config       Map(String, String)    COMMENT 'Policies the topic must have: cleanup.policy, retention.ms, ...',
    recorded_at  DateTime64(3, 'UTC')   COMMENT 'When clustertrack migrate saw it in this state; the newest row of an epoch counts'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}recorded_at)
ORDER BY (topic, topic_epoch)
COMMENT 'Kafka topics that this ledger knows (read with FINAL); the highest topic_epoch of a topic is the present one. A worker refuses to start when Kafka disagrees';
