"""Answers that are not about single events: problem details of RFC 9457."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic_core import to_json

PROBLEM_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """A request that cannot be served.

    Args:
        status: of the answer.
        code: a word for programs; it stays the same.
        detail: one sentence: what happened, and what to do.
        retry_after: seconds after which the same request may succeed.
        headers: of the answer, besides.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def body(self, events: Mapping[str, Any] | None = None) -> bytes:
        """The document, with what became of the events that were read before."""
        document = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "code": self.code,
            "detail": self.detail,
            **(events or {}),
        }
        return as_json(document)


def as_json(document: Mapping[str, Any]) -> bytes:
    """The body of an answer. What it repeats of a request may hold half a pair of surrogates, which is no UTF-8."""
    try:
        return to_json(document)
    except ValueError:
        return json.dumps(document, separators=(",", ":")).encode()
