"""What is logged about something that fails again and again."""

import structlog

log = structlog.get_logger()


class Outage:
    """Ever fewer lines while it lasts, and one when it is over: an outage of a night is a dozen lines.

    Args:
        pipeline: name of the pipeline that waits.
    """

    def __init__(self, pipeline: str) -> None:
        self._pipeline, self._tries = pipeline, 0

    def failed(self, event: str, **facts: object) -> None:
        """It failed again; logged the first time, the second, the fourth, the eighth..."""
        self._tries += 1
        if self._tries & (self._tries - 1) == 0:
            log.warning(event, pipeline=self._pipeline, tries=self._tries, **facts)

    def over(self, event: str, **facts: object) -> None:
        """It works; logged if it ever failed."""
        if self._tries:
            log.info(event, pipeline=self._pipeline, **facts)
