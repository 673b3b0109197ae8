-- Rejected messages that are too long are kept in part, with what shows what the whole was.

ALTER TABLE ${DATABASE}.rejected${LOCAL} ${ON_CLUSTER}
    ADD COLUMN IF NOT EXISTS payload_size UInt64 DEFAULT length(ifNull(payload, '')) COMMENT 'Bytes of the message value as it came; payload holds its beginning where that is shorter',
    ADD COLUMN IF NOT EXISTS payload_sha256 String DEFAULT '' COMMENT 'SHA-256 (32 bytes, see hex) of the message value as it came; empty where payload is all of it, or where it could not be read to its end';
