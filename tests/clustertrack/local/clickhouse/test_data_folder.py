import json
from pathlib import Path

import pytest

from clustertrack.local.clickhouse.data_folder import claim, engine_version
from schemas.errors import UsageFault


def test_a_folder_is_made_and_can_be_claimed_again(tmp_path: Path):
    """A missing folder is made; what this engine made it opens again."""
    for _ in range(2):
        with claim(tmp_path / "a" / "b"):
            pass
    assert json.loads((tmp_path / "a" / "b" / "clustertrack-engine.json").read_text()) == {"engine": engine_version()}


def test_a_folder_belongs_to_one_process(tmp_path: Path):
    """A claimed folder is refused to the next."""
    with claim(tmp_path), pytest.raises(UsageFault, match="in use by another process"), claim(tmp_path):
        pass


def test_another_engine_s_data_are_refused(tmp_path: Path):
    """Data of another release are not touched; the message names both."""
    (tmp_path / "clustertrack-engine.json").write_text('{"engine": "25.3"}')
    with pytest.raises(UsageFault, match=rf"engine 25\.3 and this is {engine_version()}"), claim(tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00"])
def test_a_damaged_stamp_is_refused(tmp_path: Path, text: str):
    """Whose data they are must be known."""
    (tmp_path / "clustertrack-engine.json").write_text(text)
    with pytest.raises(UsageFault, match="cannot read"), claim(tmp_path):
        pass


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    """A folder with other files was not meant."""
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(UsageFault, match=r"holds thesis\.odt"), claim(tmp_path):
        pass


def test_a_file_is_no_folder(tmp_path: Path):
    """A path that cannot be a folder is refused with the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(UsageFault, match=r"cannot write to the data folder .*/file"), claim(tmp_path / "file"):
        pass
