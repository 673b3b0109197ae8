"""Logs go to standard error, one line an event; standard output belongs to results.

On a terminal they are made for people, elsewhere each line is a JSON object. Libraries that log through the standard
library come out the same way, at WARNING and above.
"""

import logging
import sys

import structlog

from schemas.errors import ClustertrackError


def configure(level: str) -> None:
    """Set logging up for this process. `level` is a name of the standard library, such as INFO."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _sentence,
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    for ours in ("streams", "sinks", "sources", "reports", "clustertrack"):
        logging.getLogger(ours).setLevel(level)


def _sentence(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """What a user can cause is told by its sentence, whoever logs it; a traceback is for faults of the program."""
    given = event.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, ClustertrackError):
        del event["exc_info"]
        event["error"] = str(error)
    return event
