"""What identifies a person: CPR numbers and e-mail addresses, recognised and masked."""

import time
from json.encoder import encode_basestring
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging import ARRIVED, CLUSTERS, read
from samples import event

from schemas.events import read_event
from schemas.faults import Fault
from schemas.people import holds_personal_data, masked, masked_bytes, worth_a_look

FOUND = [
    "010190-1234", "010190 - 1234", "010190\u20111234", "010190\u00ad1234", "010190\u22121234", "010190\u200b-1234",
    "\uff10\uff11\uff10\uff11\uff19\uff10\uff0d\uff11\uff12\uff13\uff14", "290200-4234", "710190-1234",
    "0101\x0090-1234", "WS/010190-1234", "WS-010190-1234",
    "WS-113-010190-1234", "2018-010190-1234", "010190-1234-01", "_010190-1234", "\u00d7010190-1234",
    "CPR: 0101901234", "cprnr.0101901234", "cpr 101901234",
    "Personnummer 010190 1234", "person nr. 0101901234", "ane@example.dk", "mailto:ane@example.dk",
    "010190\u3164-1234", "010190\uffa0-1234", "0101\u280090-1234", "0\u20dd10190-1234",
    "cpr 01011990-1234", "cpr 01.01.1990-1234", "cprnr. 1011990 1234", "CPR 010119901234", "cpr 29.02.2000 4234",
    "c.p.r. 0101901234", "C.P.R.-nr. 0101901234", "c-p-r 0101901234", "c p r 0101901234", "C. P. R. 0101901234",
    "0101901234 (CPR)", "0101901234 cpr", "010190 1234 [cpr-nr.]", "0101901234/CPR", "0101901234 personnummer",
    "01011990-1234 (personnr.)", "ane&#64;example.dk", "ane&#x40;example.dk", "ane&#0064;example.dk",
    "ane&commat;example.dk", "ane&#64example.dk", "ane&amp;#64;example.dk", "ane%2540example.dk", "ane@[10.0.0.1]",
    "ane@[IPv6:2001:db8::1]", "ane&#64;[10.0.0.1]",
    "a.b+c@bl\u00e5b\u00e6r.dk", "ane\uff20example.dk", "ane%40example.dk", "https://ane@example.dk/x",
]  # fmt: skip
ACCEPTED = [
    "310290-1234", "290200-1234", "010290 1234", "0101901234", "1003412345", "13748136", "+45 12 34 56 78",
    "2018-05-03", "2018-05-03T14:05:09.120+02:00", "8f010190-1234-4a52-9d8e-0c5b9a1d7c11", "x010190-1234",
    "010190-1234a", "010190-12345", "0000-0002-1825-0097", "18/12345", "10.1000/182", "Meet@Aarhus", "@home",
    "foo @ bar.dk", "CPR ikke oplyst, P-nr. 1003412345", "Digitale tvillinger \u2013 f\u00f8devarer",
    "PROJ-2018-0103",
    "01011990-1234", "CPR 31021990-1234", "cpr 01012190-1234", "0101901234 (C.P. Rohde)", "C. P. Rohde, 0101901234",
    "topic pr 0101901234",
    "1003412345, CPR ikke oplyst", "P-nr. 1003412345 (CPR ukendt)", "tlf. 0101901234 / cpr mangler",
    "0101901234 (intern)", "A&#65;B.dk", "R&D &#64; X", "arr[@[1]]", "100%40 kr.", "CPR-registeret 2018", "ane@[i]",
    "5790000123456", "DK50 0040 0440 1162 43", "https://example.dk/@ane",
]  # fmt: skip
NASTY = [
    "a@", "a@b.", "1-", "010190-", "010190-1234", "cpr ", "person-nr 1", "- ", "a%40x.dk", "@a.a.a.a.a.a.a",
    "subject:1 1", "c.p.r", "0101901234 (cpr", "&amp;", "&#0", "a@[1", "%25", "01011990-1234 cpr",
    '"@x.dk ', "0101901234 ", "\\u0031",
]  # fmt: skip
PIECES = [
    "010190", "1234", "-", "\u2013", "\u2014", "\u2011", " ", "\u00a0", "\t", "\0", "\u200b", "_", "/",
    "\u00d7", "\u00e5", "\u3164", "01011990", "c.p.r", "c p r", "(", "&#64;", "&commat", "&amp;", "#x40", "%25",
    "[", "]", "1.1",
    "a", "1", "\uff11", "cpr", "CPR", "c\u00adpr", "person", "nr", "num", ".", ":", "0101901234", "101901234", "@",
    "%40", "\uff20", "ane", "dk", "\u3002", "xn--", "\\", "u0040", "\u2026", "\u201c", "\u017f", "\u212a", '"',
]  # fmt: skip


@pytest.mark.parametrize("text", FOUND, ids=ascii)
def test_it_is_recognised(text: str):
    """Each way to write a number or an address is found and masked."""
    assert holds_personal_data(text)
    assert holds_personal_data(f"Kursus for {text}, Aarhus")
    assert "***" in masked(text)
    assert not holds_personal_data(masked(text))


@pytest.mark.parametrize("text", ACCEPTED, ids=ascii)
def test_it_is_something_else(text: str):
    """Dates, P-numbers, telephone numbers and other ids are not CPR numbers."""
    assert not holds_personal_data(text)
    assert masked(text) == text


@pytest.mark.parametrize("text", FOUND, ids=ascii)
@pytest.mark.parametrize("field", ["id", "note", "activity_id", "title", "project_id", "workshop_id", "product_id"])
def test_no_field_lets_it_in(field: str, text: str):
    """It is refused in every field and extension, and its value is not repeated; an operator can allow it."""
    fields: dict[str, Any] = {field: text} if field in {"id", "note"} else {"data": {field: text}}
    name = field if field in {"id", "note"} else f"data.{field}"
    assert read(event(**fields)) == [Fault(name, "personal_data", "***")]
    assert isinstance(read_event(event(**fields), None, ARRIVED, CLUSTERS, allow_personal_data=True), tuple)


def test_json_is_masked_as_it_is_written():
    """Escapes of JSON hide nothing, nor do bytes that are no text."""
    text = '{"a":"ane\\u0040example.dk","subject":"0101901234","title":"010190\\u20111234"}'
    assert masked(text) == '{"a":"***","subject":"***","title":"***"}'
    assert masked_bytes(b"\xff ane@example.dk") == b"\xff ***"
    assert b"a\0n\0e" not in masked_bytes("ane@example.dk".encode("utf-16"))


def test_the_end_of_a_short_view_is_masked_too():
    """A value that is cut to be shown does not end in the beginning of an address."""
    assert masked("x" * 190 + " ane@example.dk", 195) == "x" * 190 + " ***"


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_quick_look_is_never_wrong_in_saying_no(text: str):
    """What holds something is worth a look, as it is and as JSON writes it."""
    if holds_personal_data(text):
        assert worth_a_look(f" {text}")
        assert worth_a_look(f' {{"title":{encode_basestring(text)}}}')


@pytest.mark.parametrize(
    "text",
    [
        "WS-1@2018-05-03T14:05:09.120Z",
        "f\u00f8devarer \u2013 \u201cnu\u201d",
        "Personlig ledelse",
        "PR-32849/33043562-1005",
    ],
)
def test_ordinary_texts_are_not_worth_a_look(text: str):
    """They are searched once only."""
    assert not worth_a_look(f" {text}")


@pytest.mark.parametrize("part", NASTY)
def test_work_grows_with_the_text(part: str):
    """Ten times the text is not a hundred times the work."""

    def spent(repeats: int) -> float:
        text = part * repeats
        return min(timed(text) for _ in range(3))

    def timed(text: str) -> float:
        began = time.process_time()
        holds_personal_data(text)
        masked(text)
        return time.process_time() - began

    # Ten times the work, and a little; work that grows with the square would be a hundred times.
    assert spent(20_000) < 40 * spent(2_000)


def test_a_mask_at_the_cut_is_within_the_limit():
    """A mask is as long as three characters, also where only one of what it hides would be shown."""
    text = "a" * 9 + " 010190-1234"
    assert masked(text, 11) == "a" * 9 + " *"
    assert all(len(masked(text, limit)) <= limit for limit in range(len(text)))
