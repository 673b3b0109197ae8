"""Files next to other people's files: never led elsewhere, nothing foreign overwritten or removed, private."""

import os
import stat
from pathlib import Path

import pytest

from schemas import own_files
from schemas.errors import UsageFault
from schemas.own_files import Beginning, NotOurs, TooLarge, identity, read_within, remove_left, write_whole

SUFFIX = ".refused.csv"
SOMEBODY = 4321
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")


def leave(folder: Path, content: bytes = b"ours", stem: str = "export.csv") -> str:
    """Leave a file next to a foreign one; returns its name."""
    new = Beginning(folder)
    new.stream.write(content)
    return new.leave(stem, SUFFIX)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_whole_and_private(tmp_path: Path):
    """A file that was left has its name, its content and no rights for others, under any umask."""
    umask = os.umask(0)
    try:
        assert leave(tmp_path) == "export.csv.refused.csv"
    finally:
        os.umask(umask)
    path = tmp_path / "export.csv.refused.csv"
    assert path.read_bytes() == b"ours"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names(tmp_path) == [path.name]


def test_until_it_is_whole_it_has_no_name_that_can_be_guessed(tmp_path: Path):
    """While it is written, the only name is a random one; abandoned, nothing stays."""
    first, second = Beginning(tmp_path), Beginning(tmp_path)
    assert len(names(tmp_path)) == 2
    assert not any("export" in name for name in names(tmp_path))
    first.abandon()
    second.abandon()
    assert names(tmp_path) == []


def _foreign(kind: str, place: Path, elsewhere: Path) -> None:
    elsewhere.write_text("precious")
    if kind == "symlink":
        place.symlink_to(elsewhere)
    elif kind == "dangling symlink":
        place.symlink_to(elsewhere.with_name("new"))
    elif kind == "hard link":
        place.hardlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "of the same owner":
        place.write_text("precious")
    elif kind == "private":
        place.write_text("precious")
        place.chmod(0o600)


FOREIGN = ["symlink", "dangling symlink", "hard link", "pipe", "folder", "of the same owner", "private"]


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_not_ours_is_left_alone(kind: str, tmp_path: Path):
    """Where another thing has the name, it stays as it is and ours gets another name; a clean run removes nothing."""
    drop, elsewhere = tmp_path / "drop", tmp_path / "elsewhere"
    drop.mkdir()
    place = drop / "export.csv.refused.csv"
    _foreign(kind, place, elsewhere)
    before = place.lstat()
    remove_left(drop, "export.csv", SUFFIX, same=None)
    assert leave(drop) == "export.csv.refused-2.csv"
    assert (drop / "export.csv.refused-2.csv").read_bytes() == b"ours"
    after = place.lstat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert elsewhere.read_text() == "precious"
    assert names(tmp_path) == ["drop", "elsewhere"]


@AS_ROOT
def test_a_copy_of_somebody_else_is_left_alone(tmp_path: Path):
    """A file with our seal that belongs to another user is not ours."""
    path = tmp_path / leave(tmp_path)
    os.chown(path, SOMEBODY, SOMEBODY)
    remove_left(tmp_path, "export.csv", SUFFIX, same=None)
    assert leave(tmp_path) == "export.csv.refused-2.csv"
    assert path.read_bytes() == b"ours"


def test_what_we_left_is_replaced_and_removed(tmp_path: Path):
    """A list of ours that nobody edited is replaced by the next one, and removed when none is needed."""
    assert leave(tmp_path, b"first") == leave(tmp_path, b"second")
    assert (tmp_path / "export.csv.refused.csv").read_bytes() == b"second"
    remove_left(tmp_path, "export.csv", SUFFIX, same=None)
    assert names(tmp_path) == []


def test_a_list_in_which_somebody_works_is_not_overwritten(tmp_path: Path):
    """A list of ours that was edited keeps its content; the next one gets another name."""
    path = tmp_path / leave(tmp_path)
    path.write_bytes(b"corrected")
    assert leave(tmp_path) == "export.csv.refused-2.csv"
    remove_left(tmp_path, "export.csv", SUFFIX, same=None)
    assert path.read_bytes() == b"corrected"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
def test_links_of_others_are_not_read_through(tmp_path: Path):
    """Who may write into a folder does not choose which of our files is read; our own links are followed."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"ours")
    (tmp_path / "mine").symlink_to("secret")
    (tmp_path / "through").symlink_to(tmp_path / "mine")
    (tmp_path / "theirs").symlink_to("secret")
    os.lchown(tmp_path / "theirs", SOMEBODY, SOMEBODY)
    assert read_within(tmp_path / "through", 10) == b"ours"
    with pytest.raises(NotOurs, match="symbolic link 'theirs' of another user"):
        read_within(tmp_path / "theirs", 10)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        read_within(tmp_path / "loop", 10)


def test_without_seals_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a file system without extended attributes nothing counts as ours."""
    monkeypatch.setattr(own_files, "_seal", lambda _stream: None)
    assert [leave(tmp_path), leave(tmp_path)] == ["export.csv.refused.csv", "export.csv.refused-2.csv"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without hard links the name is taken with an empty file first; what has it already stays."""

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "export.csv.refused.csv").write_text("foreign")
    assert leave(tmp_path) == "export.csv.refused-2.csv"
    assert (tmp_path / "export.csv.refused.csv").read_text() == "foreign"
    assert (tmp_path / "export.csv.refused-2.csv").read_bytes() == b"ours"


@pytest.mark.parametrize("relative", [True, False], ids=["relative", "absolute"])
def test_a_folder_that_is_swapped_is_not_written_to(relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder that became another one, or a link to another one, since it was looked at is refused."""
    monkeypatch.chdir(tmp_path)
    drop = Path("drop") if relative else tmp_path / "drop"
    drop.mkdir()
    (tmp_path / "elsewhere").mkdir()
    same = identity(drop)
    drop.rename("moved")
    Path("drop").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotOurs, match="was replaced by another folder"):
        Beginning(drop, same=same)
    assert names(tmp_path / "elsewhere") == names(tmp_path / "moved") == []


def test_a_folder_that_is_swapped_while_we_write(tmp_path: Path):
    """What was begun in a folder ends in this folder, even if something else has its name by then."""
    drop, elsewhere = tmp_path / "drop", tmp_path / "elsewhere"
    drop.mkdir()
    elsewhere.mkdir()
    new = Beginning(drop)
    drop.rename(tmp_path / "moved")
    drop.symlink_to(elsewhere)
    new.stream.write(b"ours")
    new.leave("export.csv", SUFFIX)
    assert names(elsewhere) == []
    assert names(tmp_path / "moved") == ["export.csv.refused.csv"]


def test_a_file_that_is_swapped_while_we_write(tmp_path: Path):
    """If somebody replaces the unfinished file by a link, there is an error, and nothing is written through it."""
    target = tmp_path / "target"
    target.write_text("precious")
    drop = tmp_path / "drop"
    drop.mkdir()
    new = Beginning(drop)
    new.stream.write(b"ours")
    (part,) = drop.iterdir()
    part.unlink()
    part.symlink_to(target)
    with pytest.raises(OSError, match="somebody else renames"):
        new.leave("export.csv", SUFFIX)
    new.abandon()
    assert target.read_text() == "precious"


@AS_ROOT
@pytest.mark.parametrize("deep", [False, True], ids=["last", "in between"])
def test_a_link_of_another_user_leads_nowhere(deep: bool, tmp_path: Path):
    """A folder that is reached through another user's symbolic link is refused; through one of ours it is fine."""
    real = tmp_path / "real" / "below"
    real.mkdir(parents=True)
    (tmp_path / "ours").symlink_to("real")
    leave(tmp_path / "ours" / "below")
    (tmp_path / "theirs").symlink_to("real" if deep else real)
    os.lchown(tmp_path / "theirs", SOMEBODY, SOMEBODY)
    with pytest.raises(NotOurs, match="symbolic link 'theirs' of another user"):
        leave(tmp_path / "theirs" / ("below" if deep else ""))
    assert names(real) == ["export.csv.refused.csv"]


def test_links_that_lead_in_a_circle(tmp_path: Path):
    """A circle of links is an error, not an endless loop."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        leave(tmp_path / "a")


@pytest.mark.parametrize("stem", ["x" * 250 + ".csv", "ø" * 125 + ".csv", os.fsdecode(b"\xff" * 250) + ".csv"])
def test_long_and_undecodable_names(stem: str, tmp_path: Path):
    """A name that leaves no room for the ending is cut; what is no UTF-8 stays as it is."""
    first, second = leave(tmp_path, b"1", stem), leave(tmp_path, b"1", stem)
    assert first == second
    assert first.endswith(SUFFIX)
    assert first[:100] == stem[:100]
    (tmp_path / first).write_bytes(b"corrected")
    assert leave(tmp_path, b"2", stem).endswith(".refused-2.csv")


@pytest.mark.parametrize("kind", ["symlink", "dangling symlink", "pipe", "folder"])
def test_a_named_file_is_a_file(kind: str, tmp_path: Path):
    """What a person names as output is replaced if it is a file; never a link, a pipe or a folder."""
    place = tmp_path / "out.csv"
    _foreign(kind, place, tmp_path / "elsewhere")
    with pytest.raises(NotOurs, match="would be replaced"):
        write_whole(place, b"new")
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert names(tmp_path) == ["elsewhere", "out.csv"]


def test_a_named_file_is_replaced_whole(tmp_path: Path):
    """An ordinary file is replaced; where writing fails it stays as it was."""
    path = tmp_path / "out.csv"
    write_whole(path, b"old")
    write_whole(path, b"new")
    with pytest.raises(ZeroDivisionError), own_files.beginning(path) as stream:
        stream.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.csv"]


def test_reading_is_bounded(tmp_path: Path):
    """A file of exactly the limit is read, a larger one is not; a pipe and a device are no files."""
    path = tmp_path / "a.toml"
    path.write_bytes(b"x" * 10)
    assert read_within(path, 10) == b"x" * 10
    with pytest.raises(TooLarge, match="larger than 9 bytes"):
        read_within(path, 9)
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises((OSError, UsageFault)):
            read_within(place, 10)
