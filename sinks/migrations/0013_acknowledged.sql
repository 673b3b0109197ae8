-- A loss that nothing can mend any more, and that people know of, must not hide the next one: reconcile counts it apart.

ALTER TABLE ${DATABASE}.no_record ${ON_CLUSTER}
    ADD COLUMN IF NOT EXISTS acknowledged String DEFAULT '' COMMENT 'Why it was accepted (clustertrack reconcile --acknowledge) that Kafka deleted these records before they were read; empty = no records, Kafka delivers nothing at these offsets';

ALTER TABLE ${DATABASE}.no_record ${ON_CLUSTER}
    MODIFY COMMENT 'Offsets at which Kafka delivers nothing (markers of transactions, aborted records), kept because Kafka cannot be asked any more once it has deleted what lies around them; and offsets of records that are lost for good, acknowledged by somebody. Written by clustertrack reconcile; on a cluster it is whole on every node';
