-- What activity is counted by: the company register, and the registry of clusters and institutions. On a cluster both are
-- whole on every node.

CREATE TABLE IF NOT EXISTS ${DATABASE}.company_version ${ON_CLUSTER}
(
    company_id   UInt32                 COMMENT 'CVR number',
    valid_from   Date32                 COMMENT 'First day these attributes hold. To correct a valid_from, withdraw the version and add another',
    revision     UInt64                 COMMENT 'Highest wins for the same company and valid_from: as-of instant of the register extract in ms',
    is_deleted   UInt8 DEFAULT 0        COMMENT '1 = this version was withdrawn',
    name         String                 COMMENT 'Registered name',
    legal_form   LowCardinality(String) COMMENT 'Code of the legal form, e.g. 80; empty = unknown',
    employees    Nullable(UInt32)       COMMENT 'Employees, or the lower bound where the register gives only a band; NULL = unknown',
    employees_is_band UInt8 DEFAULT 0   COMMENT '1 = employees is the lower bound of a band',
    nuts         LowCardinality(String) COMMENT 'Most detailed NUTS code known, e.g. DK032; empty = unknown',
    industry_scheme LowCardinality(String) COMMENT 'Scheme of industry: DB07, DB25, NACE2, NACE2.1; empty = unknown',
    industry     LowCardinality(String) COMMENT 'Code in that scheme without dots, e.g. 620100; empty = unknown',
    successor_id UInt32 DEFAULT 0       COMMENT 'Company that this one was merged into, from valid_from on; 0 = none named, an earlier one stays in force. Undo a merger by withdrawing the version that named it',
    ceased_on    Nullable(Date32)       COMMENT 'Day the company ceased; it keeps the attributes of its last version from before that day. NULL = active',
    known_at     DateTime64(3, 'UTC')   COMMENT 'When we knew it: Kafka log-append time of the register record',
    earliest     UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(known_at))) COMMENT 'Makes merges keep the earliest known_at; ignore'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}earliest)
ORDER BY (company_id, valid_from, revision)
COMMENT 'Company register: every revision of every version of a company. Read ${DATABASE}.company_at instead';

CREATE TABLE IF NOT EXISTS ${DATABASE}.registry_version ${ON_CLUSTER}
(
    revision     UInt64                 COMMENT 'When it was loaded, ms since 1970; the highest is in force',
    content      String CODEC(ZSTD(3))  COMMENT 'The whole registry as JSON: revision, clusters, institutions; read with ${DATABASE}.cluster_known and ${DATABASE}.institution_at',
    known_at     DateTime64(3, 'UTC')   COMMENT 'When we knew it: Kafka log-append time of the record',
    earliest     UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(known_at))) COMMENT 'Makes merges keep the earliest known_at; ignore'
)
ENGINE = ${REPLICATED}ReplacingMergeTree(${EVERYWHERE}earliest)
ORDER BY revision
COMMENT 'Every version of the registry that was ever loaded, kept permanently. The one in force: SELECT * FROM ${DATABASE}.registry_known(known = ''2200-01-01 00:00:00'')';
