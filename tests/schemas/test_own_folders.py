"""Folders of our own: 0700, ours, and nobody else can replace them."""

import os
import stat
from pathlib import Path

import pytest

from schemas.own_files import NotOurs
from schemas.own_folders import close_folder, open_appending, private_folder, remove

SOMEBODY = 4321
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give files away")


def check(path: Path) -> None:
    """Make it, or check it."""
    private_folder(path, advice="choose another one")
    close_folder(path, advice="choose another one")


def mode(path: Path) -> int:
    """Its rights."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_a_new_folder_is_private_with_its_parents(tmp_path: Path):
    """What is made is 0700, missing parents too, under any umask."""
    umask = os.umask(0)
    try:
        check(tmp_path / "a" / "b")
    finally:
        os.umask(umask)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_an_old_folder_is_closed(tmp_path: Path):
    """A folder of ours that others could read is closed with everything in it, and its content stays."""
    data = tmp_path / "data"
    (data / "kafka" / "log").mkdir(parents=True)
    (data / "kafka" / "log" / "0.log").write_text("x")
    (data / "table").symlink_to("kafka/log")
    for path in (data, data / "kafka", data / "kafka" / "log"):
        path.chmod(0o755)
    (data / "kafka" / "log" / "0.log").chmod(0o644)
    check(data)
    assert {mode(path) for path in (data, data / "kafka", data / "kafka" / "log")} == {0o700}
    assert mode(data / "kafka" / "log" / "0.log") == 0o600
    assert (data / "table" / "0.log").read_text() == "x"


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        pytest.param("link", "is a symbolic link", id="a link"),
        pytest.param("own link", "is a symbolic link", id="a link to a folder of ours"),
        pytest.param("open", "everybody may write", id="writable for all"),
        pytest.param("inner link", "leads out of the folder", id="a link that leads out"),
        pytest.param("deep link", "leads out of the folder", id="a link deep within that leads out"),
        pytest.param("open parent", "to which other users may write", id="in a folder that all may write to"),
        pytest.param("foreign", "belongs to another user", id="of somebody else", marks=AS_ROOT),
        pytest.param("foreign parent", "which belongs to another user", id="in somebody's folder", marks=AS_ROOT),
        pytest.param("foreign inside", "belongs to another user", id="with somebody's folder in it", marks=AS_ROOT),
        pytest.param("foreign file", "belongs to another user", id="with somebody's file in it", marks=AS_ROOT),
        pytest.param("foreign link", "belongs to another user", id="behind somebody's link", marks=AS_ROOT),
    ],
)
def test_what_is_not_our_own_is_refused(planted: str, message: str, tmp_path: Path):
    """A folder that somebody else owns, could replace or has prepared is refused with what to do."""
    parent, elsewhere = tmp_path / "parent", tmp_path / "elsewhere"
    data = parent / "data"
    elsewhere.mkdir()
    parent.mkdir()
    if "link" in planted and not planted.startswith(("inner", "deep", "foreign")):
        data.symlink_to(elsewhere)
    else:
        (data / "kafka").mkdir(parents=True)
        (data / "file").write_text("x")
    if planted == "open":
        data.chmod(0o777)
    elif planted == "inner link":
        (data / "logs").symlink_to(elsewhere)
    elif planted == "deep link":
        (data / "kafka" / "log").symlink_to("../../../elsewhere")
    elif planted == "open parent":
        parent.chmod(0o777)
    elif planted.startswith("foreign") and planted != "foreign link":
        place = {"foreign": data, "foreign parent": parent, "foreign inside": data / "kafka"}
        os.chown(place.get(planted, data / "file"), SOMEBODY, SOMEBODY)
    elif planted == "foreign link":
        (tmp_path / "theirs").symlink_to(parent)
        os.lchown(tmp_path / "theirs", SOMEBODY, SOMEBODY)
        data = tmp_path / "theirs" / "data"
    with pytest.raises(NotOurs, match=message) as refused:
        check(data)
    assert "choose another one" in str(refused.value) or "chmod 700" in str(refused.value)
    assert list(elsewhere.iterdir()) == []


def test_checking_changes_nothing(tmp_path: Path):
    """Before it is known that a folder is one of the product's, its rights stay as they are."""
    data = tmp_path / "data"
    (data / "below").mkdir(parents=True)
    for path in (data, data / "below"):
        path.chmod(0o755)
    private_folder(data, advice="choose another one")
    assert (mode(data), mode(data / "below")) == (0o755, 0o755)


def test_a_sticky_parent_is_fine(tmp_path: Path):
    """In a folder like /tmp, where all may write but nobody may replace what others made, a folder can be ours."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    check(tmp_path / "tmp" / "data")


def test_logs_are_not_written_through_links(tmp_path: Path):
    """A log that is a link or a pipe is refused; a new one is private."""
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "a.log").symlink_to(target)
    os.mkfifo(tmp_path / "b.log")
    for name in ("a.log", "b.log"):
        with pytest.raises(OSError):  # noqa: PT011  (each system has its own words)
            open_appending(tmp_path / name)
    with open_appending(tmp_path / "c.log") as log:
        log.write(b"x")
    assert mode(tmp_path / "c.log") == 0o600
    assert target.read_text() == "precious"


def test_removing_never_follows_a_link(tmp_path: Path):
    """A link is removed itself, a folder with its content, and nothing is fine."""
    target = tmp_path / "target"
    (target / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to(target)
    remove(tmp_path / "link")
    assert (target / "below").is_dir()
    remove(target)
    remove(target)
    assert list(tmp_path.iterdir()) == []
