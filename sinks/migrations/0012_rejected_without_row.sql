-- One more proof: what a receipt calls rejected is kept as it came.

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
