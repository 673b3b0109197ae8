"""The settings of ClickHouse by which figures are counted, no matter what the server's profiles or a session say.

Two walls. The views of figures pin `OF_VIEWS` in their own text, so that they hold for every client. Every query of the
product sends `PINNED` as well, for what a view cannot set for the query around it. `tests/counted/test_settings.py`
changes the settings of the real engine one by one and compares every view with the model.
"""

from typing import Final

_THROW: Final = (
    "read_overflow_mode",
    "read_overflow_mode_leaf",
    "group_by_overflow_mode",
    "sort_overflow_mode",
    "result_overflow_mode",
    "timeout_overflow_mode",
    "timeout_overflow_mode_leaf",
    "set_overflow_mode",
    "join_overflow_mode",
    "transfer_overflow_mode",
    "distinct_overflow_mode",
)
"""What happens at a limit that an operator has set: an error, instead of the rows so far as if they were all."""

OF_VIEWS: Final[dict[str, str | int]] = {
    **dict.fromkeys(_THROW, "throw"),
    "aggregate_functions_null_for_empty": 0,
    "any_join_distinct_right_table_keys": 0,
    "asterisk_include_virtual_columns": 0,
    "cast_keep_nullable": 0,
    "enable_named_columns_in_function_tuple": 0,
    "force_grouping_standard_compatibility": 1,
    "group_by_use_nulls": 0,
    "join_default_strictness": "ALL",
    "join_use_nulls": 0,
    "prefer_column_name_to_alias": 0,
    "transform_null_in": 0,
    "use_with_fill_by_sorting_prefix": 1,
}
"""Settings that silently changed a figure when they were tried, and related ones. The text of applied migrations
depends on them: another value or name needs a migration that re-creates the views."""

PINNED: Final[dict[str, str | int]] = {
    **OF_VIEWS,
    "additional_result_filter": "",
    "additional_table_filters": "{}",
    "apply_deleted_mask": 1,
    "apply_mutations_on_fly": 0,
    "do_not_merge_across_partitions_select_final": 0,
    "except_default_mode": "ALL",
    "extremes": 0,
    "final": 0,
    "intersect_default_mode": "ALL",
    **dict.fromkeys(("filter", "order", "select", "sort"), ""),
    **dict.fromkeys(("limit", "offset", "page"), 0),
    "output_format_native_encode_types_in_binary_format": 0,
    "session_timezone": "",
    "union_default_mode": "",
    "use_query_cache": 0,
}
"""What each query of the product sends."""


def as_sql(settings: dict[str, str | int]) -> str:
    """The settings as a SETTINGS clause takes them."""
    return ", ".join(f"{name} = {value!r}" for name, value in settings.items())
