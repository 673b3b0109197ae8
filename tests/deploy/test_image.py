"""deploy/Dockerfile and .dockerignore against the project: what is copied, installed and run."""

import re
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    line.partition(" ")[::2] for line in DOCKERFILE.replace("\\\n", " ").splitlines() if line and line[0] != "#"
]
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of every stage, FROM included."""
    found: list[list[tuple[str, str]]] = []
    for name, text in INSTRUCTIONS:
        if name == "FROM":
            found.append([])
        found[-1].append((name, text))
    return found


def copied() -> list[str]:
    """Paths of the repository that the image's stages copy."""
    return [
        source
        for name, text in INSTRUCTIONS
        if name == "COPY" and not text.startswith("--from=")
        for source in text.split()[:-1]
    ]


def test_all_packages_reach_the_wheel():
    """Every package of the product is copied, and everything that is copied exists."""
    assert set(PACKAGES) <= set(copied())
    for source in copied():
        assert (ROOT / source).exists(), source


def test_the_builder_sees_what_is_copied_and_nothing_secret():
    """.dockerignore shuts everything out but the copied paths."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == set(copied())
    assert not any(fnmatch("deploy/secrets/clickhouse_password", path) for path in allowed)


def test_everything_is_installed_with_hashes():
    """Pip takes pinned wheels with their hashes, or the wheel of this project without any index."""
    commands = [text for name, text in INSTRUCTIONS if name == "RUN" and "pip install" in text]
    assert len(commands) == 3
    for command in commands:
        assert ("--require-hashes" in command and "--only-binary :all:" in command) or (
            "--no-index" in command and "--no-deps" in command
        )


def test_requirements_hold_hashes_and_what_the_project_asks_for():
    """The lock files of the image pin every direct dependency and the build system."""
    runtime = (ROOT / "requirements" / "runtime.txt").read_text(encoding="utf-8")
    build = (ROOT / "requirements" / "build.txt").read_text(encoding="utf-8")
    for text, wanted in ((runtime, PROJECT["project"]["dependencies"]), (build, PROJECT["build-system"]["requires"])):
        pinned = {
            found[1].lower(): found[2] for found in re.finditer(r"^([A-Za-z0-9._-]+)==(\S+)(?= )", text, re.MULTILINE)
        }
        names = {re.split(r"[<>=!~ ;\[]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
        assert names <= set(pinned)
        assert text.count("--hash=sha256:") >= len(pinned)


def test_the_same_python_in_all_stages():
    """All stages start from one pinned image of a Python that the project supports."""
    bases = {text.split()[0] for name, text in INSTRUCTIONS if name == "FROM"}
    assert len(bases) == 1
    found = re.fullmatch(r"python:3\.(\d+)-slim-\w+", bases.pop())
    assert found
    assert int(found[1]) >= 11


def test_it_does_not_run_as_root():
    """The last stage runs as a numbered user who owns the data folder, and starts the command line."""
    last = dict(stages()[-1])
    assert last["USER"] == "10001:10001"
    assert "install -d -o 10001 -g 10001 /data" in last["RUN"]
    assert last["ENTRYPOINT"] == '["clustertrack"]'
    assert "clustertrack" in PROJECT["project"]["scripts"]


def test_the_wheel_is_whole(tmp_path: Path):
    """The wheel that the image installs holds code and data of all packages: migrations, registry, regions."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert file.relative_to(ROOT).as_posix() in names
    assert {"schemas/registry.toml", "schemas/municipality_nuts3.csv", "sinks/migrations/0001_database.sql"} <= names


@pytest.mark.parametrize("stage", [pytest.param(number, id=f"stage {number}") for number in range(len(stages()))])
def test_no_stage_takes_what_it_lacks(stage: int):
    """COPY --from names an earlier stage."""
    earlier = {dict(instructions)["FROM"].partition(" AS ")[2] for instructions in stages()[:stage]}
    for name, text in stages()[stage]:
        if name == "COPY" and text.startswith("--from="):
            assert text.removeprefix("--from=").split()[0] in earlier
