"""The events of one HTTP request: which of its bytes are an event, and the Kafka record that each will be. Pure.

The mode follows the content type (CloudEvents 1.0.2, HTTP binding): a batch, one event as a whole (structured mode),
lines of events (ours), or, with attributes as `ce-` headers, the data of one event (binary mode). What an event means
is judged by `brokers.judging`, on the record; here are only the faults that a record can no longer show.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from brokers.judging import LARGEST
from brokers.record_headers import STRUCTURED
from schemas.binding import ATTRIBUTE, ATTRIBUTES, CONTENT_TYPE
from schemas.binding import STRUCTURED as STRUCTURED_TYPE
from schemas.faults import MASK, MAX_FAULTS, Fault, fault

BATCH_TYPE: Final = "application/cloudevents-batch+json"
LINES_TYPES: Final = ("application/x-ndjson", "application/jsonl")
_ANY_FORMAT: Final = "application/cloudevents"
_PREFIX: Final = b"ce-"
_UNREADABLE: Final = b"\xff"
"""In the place of a header that cannot be read: never valid UTF-8, so the judge passes over the attribute."""
_QUOTED: Final = re.compile(rb'"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~\x80-\xff])*)"')
_PAIR: Final = re.compile(rb"\\(.)", re.DOTALL)
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_UTF8: Final = ("utf-8", "utf8", "us-ascii", "ascii")
_CHARSET: Final = re.compile(r"""\bcharset\s*=\s*"?([^";\s]*)""", re.IGNORECASE)
MOST_PARTS: Final = 16
"""Lists and objects for each event: a good one has three, and texts may hold brackets."""
_MORE: Final = 1_000
"""Events for which there are always enough: one may hold many brackets."""
_BOM: Final = b"\xef\xbb\xbf"

CODES: Final[dict[str, str]] = {
    "name_twice": "a name is in one JSON object twice",
    "other_cluster": "the source is of another cluster than the key, always or on the day of the activity",
}
"""Code -> meaning, in addition to those in `schemas.faults`."""

RawHeaders = Sequence[tuple[bytes, bytes]]
"""The headers of a request as they came, names in lower case."""


class Mode(Enum):
    """What a body holds."""

    EVENT = "one event"
    DATA = "the data of one event"
    BATCH = "a list of events"
    LINES = "an event in each line"


class MediaError(Exception):
    """The content type says nothing that can be read here; the message is a sentence."""


class TooManyPartsError(Exception):
    """The body has more lists and objects than its events can have."""


class BodyError(Exception):
    """The body as a whole cannot be read; the message is a sentence."""


class TooManyError(Exception):
    """The body has more events than are taken at once."""


class Candidate(NamedTuple):
    """What may be an event: its record, and what is wrong with the way in which it was sent."""

    event_id: str | None
    """None where it cannot be read."""
    source: str | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]
    faults: Sequence[Fault] = ()
    """With any of these it is not published, even if the judge finds nothing else."""


def mode_of(headers: RawHeaders) -> Mode:
    """What the body of a request holds.

    Raises:
        MediaError: nothing that is read here.
    """
    given = [value for name, value in headers if name == b"content-type"]
    if len(given) > 1:
        raise MediaError("the request has several Content-Type headers: send one")
    text = given[0].decode("latin-1") if given else ""
    media_type = text.partition(";")[0].strip().lower()
    mode = _MODES.get(media_type)
    other = next((name for name in _CHARSET.findall(text) if name.lower() not in _UTF8), None)
    if other is not None:
        raise MediaError(f"events are UTF-8 and not {other}: encode the body so, and leave out the charset")
    if mode is not None:
        return mode
    if media_type.startswith(_ANY_FORMAT):
        raise MediaError(f"CloudEvents are read as JSON only: send {STRUCTURED_TYPE} or {BATCH_TYPE}")
    if any(name.startswith(_PREFIX) for name, _ in headers):
        return Mode.DATA
    raise MediaError(
        f"Content-Type is {media_type or 'missing'}, and there are no ce- headers: send {STRUCTURED_TYPE} with a whole "
        f"event as body, {BATCH_TYPE} with a list of them, or {LINES_TYPES[0]} with one in each line"
    )


_MODES: Final = {
    BATCH_TYPE: Mode.BATCH,
    STRUCTURED_TYPE: Mode.EVENT,
    **dict.fromkeys(LINES_TYPES, Mode.LINES),
}


def binary_event(headers: RawHeaders, body: bytes) -> Candidate:
    """The event of a request in binary mode: its attributes are headers, percent-encoded, and its data is the body."""
    content_type = next((value for name, value in headers if name == b"content-type"), None)
    record = [] if content_type is None else [(CONTENT_TYPE, content_type)]
    found: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name, raw in headers:
        if not name.startswith(_PREFIX):
            continue
        attribute = name[len(_PREFIX) :].decode("ascii", "backslashreplace")
        text = None if attribute in found or attribute == "datacontenttype" else decoded(raw)
        if text is None:
            shown = raw.decode("utf-8", "backslashreplace") if attribute in ATTRIBUTES else MASK
            faults.append(fault(attribute, "invalid_header", shown))
        found[attribute] = _UNREADABLE if text is None else text
    # The content type is the attribute's header; another one would be overruled in silence.
    found.pop("datacontenttype", None)
    record += [(ATTRIBUTE + name, text) for name, text in found.items()]
    data = body.removeprefix(_BOM)
    return Candidate(_text(found.get("id")), _text(found.get("source")), data, record, faults)


def decoded(raw: bytes) -> bytes | None:
    """An attribute in a header as UTF-8: first its quotation marks, if any, then its percent signs are read, once.

    Returns:
        None where that gives no text: half of a pair of quotation marks, a sign without two digits, or bytes that are
        not UTF-8.
    """
    value = raw.strip(b" \t")
    if value.startswith(b'"'):
        quoted = _QUOTED.fullmatch(value)
        if quoted is None:
            return None
        value = _PAIR.sub(rb"\1", quoted[1])
    if b"%" in value:
        if _BAD_ESCAPE.search(value):
            return None
        value = unquote_to_bytes(value)
    return value if _is_utf8(value) else None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: bytes | None) -> str | None:
    return None if raw is None or raw == _UNREADABLE else raw.decode()


class JsonEvents:
    """Reads events out of JSON, byte for byte, and finds names that one object has twice: parsers differ in which of
    the two counts. Not for several threads.
    """

    def __init__(self) -> None:
        self._twice: list[tuple[dict[str, Any], str]] = []
        # Numbers stay text: nothing is asked of them here, and one of many digits would take long to read.
        decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_int=str, parse_float=str, parse_constant=str)
        self._scan: Callable[[str, int], tuple[Any, int]] = decoder.scan_once  # type: ignore[attr-defined]  # `raw_decode` is made of it

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs) and len(self._twice) < MAX_FAULTS:
            self._twice.append((found, _first_twice([name for name, _ in pairs])))
        return found

    def event(self, value: bytes) -> Candidate:
        """The one event that a body or a line is."""
        self._twice.clear()
        value = value.removeprefix(_BOM)
        if len(value) > LARGEST:  # the judge says so; it is not worth reading
            return Candidate(None, None, value, (STRUCTURED,))
        if (parts := _parts(value)) > MOST_PARTS * _MORE:
            return Candidate(None, None, value, (STRUCTURED,), (fault("", "too_many_fields", parts),))
        try:
            text = value.decode()
            begin = _end_of_blanks(text, 0)
            document, end = self._scan(text, begin)
            if _end_of_blanks(text, end) != len(text):
                raise ValueError(f"more follows after character {end}")  # noqa: TRY301  (one place that answers)
        except UnicodeDecodeError:
            return Candidate(None, None, value, (STRUCTURED,), (fault("", "invalid_utf8"),))
        except (ValueError, StopIteration, RecursionError) as error:
            return Candidate(None, None, value, (STRUCTURED,), (fault("", "invalid_json", _said(error)),))
        return self._candidate(document, value)

    def batch(self, body: bytes, most: int) -> Iterator[Candidate]:
        """The events of a JSON array, one after the other.

        Args:
            body: the whole body.
            most: events that are taken at once.

        Raises:
            BodyError: it is no JSON array to its end.
            TooManyError: it has more events.
            TooManyPartsError: it would take long to read.
        """
        if _parts(body) > MOST_PARTS * (most + _MORE):
            raise TooManyPartsError
        try:
            text = body.removeprefix(_BOM).decode()
        except UnicodeDecodeError as error:
            raise BodyError(f"the body is not UTF-8 at byte {error.start}: encode it so") from error
        position = _end_of_blanks(text, 0)
        if text[position : position + 1] != "[":
            raise BodyError(f"the body is no JSON array: send a list of events, or one event as {STRUCTURED_TYPE}")
        position = _end_of_blanks(text, position + 1)
        closed = text[position : position + 1] == "]"
        number = 0
        while not closed:
            if number == most:
                raise TooManyError
            self._twice.clear()
            try:
                document, end = self._scan(text, position)
            except (ValueError, StopIteration, RecursionError) as error:
                raise BodyError(f"the body is not JSON at event {number}: {_said(error)}") from error
            yield self._candidate(document, text[position:end].encode())
            number += 1
            position = _end_of_blanks(text, end)
            closed = text[position : position + 1] == "]"
            if not closed:
                if text[position : position + 1] != ",":
                    raise BodyError(f"the body is not JSON after event {number - 1}: a comma or ] is missing")
                position = _end_of_blanks(text, position + 1)
        if _end_of_blanks(text, position + 1) != len(text):
            raise BodyError("the body is not JSON: more follows after the array")

    def _candidate(self, document: Any, value: bytes) -> Candidate:  # noqa: ANN401  (JSON)
        if not isinstance(document, dict):
            return Candidate(None, None, value, (STRUCTURED,))
        faults = [fault(self._path(document, found) + name, "name_twice") for found, name in self._twice]
        event_id, source = document.get("id"), document.get("source")
        return Candidate(
            event_id if isinstance(event_id, str) else None,
            source if isinstance(source, str) else None,
            value,
            (STRUCTURED,),
            faults,
        )

    @staticmethod
    def _path(event: dict[str, Any], found: dict[str, Any]) -> str:
        return "data." if found is event.get("data") else ""


def _parts(body: bytes) -> int:
    """How many lists and objects there are at most: counting takes no time, making them a microsecond each."""
    return body.count(b"[") + body.count(b"{")


def _first_twice(names: list[str]) -> str:
    """The first of the names that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _end_of_blanks(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    return found.end() if found else position


def _said(error: BaseException) -> str:
    """What a parser says; it quotes nothing of the text."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "a value is missing" if isinstance(error, StopIteration) else str(error)


class LineSplitter:
    """Cuts a body into lines as its pieces come; blank lines hold nothing, and are counted.

    Of a line that is longer than any event only as much is kept as shows it.
    """

    def __init__(self) -> None:
        self._begun = bytearray()
        self.number = 0
        """Of the lines so far."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that end in this piece, without their ends."""
        first, *others = piece.split(b"\n")
        self.number += len(others)
        self._keep(first)
        ended: list[bytes] = []
        for part in others:
            ended += self._taken()
            self._keep(part)
        return ended

    def rest(self) -> list[bytes]:
        """The last line, where nothing ends it."""
        left = self._taken()
        self.number += len(left)
        return left

    def _taken(self) -> list[bytes]:
        whole = bytes(self._begun).removesuffix(b"\r")
        self._begun.clear()
        return [whole] if whole.strip() else []

    def _keep(self, part: bytes) -> None:
        self._begun += part[: LARGEST + 1 - len(self._begun)]
