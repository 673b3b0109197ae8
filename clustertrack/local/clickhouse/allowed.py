"""What a statement may name, as allow-lists: what is on none of them is refused."""

from typing import Final

FUNCTION_CATEGORIES: Final = frozenset(
    {
        "Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional",
        "Dates and Times",
        "Distance", "Encoding", "Encryption", "Financial", "Geo", "Geo Polygon", "Hash", "IP Address", "JSON",
        "Logical", "Map", "Mathematical", "Null", "NumericIndexedVector", "QBit", "Random Number", "Rounding",
        "String",
        "String Replacement", "String Search", "String Splitting", "Time Series", "Time Window", "Tuple",
        "Type Conversion", "URL", "UUID",
    }
)  # fmt: skip
"""Categories of system.functions whose functions compute from their arguments and nothing else ("URL" cuts texts)."""

FUNCTIONS: Final = frozenset(
    {
        "bar", "byteSize", "caseWithExpression", "countDigits", "currentDatabase", "currentUser",
        "defaultValueOfArgumentType", "defaultValueOfTypeName", "errorCodeToName",
        "finalizeAggregation", "formatReadableDecimalSize",
        "formatReadableQuantity", "formatReadableSize", "formatReadableTimeDelta", "getSetting", "getSizeOfEnumType",
        "getSubcolumn", "identity", "ignore", "indexHint", "initializeAggregation", "isConstant", "isDecimalOverflow",
        "lowCardinalityIndices", "lowCardinalityKeys", "materialize", "neighbor", "parseReadableSize",
        "parseReadableSizeOrNull", "parseReadableSizeOrZero", "parseTimeDelta", "queryID", "revision",
        "rowNumberInAllBlocks",
        "rowNumberInBlock", "runningAccumulate", "runningDifference", "runningDifferenceStartingWithFirstValue",
        "sleep", "sleepEachRow", "throwIf", "toColumnTypeName", "toTypeName", "transform", "variantElement",
        "variantType", "version", "visibleWidth",
    }
)  # fmt: skip
"""Those of its other categories that may be called, among them "Other", which also has file()."""

TABLE_FUNCTIONS: Final = frozenset(
    {
        "generateSeries", "generate_series", "numbers", "numbers_mt", "primes", "view", "viewExplain", "zeros",
        "zeros_mt",
    }
)  # fmt: skip
"""None that takes the structure of a table as text: its DEFAULT, MATERIALIZED and ALIAS are expressions."""

ENGINES: Final = frozenset(
    {
        "AggregatingMergeTree", "Atomic", "CoalescingMergeTree", "CollapsingMergeTree", "Log", "Memory", "Merge",
        "MergeTree", "Null", "ReplacingMergeTree", "StripeLog", "SummingMergeTree", "TinyLog",
        "VersionedCollapsingMergeTree",
    }
)  # fmt: skip
"""Of tables and databases: those that keep their rows in the data folder, in memory or nowhere."""

PARTS_OF_TABLES: Final = frozenset(
    {
        "ALP", "DoubleDelta", "Delta", "FPC", "GCD", "Gorilla", "LZ4", "LZ4HC", "NONE", "T64", "ZSTD",
        "bloom_filter", "minmax", "ngrambf_v1", "set", "text", "tokenbf_v1",
    }
)  # fmt: skip
"""Codecs of columns and types of indices, which look like functions."""

SYNTAX: Final = frozenset(
    {"APPLY", "CODEC", "COLUMNS", "EXCEPT", "REPLACE", "arrayJoin", "exists", "grouping", "untuple"}
)
"""Words of the language that the engine writes close to a parenthesis."""

FORMATS: Final = frozenset(
    {
        "Arrow", "ArrowStream", "Avro", "BSONEachRow", "CSV", "CSVWithNames", "CSVWithNamesAndTypes", "JSON",
        "JSONAsObject", "JSONAsString", "JSONColumns", "JSONColumnsWithMetadata", "JSONCompact", "JSONCompactColumns",
        "JSONCompactEachRow", "JSONCompactEachRowWithNames", "JSONCompactEachRowWithNamesAndTypes",
        "JSONCompactStrings", "JSONCompactStringsEachRow", "JSONCompactStringsEachRowWithNames",
        "JSONCompactStringsEachRowWithNamesAndTypes", "JSONEachRow", "JSONL", "JSONLines", "JSONObjectEachRow",
        "JSONStrings", "JSONStringsEachRow", "LineAsString", "Markdown", "MsgPack", "NDJSON", "Native", "Npy", "Null",
        "ORC", "Parquet", "Pretty", "PrettyCompact", "PrettyCompactMonoBlock", "PrettyCompactNoEscapes",
        "PrettyCompactNoEscapesMonoBlock", "PrettyJSONEachRow", "PrettyMonoBlock", "PrettyNoEscapes",
        "PrettyNoEscapesMonoBlock", "PrettySpace", "PrettySpaceMonoBlock", "PrettySpaceNoEscapes", "RawBLOB",
        "RowBinary", "RowBinaryWithDefaults", "RowBinaryWithNames", "RowBinaryWithNamesAndTypes", "SQLInsert", "TSKV",
        "TSV", "TSVRaw", "TSVRawWithNames", "TSVRawWithNamesAndTypes", "TSVWithNames", "TSVWithNamesAndTypes",
        "TabSeparated", "TabSeparatedRaw", "TabSeparatedRawWithNames", "TabSeparatedRawWithNamesAndTypes",
        "TabSeparatedWithNames", "TabSeparatedWithNamesAndTypes", "Values", "Vertical", "XML",
    }
)  # fmt: skip
"""Formats that need no schema from a file or a registry."""

READER_SETTINGS: Final = frozenset(
    {
        "cast_string_to_dynamic_use_inference",
        "date_time_input_format", "date_time_output_format", "extremes", "final", "join_use_nulls", "limit",
        "log_comment", "max_block_size", "max_result_bytes", "max_result_rows", "max_rows_to_read",
        "offset", "output_format_arrow_string_as_string", "output_format_decimal_trailing_zeros",
        "output_format_json_escape_forward_slashes", "output_format_json_named_tuples_as_objects",
        "output_format_json_quote_64bit_integers", "output_format_json_quote_decimals",
        "output_format_json_quote_denormals", "output_format_parquet_string_as_string",
        "output_format_pretty_color", "output_format_pretty_max_rows", "output_format_pretty_row_numbers",
        "output_format_pretty_single_large_number_tip_threshold", "output_format_write_statistics",
        "result_overflow_mode", "session_timezone", "use_client_time_zone",
    }
)  # fmt: skip
"""How an answer looks, and how much of it is returned."""

WRITER_SETTINGS: Final = READER_SETTINGS | frozenset(
    {
        "allow_suspicious_low_cardinality_types", "async_insert", "date_time_overflow_behavior", "index_granularity",
        "input_format_allow_errors_num", "input_format_allow_errors_ratio",
        "input_format_defaults_for_omitted_fields", "input_format_null_as_default",
        "input_format_parallel_parsing", "input_format_skip_unknown_fields", "insert_deduplicate",
        "insert_deduplication_token", "insert_quorum", "max_bytes_before_external_group_by",
        "max_bytes_before_external_sort", "max_delay_to_insert", "max_execution_time",
        "max_insert_block_size", "max_insert_threads", "max_threads",
        "max_memory_usage", "max_partitions_per_insert_block", "max_parts_in_total", "merge_with_ttl_timeout",
        "min_age_to_force_merge_seconds", "min_free_disk_bytes_to_perform_insert", "min_insert_block_size_bytes",
        "min_insert_block_size_rows", "mutations_sync", "non_replicated_deduplication_window",
        "old_parts_lifetime", "optimize_on_insert", "optimize_throw_if_noop", "parts_to_delay_insert",
        "parts_to_throw_insert", "select_sequential_consistency", "table_readonly", "throw_if_no_data_to_insert",
        "type_json_skip_duplicated_paths",
        "wait_for_async_insert",
    }
)  # fmt: skip

READER_STATEMENTS: Final = (
    "SELECT ", "WITH ", "(", "EXPLAIN ", "DESCRIBE TABLE ", "EXISTS TABLE ", "EXISTS VIEW ", "EXISTS DATABASE ",
    "SHOW TABLES", "SHOW DATABASES", "SHOW CREATE TABLE ", "SHOW CREATE VIEW ", "SHOW CREATE DATABASE ",
        "SHOW COLUMNS",
)  # fmt: skip
"""How a statement begins, as the engine writes it. Anyone may send statements that only read."""

WRITER_STATEMENTS: Final = (
    *READER_STATEMENTS,
    "INSERT INTO ", "CREATE DATABASE ", "CREATE TABLE ", "CREATE OR REPLACE TABLE ", "CREATE TEMPORARY TABLE ",
    "CREATE VIEW ", "CREATE OR REPLACE VIEW ", "CREATE MATERIALIZED VIEW ", "ALTER TABLE ", "DELETE FROM ",
    "DROP DATABASE ", "DROP TABLE ", "DROP VIEW ", "TRUNCATE TABLE ", "OPTIMIZE TABLE ", "RENAME TABLE ",
    "EXCHANGE TABLES ", "KILL QUERY ", "SYSTEM STOP MERGES", "SYSTEM START MERGES", "SET ", "USE ", "CHECK TABLE ",
)  # fmt: skip

KEYWORDS: Final = frozenset(
    """
    ADD AFTER ALIAS ALL ALTER AND ANTI ANY APPLY ARRAY AS ASC ASOF AST ASYNC BETWEEN BOTH BY CASE CAST CHECK CLEANUP
    CLEAR CODEC COLLATE COLUMN COLUMNS COMMENT CONSTRAINT CREATE CROSS CUBE CURRENT DATABASE DATABASES DATE DAY
    DEDUPLICATE DEFAULT DEFINER DELETE DESC DESCRIBE DISTINCT DIV DROP ELSE EMPTY END ENGINE EPHEMERAL ESTIMATE EXCEPT
    EXCHANGE EXISTS EXPLAIN EXPRESSION EXTENDED FALSE FILL FILTER FINAL FIRST FOLLOWING FOR FORCE FORMAT FROM FULL
    GLOBAL GRANULARITY GROUP GROUPING GROUPS HAVING HOUR IF IGNORE ILIKE IN INDEX INDEXES INDICES INNER INSERT
    INTERPOLATE INTERSECT INTERVAL INTO INVOKER IS JOIN KEY KEYS KILL LAST LEADING LEFT LIKE LIMIT MATERIALIZE
    MATERIALIZED MERGES
    MINUTE MODIFY MONTH MUTATION NAME NO NONE NOT NULL NULLS OFFSET ON OPTIMIZE OR ORDER OUTER OVER PART
    PARTITION PASTE PIPELINE PLAN POPULATE PRECEDING PREWHERE PRIMARY PROJECTION QUALIFY QUARTER QUERY RANGE RECURSIVE
    REGEXP REMOVE RENAME REPLACE RESET RESPECT RIGHT ROLLUP ROW ROWS SAMPLE SECOND SECURITY SELECT SEMI SET SETS
    SETTING SETTINGS SHOW SQL STALENESS START STEP SYNC SYNTAX SYSTEM TABLE TABLES TEMPORARY TEST THEN TIES TIME TO
    TOTALS TRAILING TREE TRUE TRUNCATE TTL TYPE UNBOUNDED UNION UNIQUE UPDATE USE USING UUID VALUES VIEW WEEK WHEN WHERE
    WINDOW WITH YEAR ZONE
    """.split()  # noqa: SIM905  (sixty lines otherwise)
)
"""Words of the language that may occur in a statement: none of them names a file, a host, a disk or a program."""

SYSTEM_TABLES: Final = frozenset(
    {
        "columns", "data_type_families", "databases", "formats", "functions", "numbers", "one", "settings", "tables",
        "time_zones",
    }
)  # fmt: skip
"""Tables of the database `system` that the reader may ask: they hold nothing of other people's queries."""

SYSTEM_DATABASES: Final = frozenset({"system", "information_schema"})
