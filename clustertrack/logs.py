"""Logs go to standard error, one line an event; standard output belongs to results.

Text that others wrote, also where a library quotes it, is escaped here (`schemas.visible`), in keys and tracebacks too.

On a terminal they are made for people, elsewhere each line is a JSON object. Libraries that log through the standard
library come out the same way, at WARNING and above, and no more often than helps (`clustertrack.chatter`).
"""

import json
import logging
import sys
import time
from typing import Any

import structlog

from clustertrack.chatter import Chatter
from schemas.errors import ClustertrackError
from schemas.screen import has_colors, indented, is_terminal
from schemas.visible import json_text, one_line, visible


def configure(level: str) -> Chatter:
    """Set logging up for this process; returns what knows whether Kafka answers.

    `level` is a name of the standard library, such as INFO; DEBUG shows all that libraries log.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _sentence,
        structlog.processors.format_exc_info,
    ]
    rendered: list[structlog.types.Processor] = (
        [
            _made_visible,
            structlog.dev.ConsoleRenderer(colors=has_colors(), exception_formatter=structlog.dev.plain_traceback),
        ]
        if is_terminal()
        else [structlog.processors.JSONRenderer(_as_json)]
    )
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    chatter = Chatter(time.monotonic, verbose=level == "DEBUG")
    handler.addFilter(chatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for ours in ("brokers", "streams", "sinks", "sources", "reports", "clustertrack"):
        logging.getLogger(ours).setLevel(level)
    return chatter


def _sentence(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Errors that a user can cause are logged as their sentence, from any logger; tracebacks are for bugs."""
    given = event.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, ClustertrackError):
        del event["exc_info"]
        event["error"] = str(error)
    return event


def _as_json(event: structlog.types.EventDict, **_: object) -> str:
    return json_text(json.dumps(event, ensure_ascii=False, default=str))


def _made_visible(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """For people: every value on the line of its event, tracebacks below it and set apart."""
    return {visible(key): _shown(key, value) for key, value in event.items()}


def _shown(key: str, value: Any) -> Any:  # noqa: ANN401  (any logged value)
    if key in {"exception", "stack"}:
        return indented(str(value))
    if isinstance(value, str):
        return visible(value)
    return value if isinstance(value, bool | int | float | None) else one_line(repr(value))
