-- The ledger's database, and the record of the files of this folder that were applied to it.

CREATE DATABASE IF NOT EXISTS ${DATABASE} ${ON_CLUSTER} COMMENT 'What cluster organisations did with companies and what came of it. Start with SELECT name, comment FROM system.tables WHERE database = ''${DATABASE}''';

CREATE TABLE IF NOT EXISTS ${DATABASE}.schema_migration ${ON_CLUSTER}
(
    file         String                 COMMENT 'Name of the migration file',
    sha256       FixedString(64)        COMMENT 'SHA-256 of the file as applied, in hexadecimal; a file is never changed after its release',
    applied_at   DateTime64(3, 'UTC')   COMMENT 'When its last statement had run'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}applied_at)
ORDER BY file
COMMENT 'Migration files applied to this database; written by clustertrack migrate (read with FINAL)';
