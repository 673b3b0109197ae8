import json
import os
import shutil

import pytest

from clustertrack.local import folder as folders
from clustertrack.local.folder import STAMP, data_folder, versions
from schemas.errors import UsageFault

OURS = {"layout": "1", "kafka": "4.3", "clickhouse": "26.9"}


def test_a_new_folder_gets_its_stamp_and_may_be_used_again(tmp_path):
    """The first start writes what it is made of; the next one with the same versions takes it."""
    for _ in range(2):
        with data_folder(tmp_path / "a" / "data", OURS) as folder:
            assert (folder / "logs").is_dir()

    assert json.loads((tmp_path / "a" / "data" / STAMP).read_text()) == OURS


def test_versions_name_the_engines():
    """The stamp knows the layout and both engines by major and minor version."""
    assert set(versions()) == set(OURS)
    assert versions()["kafka"] == "4.3"


@pytest.mark.parametrize(
    ("stamp", "problem"),
    [
        pytest.param(json.dumps(OURS | {"layout": "0"}), "layout 0 instead of 1", id="older layout"),
        pytest.param(json.dumps(OURS | {"clickhouse": "27.1"}), "clickhouse 27.1 instead of 26.9", id="newer engine"),
        pytest.param(json.dumps({"layout": "1"}), "kafka None instead of 4.3", id="incomplete"),
        pytest.param("[]", "layout None", id="no object"),
        pytest.param("{", "cannot be read as JSON", id="broken"),
    ],
)
def test_data_of_another_version_is_refused(tmp_path, stamp, problem):
    """A folder that another version wrote is left as it is; the sentence says which, and what to do."""
    (tmp_path / STAMP).write_text(stamp)

    with pytest.raises(UsageFault) as fault, data_folder(tmp_path, OURS):
        pass

    assert problem in str(fault.value)
    assert "--data" in str(fault.value)
    assert (tmp_path / STAMP).read_text() == stamp


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    """A folder with other things in it is not filled with ours."""
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "thesis.txt").chmod(0o644)
    tmp_path.chmod(0o755)

    with (
        pytest.raises(UsageFault, match="is not empty and no data folder of clustertrack"),
        data_folder(tmp_path, OURS),
    ):
        pass

    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == ["thesis.txt"]
    assert (tmp_path.stat().st_mode & 0o777, (tmp_path / "thesis.txt").stat().st_mode & 0o777) == (0o755, 0o644)


def test_a_folder_of_an_older_version_is_closed(tmp_path):
    """What an older version left readable for others is closed at the next start, and used."""
    with data_folder(tmp_path / "data", OURS):
        pass
    for path in (tmp_path / "data", tmp_path / "data" / "logs", tmp_path / "data" / STAMP):
        path.chmod(0o755)
    with data_folder(tmp_path / "data", OURS) as folder:
        assert [path for path in [folder, *folder.rglob("*")] if path.stat().st_mode & 0o077] == []


def test_one_stack_at_a_time(tmp_path):
    """A second stack on the same folder is refused while the first one runs."""
    with (
        data_folder(tmp_path, OURS),
        pytest.raises(UsageFault, match="in use by another"),
        data_folder(tmp_path, OURS),
    ):
        pass


def test_a_file_in_the_place_of_the_folder_is_a_sentence(tmp_path):
    """Where no folder can be made, the sentence says why."""
    (tmp_path / "file").write_text("")

    below = tmp_path / "file" / "data"

    with pytest.raises(UsageFault, match=r"file/data cannot be written \(Not a dir"), data_folder(below, OURS):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_a_sentence(tmp_path):
    """A folder that this user must not write is named."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(UsageFault, match="cannot be written"), data_folder(tmp_path / "data", OURS):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    """Too little space is said before anything is started."""
    monkeypatch.setattr(folders, "LEAST_FREE_BYTES", shutil.disk_usage(tmp_path).total * 2)

    with pytest.raises(UsageFault, match="MB left"), data_folder(tmp_path, OURS):
        pass
