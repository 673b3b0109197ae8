"""What a foreign client publishes in a test, and what must happen to each record."""

import json
import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from foreign import CLIENTS, CODECS, MODES, Job, Part, PartitionOffset, Sent
from samples import CVRS, SOURCE, event

STRUCTURED: Final = ("content-type", b"application/cloudevents+json")
STORY_RECORDS: Final = 24
"""Valid events of a story, apart from the special ones: so many that a codec has something to save."""
LARGE_RECORDS: Final = 1_200
_LETTERS: Final = bytes(string.ascii_letters.encode()[number % 52] for number in range(256))
NULL_HEADERS: Final = {"confluent-kafka", "aiokafka", "java"}
"""Clients that can write a header without a value."""
_EXTRA: Final = (
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("x-bruger", "Åse Østergård".encode()),
    ("x-æøå-日本", "ü".encode("latin-1")),
    ("x-bytes", bytes(range(256))),
    ("x-empty", b""),
)
"""Headers of CRMs that are not ours: non-ASCII names and values, and bytes that are not text."""


@dataclass
class Story:
    """One producer's records. `places` is filled once they are sent: those of each part."""

    client: str
    codec: str
    mode: str
    level: int | None = None
    kind: str = "story"
    accepted: dict[str, int] = field(default_factory=dict)
    """Activity -> how many of its versions are accepted."""
    faults: dict[int, list[str]] = field(default_factory=dict)
    """Number of a record of the first part that is not an event -> codes of its faults."""
    parts: list[Part] = field(default_factory=list)
    places: list[list[PartitionOffset]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of its activities and tests."""
        level = "" if self.level is None else f"-{self.level}"
        return f"{self.client}-{self.codec}{level}-{self.mode}" + ("" if self.kind == "story" else f"-{self.kind}")

    @property
    def job(self) -> Job:
        """For the client."""
        return Job(self.codec, self.mode, self.parts, level=self.level)

    @property
    def last(self) -> str:
        """The activity that is corrected, from company to company and back."""
        return f"{self.name}/corrected"


def stories() -> list[Story]:
    """Every client with every codec in every mode."""
    return [story(client, codec, mode) for client in CLIENTS for codec in CODECS for mode in MODES]


def leveled() -> list[Story]:
    """The extremes that can be set: the fastest and the smallest."""
    levels: dict[str, dict[str, tuple[int, ...]]] = {
        "confluent-kafka": {"gzip": (1, 9), "lz4": (1, 12), "zstd": (1, 12)},
        "java": {"gzip": (1, 9), "lz4": (1, 17), "zstd": (-7, 1, 19, 22)},
    }
    return [
        story(client, codec, "plain", level)
        for client, codecs in levels.items()
        for codec, ends in codecs.items()
        for level in ends
    ]


def large() -> list[Story]:
    """Batches as large as the topic allows, of events that compress badly."""
    return [_large(client, codec) for client in CLIENTS for codec in CODECS]


def story(client: str, codec: str, mode: str, level: int | None = None) -> Story:
    """Valid events in every form, corrections and invalid records, mixed; aborted transactions between them."""
    told = Story(client, codec, mode, level)
    broken = list(_broken(told))
    valid = list(_valid(told))
    spread = len(valid) // len(broken) + 1
    mixed: list[Sent] = []
    for number, record in enumerate(valid):
        if number % spread == 0 and broken:
            _add_broken(told, mixed, *broken.pop(0))
        mixed.append(record)
    for record, codes in broken:
        _add_broken(told, mixed, record, codes)
    told.parts.append(Part(mixed))
    if mode == "transactional":
        never = [_keyed(event(CVRS[0], f"{told.name}/aborted-{n}")) for n in range(STORY_RECORDS)]
        told.parts += [Part([*never, Sent(b"never")], commit=False), Part([_new(told, "after", CVRS[1])])]
    return told


def _add_broken(told: Story, mixed: list[Sent], record: Sent, codes: list[str]) -> None:
    told.faults[len(mixed)] = codes
    mixed.append(record)


def _valid(told: Story) -> Iterator[Sent]:
    nulls = (("x-null", None),) if told.client in NULL_HEADERS else ()
    extra = (*_EXTRA, *nulls)
    for number in range(STORY_RECORDS):
        company = CVRS[number % len(CVRS)]
        yield _new(told, f"structured-{number}", company)
    for number, headers in enumerate(((), (STRUCTURED,), (STRUCTURED, *extra), extra)):
        # The key is left out: the client chooses a partition, and the worker sends the record on to the right one.
        yield _new(told, f"keyless-{number}", CVRS[number], headers, keyed=False)
        yield _new(told, f"headers-{number}", CVRS[number], headers)
    for number, headers in enumerate(((), extra)):
        yield _binary(told, f"binary-{number}", CVRS[number], headers)
        yield _binary(told, f"binary-keyless-{number}", CVRS[number], headers, keyed=False)
    # In one partition, as the company stays the same; the last one says most.
    for version in range(1, 5):
        told.accepted[told.last] = version
        data = {"title": f"Udgave {version}", "outcomes": ["new_ideas"] if version == 4 else ["new_products"]}
        yield _keyed(event(CVRS[2], told.last, time=f"2018-05-03T10:00:0{version}Z", data=data), CVRS[2])


def _broken(told: Story) -> Iterator[tuple[Sent, list[str]]]:
    key, headers = b"%08d" % CVRS[0], (STRUCTURED, *_EXTRA)
    name = f"{told.name}/broken"
    yield Sent(b"", key), ["invalid_json"]
    yield Sent(None, key), ["tombstone"]
    yield Sent(b"\xff\xfe\x00" * 20, key, headers), ["invalid_utf8"]
    yield Sent(b'{"specversion": "1.0"', None, headers), ["invalid_json"]
    yield Sent(b"[]", None), ["invalid_json"]
    yield Sent(event(CVRS[0], name, subject="12345678", data={"surname": "Hansen"}), key), [
        "extra_field", "invalid_cvr_checksum",
    ]  # fmt: skip
    yield Sent(event(CVRS[0], name, source="https://crm.nobody.example"), b"\x00\xff", headers), ["unknown_source"]
    yield Sent(b"id;subject\n1;2", key, (("content-type", b"text/csv"),)), ["unsupported_content_type"]
    yield Sent(b"{}", key, (*_attributes(name, CVRS[0]), ("ce_time", b"\xff"))), ["invalid_header"]
    if told.codec != "none" and told.mode == "plain" and told.level is None:
        # It is small when packed, and unpacked larger than a topic allows.
        yield Sent(event(CVRS[0], name, data={"title": "x" * 3_000_000}), key, (STRUCTURED,)), ["too_long"]


def _new(
    told: Story, activity: str, company: int, headers: tuple[Any, ...] = (STRUCTURED,), *, keyed: bool = True
) -> Sent:
    told.accepted[f"{told.name}/{activity}"] = 1
    value = event(company, f"{told.name}/{activity}", data={"title": "Økologi og fødevarer, 日本"})
    return Sent(value, b"%08d" % company if keyed else None, headers)


def _binary(told: Story, activity: str, company: int, headers: tuple[Any, ...], *, keyed: bool = True) -> Sent:
    name = f"{told.name}/{activity}"
    told.accepted[name] = 1
    data = json.dumps({"activity_id": name, "occurred_on": "2018-05-03", "title": "Økologi"}, ensure_ascii=False)
    attributes = (*_attributes(f"{name}/Æ", company), ("ce_time", b"2018-05-03T14:05:09Z"))
    return Sent(data.encode(), b"%08d" % company if keyed else None, (*attributes, *headers))


def _attributes(identity: str, company: int) -> tuple[tuple[str, bytes], ...]:
    return (
        ("content-type", b"application/json; charset=utf-8"),
        ("ce_specversion", b"1.0"),
        ("ce_id", identity.encode()),
        ("ce_source", SOURCE.encode()),
        ("ce_type", b"org.clustertrack.workshop.attended.v1"),
        ("ce_subject", b"%08d" % company),
    )


def _keyed(value: bytes, company: int = CVRS[0]) -> Sent:
    return Sent(value, b"%08d" % company, (STRUCTURED,))


def _large(client: str, codec: str) -> Story:
    told = Story(client, codec, "plain", kind="large")
    draw = random.Random(codec)
    records = []
    for number in range(LARGE_RECORDS):
        activity = f"{told.name}/{number}"
        told.accepted[activity] = 1
        # No signs: they could be an address or a number.
        title = draw.randbytes(480).translate(_LETTERS).decode("ascii")
        records.append(_keyed(event(CVRS[3], activity, data={"title": title}), CVRS[3]))
    told.parts.append(Part(records))
    return told
