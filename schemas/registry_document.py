"""The registry: cluster organisations with their sources, and public knowledge institutions, as one document.

An operator writes it as a TOML file, one table a cluster or institution and span:

    [[cluster]]
    slug = "food-bio"                            # in every figure; a-z, 0-9 and -
    name = "Food & Bio Cluster Denmark"
    name_en = "..."                              # left out where it has no other name in English
    valid_from = 2016-01-01                      # first day
    valid_to = 2024-12-31                        # last day, left out while the cluster exists
    sources = ["https://crm.foodbio.example"]    # the CRMs that speak for it

    [[institution]]                              # never counts as a company on these days
    cvr = 29102384
    valid_from = 2007-01-01
    reason = "university"

`clustertrack registry load` publishes it as JSON; workers read it from Kafka. Both judge it by the same rules, as a
whole: a registry with one mistake is not used. The highest revision is in force.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from importlib.resources import files
from typing import Annotated, Any, Final, TypeVar

import pydantic_core
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from schemas.binding import parse
from schemas.bounded_toml import read_toml
from schemas.clusters import Cluster, ClusterRegistry, Text
from schemas.company import LATEST_REVISION_MS
from schemas.cvr import parse_cvr, sound_cvr
from schemas.errors import UsageFault
from schemas.faults import Fault, fault
from schemas.register_dates import FIRST_DAY, LAST_DAY, DayError, sound_day

CODES: Final[dict[str, str]] = {
    "invalid_registry": "the registry breaks a rule of its format; the value says which",
}
"""Code -> meaning, in addition to those in `schemas.faults` and `schemas.company`."""

NO_REGISTRY: Final = "no registry is loaded: run `clustertrack registry load FILE`"
"""Why nothing is judged before the first one was loaded."""
SAMPLE: Final = "schemas/registry.toml (bundled)"
MAX_BYTES: Final = 900_000
"""Of a registry as JSON: it has to fit into one record, and with what is wrong with it into another."""

_RESERVED: Final = ("all", "unknown")
"""Words that reports print in the place of a slug."""
_SHOWN: Final = 300
"""Characters of a value or message that are shown."""
_MOST_SAID: Final = 20
"""Mistakes of a file that are named at once."""
_HIGHEST: Final = 2**63
_Entry = TypeVar("_Entry", Cluster, "Institution")


def _number(cvr: object) -> object:
    return parse_cvr(cvr) if isinstance(cvr, str) else cvr


class Institution(BaseModel):
    """A public knowledge institution in one span of days, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cvr: Annotated[int, BeforeValidator(_number), AfterValidator(sound_cvr)]
    valid_from: Annotated[date, AfterValidator(sound_day)]
    valid_to: Annotated[date, AfterValidator(sound_day)] | None = None
    reason: Text
    """Why it is no company."""

    def holds(self, day: date) -> bool:
        """Whether the day lies in the span."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class Registry(BaseModel):
    """One version of the registry. Immutable."""

    model_config = ConfigDict(frozen=True)

    revision: int
    """When it was loaded, ms since 1970 UTC; the highest is in force."""
    clusters: tuple[Cluster, ...]
    institutions: tuple[Institution, ...] = ()

    @cached_property
    def by_source(self) -> ClusterRegistry:
        """What events are judged against."""
        return ClusterRegistry(self.clusters, self.revision)

    @property
    def content(self) -> tuple[frozenset[Cluster], frozenset[Institution]]:
        """What it says, in no order; two versions of the same content are equal in it."""
        return frozenset(self.clusters), frozenset(self.institutions)

    @property
    def key(self) -> bytes:
        """Key on Kafka: compaction keeps every version."""
        return b"%d" % self.revision

    def to_json(self) -> bytes:
        """Value on Kafka, as UTF-8."""
        return self.model_dump_json().encode()


def read_sample(revision: int = 0) -> Registry:
    """The bundled registry: what `clustertrack up` loads when there is none."""
    return read_file((files("schemas") / "registry.toml").read_bytes(), SAMPLE, revision)


def read_file(content: bytes, place: str, revision: int = 0) -> Registry:
    """A registry from the bytes of its TOML file.

    Args:
        content: the file, UTF-8.
        place: how errors name the file.
        revision: the version's own; the one who publishes it gives it one.

    Raises:
        UsageFault: names the file, the entry and what to do.
    """
    try:
        tables = read_toml(content.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise UsageFault(f"{place}: not UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except ValueError as error:
        raise UsageFault(f"{place}: not TOML: {str(error)[:_SHOWN]}; see the example examples/registry.toml") from error
    unknown = sorted(set(tables) - {"cluster", "institution"})
    if unknown:
        raise UsageFault(
            f"{place}: unknown entry {unknown[0][:_SHOWN]!r}; the file holds [[cluster]] and [[institution]] tables"
        )
    try:
        registry = _registry(revision, tables.get("cluster"), tables.get("institution", []), _from_toml, _MOST_SAID)
    except _RulesBrokenError as error:
        raise UsageFault(f"{place}: {error}") from error
    size = len(registry.to_json())
    if size > MAX_BYTES:
        raise UsageFault(
            f"{place}: {size:,} bytes as one record, and {MAX_BYTES:,} are possible; leave out spans that have ended"
        )
    return registry


def read_registry(key: bytes | None, value: bytes | None, arrived: int) -> Registry | list[Fault]:
    """One record of the registry topic, or what is wrong with it. Never raises.

    Args:
        key: the record's key.
        value: its value.
        arrived: when it arrived by the broker's clock (LogAppendTime), ms since 1970 UTC.
    """
    if value is None:
        return [fault("", "tombstone")]
    document = parse(value)
    if isinstance(document, Fault):
        return [document]
    if not isinstance(document, dict):
        return [fault("", "invalid_json", "not an object")]
    unknown = sorted(set(document) - {"revision", "clusters", "institutions"})
    if unknown:
        return [fault(unknown[0], "extra_field")]
    return _read_document(key, document, arrived)


def _read_document(key: bytes | None, document: dict[str, Any], arrived: int) -> Registry | list[Fault]:
    revision = document.get("revision")
    if type(revision) is not int or not 0 <= revision < _HIGHEST:
        return [fault("revision", "missing" if revision is None else "invalid_type", revision)]
    if revision > arrived + LATEST_REVISION_MS:
        return [fault("revision", "revision_in_future", revision)]
    if key != b"%d" % revision:
        return [fault("", "key_mismatch", "" if key is None else key.decode("utf-8", "backslashreplace"))]
    try:
        return _registry(revision, document.get("clusters"), document.get("institutions", []), _from_json, 1)
    except _RulesBrokenError as error:
        return [fault(error.field, "invalid_registry", str(error))]


class _RulesBrokenError(ValueError):
    """The rules that a registry breaks, as a sentence; `field` is the list that the first of them is about."""

    def __init__(self, broken: "_Broken") -> None:
        sentences = broken.sentences
        numbered = "; ".join(f"({number}) {sentence}" for number, sentence in enumerate(sentences, 1))
        first = "the first " if len(sentences) == broken.most else ""
        super().__init__(sentences[0] if len(sentences) == 1 else f"{first}{len(sentences)} mistakes: {numbered}")
        self.field = broken.field


class _Broken:
    """Collects the rules that are broken, up to `most`: what is left is not looked at then."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sentences: list[str] = []
        self.field = ""

    def add(self, field: str, sentence: str) -> None:
        self.field = self.field or field
        self.sentences.append(sentence)
        if len(self.sentences) == self.most:
            raise _RulesBrokenError(self)


def _from_toml(model: type[_Entry], entry: object) -> _Entry:
    return model.model_validate(entry)


def _from_json(model: type[_Entry], entry: object) -> _Entry:
    return model.model_validate_json(pydantic_core.to_json(entry))


def _registry(revision: int, clusters: object, institutions: object, read: Callable[..., Any], most: int) -> Registry:
    """The rules. `read` makes an entry of what the format gives for it; `most` mistakes are named."""
    broken = _Broken(most)
    found: list[Cluster] = []
    others: list[Institution] = []
    if not isinstance(clusters, list) or not clusters:
        broken.add("clusters", "no cluster; add a [[cluster]] table with slug, name, valid_from and sources")
    else:
        found = [one for n, entry in enumerate(clusters, 1) if (one := _cluster(entry, n, read, broken)) is not None]
    if not isinstance(institutions, list):
        broken.add("institutions", "institution is no list; write each as an [[institution]] table")
    else:
        others = [
            other
            for n, entry in enumerate(institutions, 1)
            if (other := _institution(entry, n, read, broken)) is not None
        ]
    _check_spans("clusters", [(f"cluster {one.slug!r}", one) for one in found], "rename one", broken)
    _check_spans("institutions", [(f"institution {one.cvr:08d}", one) for one in others], "leave one out", broken)
    if broken.sentences:
        raise _RulesBrokenError(broken)
    return Registry(revision=revision, clusters=tuple(found), institutions=tuple(others))


def _check_spans(field: str, entries: Sequence[tuple[str, Any]], otherwise: str, broken: _Broken) -> None:
    before: dict[str, Any] = {}
    for named, one in sorted(entries, key=lambda entry: entry[1].valid_from):
        earlier = before.get(named)
        if earlier is not None and (earlier.valid_to is None or earlier.valid_to >= one.valid_from):
            end = "has no valid_to" if earlier.valid_to is None else f"ends on {earlier.valid_to}"
            broken.add(
                field,
                f"{named} is listed twice and its spans overlap: the one from {earlier.valid_from} {end}, the next "
                f"begins on {one.valid_from}; end the first before the second begins, or {otherwise}",
            )
        before[named] = one


_FIRST_DAY: Final = "write its first day without quotes, as valid_from = 2021-01-01"
_LAST_DAY: Final = "write its last day without quotes, as valid_to = 2024-12-31, or leave it out"
_OF_CLUSTERS: Final = {
    "slug": "write 1 to 60 of a-z and 0-9, parts joined by -",
    "name": "write the organisation's name in quotes",
    "name_en": "write its name in English in quotes, or leave it out",
    "valid_from": _FIRST_DAY,
    "valid_to": _LAST_DAY,
    "sources": 'list the CRMs that publish for it as printed in their events, as sources = ["https://crm.example"]',
}
_OF_INSTITUTIONS: Final = {
    "cvr": "write its CVR number of 8 digits, as cvr = 29102384",
    "valid_from": _FIRST_DAY,
    "valid_to": _LAST_DAY,
    "reason": "write in quotes why it is no company, such as its kind of institution",
}


def _cluster(entry: object, number: int, read: Callable[..., Any], broken: _Broken) -> Cluster | None:
    slug = entry.get("slug") if isinstance(entry, dict) else None
    named = f"cluster {slug[:_SHOWN]!r}" if isinstance(slug, str) else f"cluster number {number}"
    cluster: Cluster | None = _entry(Cluster, entry, named, _OF_CLUSTERS, read, broken)
    if cluster is None:
        return None
    if cluster.slug in _RESERVED:
        broken.add("clusters", f"{named}: reports use this word for something else; choose another slug")
    if len(set(cluster.sources)) != len(cluster.sources):
        broken.add("clusters", f"{named}: a source is listed twice; list it once")
    return cluster


def _institution(entry: object, number: int, read: Callable[..., Any], broken: _Broken) -> Institution | None:
    cvr = entry.get("cvr") if isinstance(entry, dict) else None
    named = f"institution {str(cvr)[:_SHOWN]}" if isinstance(cvr, int | str) else f"institution number {number}"
    return _entry(Institution, entry, named, _OF_INSTITUTIONS, read, broken)


def _entry(
    model: type[_Entry],
    entry: object,
    named: str,
    advice: Mapping[str, str],
    read: Callable[[type[_Entry], object], _Entry],
    broken: _Broken,
) -> _Entry | None:
    """An entry; None where it breaks rules of its own."""
    field = "clusters" if model is Cluster else "institutions"
    try:
        found = read(model, entry)
    except ValidationError as error:
        # Of each value one mistake: pydantic names a wrong text in a list more than once.
        first = {one["loc"][:1]: one for one in reversed(error.errors(include_url=False))}
        for one in reversed(first.values()):
            broken.add(field, f"{named}: {_mistake(one, field, advice)}")
        return None
    if found.valid_to is not None and found.valid_to < found.valid_from:
        broken.add(field, f"{named}: valid_to {found.valid_to} is before valid_from {found.valid_from}; swap them")
        return None
    return found


def _mistake(error: ErrorDetails, field: str, advice: Mapping[str, str]) -> str:
    """What is wrong with a value of an entry, and what to do."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        return f"unknown entry {name[:_SHOWN]!r}; known are {', '.join(advice)}"
    if error["type"] == "missing":
        return f"{name} is missing; {advice[name]}"
    given = repr(str(error["input"]) if isinstance(error["input"], date) else error["input"])[:_SHOWN]
    if isinstance(error.get("ctx", {}).get("error"), DayError):
        return f"{name} = {given} cannot be used; correct the year, it is from {FIRST_DAY.year} to {LAST_DAY.year}"
    return f"{name} = {given} cannot be used; {advice.get(name, f'write it as a [[{field[:-1]}]] table')}"
