"""The fuzzer: what it begins with and what it found hold; it finds what is planted, and its script runs."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fuzz_runs
import pytest
from fuzzing import decided, judged, read, seeds
from fuzzing.cases import Case, Header, One, decoded, encoded, of_raw
from fuzzing.mutating import Mutator
from fuzzing.targets import TARGETS
from fuzzing.words import dictionary
from poison import REFUSED
from rawkafka import Raw
from samples import CVRS, event

from schemas.faults import Fault

PLANTED = Path(__file__).parent / "planted" / "planted.py"
needs_atheris = pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris has wheels for Linux and Python 3.11 to 3.13 only"
)
SOUND = encoded(of_raw([Raw(event(company), b"%08d" % company) for company in CVRS[:4]]))


# ---- replay


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_fuzzer_begins_with_holds(target):
    """Every record of the tests' own corpora, and everything made of them, passes."""
    for data in TARGETS[target].seeds():
        TARGETS[target].check(data)


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found_holds(target):
    """What the fuzzer found before no longer fails."""
    for data in seeds.finds(target):
        TARGETS[target].check(data)


@pytest.mark.parametrize("target", TARGETS)
def test_some_changes_of_each_hold(target):
    """Without guidance, and without atheris: a few hundred random changes."""
    inputs = TARGETS[target].seeds()
    mutator = Mutator(inputs, lambda data: data[: len(data) // 2] + b"\0" + data[len(data) // 2 :])
    for number in range(200):
        TARGETS[target].check(mutator.mutate(inputs[number % len(inputs)], 16_384, number))


# ---- the harness


def test_an_input_is_taken_apart_as_it_was_made():
    """A case that was written down is the same after it was read; any other bytes are some case."""
    case = Case([One(b"v", None, [Header(b"n", None, 3)]), One(None, b"k")], b"\1\2")
    assert decoded(encoded(case)) == case
    for size in range(len(encoded(case))):
        decoded(encoded(case)[:size])


def test_the_corpus_is_in_it():
    """Records of the corpora are among the inputs, and words of the schema in the dictionary."""
    inputs = [one.value for data in seeds.events() for one in decoded(data).records]
    assert sum(one.value in inputs for one in REFUSED) > len(REFUSED) * 0.8
    assert '"occurred_on"\n' in dictionary()


def test_random_changes_get_past_the_parser():
    """Most changed events still are JSON objects."""
    mutator = Mutator([SOUND], lambda data: data + b"x")
    values = [decoded(mutator.mutate(SOUND, 16_384, n)).records for n in range(300)]
    known = [TARGETS["event"].check(encoded(Case(records))) for records in values]
    objects = sum((records[0].value or b"").strip().startswith(b"{") for records in values if records)
    assert objects > len(known) * 0.6


def _too_long(found: Any) -> Any:
    return (found[0]._replace(activity_id="x" * 201), found[1]) if isinstance(found, tuple) else found


def _no_faults(found: Any) -> Any:
    return [] if isinstance(found, list) else found


def _unknown_code(found: Any) -> Any:
    return [Fault("", "no_such_code", "")] if isinstance(found, list) else found


def _without_receipt(found: Any) -> Any:
    found.rows.receipts[1:2] = []
    return found


def _large_output(found: Any) -> Any:
    found.outputs[:] = [one._replace(value=b"x" * 3_000_000) for one in found.outputs]
    return found


def _other_payload(found: Any) -> Any:
    found.rows.rejected[:] = [one._replace(payload=b"other") for one in found.rows.rejected]
    return found


@pytest.mark.parametrize(
    ("target", "module", "name", "fault"),
    [
        ("event", judged.events, "read_event", _too_long),
        ("event", judged.events, "read_event", _no_faults),
        ("event", judged.events, "read_event", _unknown_code),
        ("headers", judged.stream_headers, "read_headers", lambda found: found._replace(size=0)),
        ("headers", judged.stream_headers, "other_place", lambda _: (7, 1)),
        ("batch", decided.deciding, "process_batch", _without_receipt),
        ("batch", decided.deciding, "process_batch", _large_output),
        ("batch", decided.deciding, "process_batch", _other_payload),
        ("wire", read.wire, "read_batches", lambda found: list(found)[1:]),
        ("register", decided.companies, "process_companies", _other_payload),
    ],
    ids=[
        "a text too long", "no faults", "unknown code", "no size", "no such partition", "no receipt", "too large",
        "another payload", "an offset left out", "register, another payload",
    ],
)  # fmt: skip
def test_a_broken_promise_is_seen(target, module, name, fault, monkeypatch):
    """Each target fails when the function behind it returns something wrong."""
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given, **named: fault(real(*given, **named)))
    with pytest.raises(AssertionError):  # noqa: PT012  (one of them has to fail)
        for data in [SOUND, *TARGETS[target].seeds()]:
            TARGETS[target].check(data)


def test_the_numbers_that_libfuzzer_prints_are_read():
    """Executions and coverage are in the table; a find ends with 1."""
    said = "#12\tNEW    cov: 3 ft: 4 corp: 2/9b lim: 9\n#40\tREDUCE cov: 5 ft: 6 corp: 7/9b lim: 9\n"
    outcome = fuzz_runs.read("event", said + "stat::number_of_executed_units: 1234\n")
    assert (outcome.executions, outcome.coverage, outcome.features, outcome.corpus) == (1234, 5, 6, 7)
    assert fuzz_runs.table([outcome])[-1] == "| event | 1,234 | 5 | 6 | 7 | 0 | 0 |"
    assert fuzz_runs.report([outcome]) == 0
    outcome.finds = [Path("x")]
    assert fuzz_runs.report([outcome]) == 1


# ---- under atheris


@needs_atheris
def test_a_planted_fault_is_found(tmp_path):
    """The search finds an event that one in thousands of changes makes, and that it does not begin with."""
    kept = tmp_path / "kept"
    kept.mkdir()
    found = fuzz_runs.fuzz("event", 60, 1, tmp_path, kept, PLANTED)
    assert "the planted fault was found" in found.said
    assert found.coverage > 100
    assert found.finds
    TARGETS["event"].check(found.finds[0].read_bytes())  # without the planted fault it holds


@needs_atheris
def test_the_script_runs(tmp_path, monkeypatch, capsys):
    """A few seconds of one target, with another seed each time; .ci/run gives all of them a minute."""
    arguments = ["--target", "headers", "--seconds", "3", "--keep", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["scripts/fuzz", *arguments])
    monkeypatch.setattr(fuzz_runs, "pytest_child", SimpleNamespace(take_sigterm_for_ctrl_c=lambda: None))
    code = fuzz_runs.main()
    printed = capsys.readouterr()
    assert code == 0, printed.out + printed.err
    assert printed.out.count("\n| ") == 2
