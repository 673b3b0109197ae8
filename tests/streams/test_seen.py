"""The dedupe state on disk: what survives, and what is not trusted."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import faust
import pytest
import structlog
from faust.types.tuples import TP

from streams.interfaces import StateError
from streams.seen import STORE_URL, TABLE, RocksSeen, is_damage

CHANGELOG = TP("app-seen-changelog", 0)
MARK = b"m" * 11
Open = Callable[..., tuple[RocksSeen, faust.Table]]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Opens the state as a worker that has just started does."""

    def opened(changelog_id: str = "an-id") -> tuple[RocksSeen, faust.Table]:
        app = faust.App("app", broker="kafka://127.0.0.1:1", store=STORE_URL, datadir=tmp_path)
        app._create_directories()
        table = app.Table(TABLE, partitions=1, key_type=bytes, value_type=bytes, options={"changelog_id": changelog_id})
        return RocksSeen(table), table

    return opened


def keys(number: int) -> list[bytes]:
    """A number of different keys."""
    return [b"%016d" % n for n in range(number)]


def test_marks_survive_restarts_and_compactions(opened: Open) -> None:
    """Every restart leaves one more file; the fourth is the first that RocksDB merges by itself."""
    every = keys(600)
    for turn in range(6):
        seen, table = opened()
        seen.write(0, dict.fromkeys(every[turn::6], MARK), turn)
        asyncio.run(table.data.stop())
    seen, table = opened()
    table.data._db_for_partition(0).compact_range(None, None)
    assert list(seen.get(0, every)) == [MARK] * len(every)
    assert table.data.persisted_offset(CHANGELOG) == 5
    asyncio.run(table.data.stop())


def test_marks_of_another_changelog_are_not_used(opened: Open) -> None:
    """They may be of another ledger, which has rows that this one lacks."""
    seen, table = opened("its-former-id")
    seen.write(0, dict.fromkeys(keys(3), MARK), 2)
    asyncio.run(table.data.stop())
    seen, table = opened()
    with structlog.testing.capture_logs() as said:
        assert table.data.persisted_offset(CHANGELOG) is None
    assert [(line["partition"], "another changelog" in line["found"]) for line in said] == [(0, True)]
    assert list(seen.get(0, keys(3))) == [None] * 3
    asyncio.run(table.data.stop())


def test_damage_found_while_working_is_set_aside_and_ends_the_worker(opened: Open) -> None:
    """What was read wrongly once is not opened again by this process; the next one begins with the changelog."""
    seen, table = opened()
    seen.write(0, dict.fromkeys(keys(2000), MARK), 7)
    asyncio.run(table.data.stop())
    seen, table = opened()
    table.data._db_for_partition(0)
    folder = table.data.partition_path(0)
    (file,) = folder.glob("*.sst")
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(400) + content[500:])
    with structlog.testing.capture_logs() as said, pytest.raises(StateError, match="checksum"):
        seen.get(0, keys(2000))
    assert len(said) == 1
    with pytest.raises(StateError, match="has to restart"):
        seen.write(0, dict.fromkeys(keys(1), MARK), 8)
    assert not folder.exists()
    seen, table = opened()
    assert table.data.persisted_offset(CHANGELOG) is None
    asyncio.run(table.data.stop())


@pytest.mark.parametrize(
    ("first", "end", "logged", "kept"),
    [
        pytest.param(0, 8, 0, True, id="as it was"),
        pytest.param(3, 20, 0, True, id="cut off before what is applied"),
        pytest.param(12, 20, 1, True, id="cut off behind it"),
        pytest.param(0, 7, 1, False, id="shorter than what is applied"),
    ],
)
def test_marks_are_compared_with_their_changelog(opened: Open, first: int, end: int, logged: int, kept: bool) -> None:
    """Marks ahead of the changelog are set aside; one that was cut off is reported, and what is here is kept."""
    seen, table = opened()
    table.app.tables = SimpleNamespace(recovery=SimpleNamespace(active_offsets={CHANGELOG: 7}))
    seen.write(0, dict.fromkeys(keys(3), MARK), 7)
    with structlog.testing.capture_logs() as said:
        seen.compare(0, first, end)
    assert len(said) == logged
    assert list(seen.get(0, keys(3))) == [MARK if kept else None] * 3
    assert table.app.tables.recovery.active_offsets[CHANGELOG] == (7 if kept else None)
    asyncio.run(table.data.stop())


@pytest.mark.parametrize(
    ("message", "damaged"),
    [
        pytest.param("Corruption: block checksum mismatch: stored = 1, computed = 2", True, id="checksum"),
        pytest.param("IO error: No such file or directory: While opening a file", True, id="file missing"),
        pytest.param("IO error: lock hold by current process, acquire time 1", False, id="our own lock"),
        pytest.param("IO error: While lock file: /x/LOCK: Resource temporarily unavailable", False, id="a lock"),
        pytest.param("IO error: No space left on device: While appending to file", False, id="disk full"),
    ],
)
def test_what_speaks_against_the_files(message: str, damaged: bool) -> None:
    """A full disk or a lock is no reason to discard marks."""
    assert is_damage(Exception(message)) is damaged
