"""The errors of the embedded server.

EngineError          one request failed: carries ClickHouse's code, goes to the client
ClustertrackError
└── UsageFault       the server cannot start: one sentence on stderr, exit code 2
"""

import re
from http import HTTPStatus
from typing import Final

BAD_ARGUMENTS: Final = 36
UNKNOWN_FUNCTION: Final = 46
NOT_IMPLEMENTED: Final = 48
SYNTAX_ERROR: Final = 62
UNKNOWN_FORMAT: Final = 73
UNKNOWN_SETTING: Final = 115
READONLY: Final = 164
TOO_MANY_SIMULTANEOUS_QUERIES: Final = 202
INCORRECT_DATA: Final = 117
QUERY_IS_TOO_LARGE: Final = 223
ACCESS_DENIED: Final = 497
AUTHENTICATION_FAILED: Final = 516
UNKNOWN_COMPRESSION_METHOD: Final = 89
VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE: Final = 321
STD_EXCEPTION: Final = 1001

_NAMES: Final = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    UNKNOWN_FUNCTION: "UNKNOWN_FUNCTION",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    READONLY: "READONLY",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    INCORRECT_DATA: "INCORRECT_DATA",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_COMPRESSION_METHOD: "UNKNOWN_COMPRESSION_METHOD",
    VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    STD_EXCEPTION: "STD_EXCEPTION",
}

_STATUS: Final = {
    **dict.fromkeys((6, 26, 27, 36, 38, 41, 42, 43, 53, 62, 70, 72, 117, 164, 321), HTTPStatus.BAD_REQUEST),
    **dict.fromkeys((16, 46, 47, 50, 60, 73, 81, 115, 456), HTTPStatus.NOT_FOUND),
    **dict.fromkeys((ACCESS_DENIED, AUTHENTICATION_FAILED), HTTPStatus.FORBIDDEN),
    QUERY_IS_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    TOO_MANY_SIMULTANEOUS_QUERIES: HTTPStatus.TOO_MANY_REQUESTS,
}
"""The status a ClickHouse server gives; every other code is 500. 503 and 504 are left out on purpose: clients retry
those without being asked."""

_CODE: Final = re.compile(r"Code: (\d+)\. ")


class EngineError(Exception):
    """One request failed.

    `code` is ClickHouse's error code, `text` the message in its form: "Code: 60. DB::Exception: ...".
    """

    def __init__(self, code: int, message: str) -> None:
        name = _NAMES.get(code)
        text = message if name is None else f"Code: {code}. DB::Exception: {message} ({name})"
        super().__init__(text)
        self.code = code
        self.text = text

    @classmethod
    def from_engine(cls, error: BaseException) -> "EngineError":
        """Keep the code that chDB wrote into its message; without one it is STD_EXCEPTION."""
        text = str(error)
        if isinstance(error, UnicodeDecodeError):
            # The message quotes the client's bytes, and they were no text.
            text = error.object.decode(errors="backslashreplace")
        found = _CODE.search(text)
        if found is None:
            return cls(STD_EXCEPTION, text)
        fault = cls.__new__(cls)
        Exception.__init__(fault, text)
        fault.code = int(found[1])
        fault.text = text[found.start() :].strip()
        return fault

    @property
    def status(self) -> int:
        """HTTP status of the response."""
        return int(_STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR))
