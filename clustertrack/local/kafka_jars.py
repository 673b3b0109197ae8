"""Apache Kafka's jars: pinned by version and SHA-256, fetched once with jgo, kept in the user's cache folder.

The list next to this file is the whole class path. `python -m clustertrack.local.kafka_jars` fetches it (set-up does
that), `--pin` resolves Kafka again and rewrites the list.
"""

import hashlib
import logging
import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import click

from clustertrack.local.files import folder_lock
from clustertrack.progress import bar
from schemas.errors import Unreachable, UsageFault
from schemas.own_files import write_whole
from schemas.own_folders import close_folder, move, private_folder, remove
from schemas.screen import is_terminal, run, say

KAFKA_VERSION: Final = "4.3.1"
_KAFKA: Final = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
_BINDING: Final = "org.apache.logging.log4j:log4j-slf4j-impl"
"""Kafka logs through SLF4J 1.7. Resolved together with Kafka, the binding drags in an older kafka-clients and the
broker dies with NoSuchMethodError; as a single artifact it does no harm. Its version is that of Kafka's own
log4j-core."""
_PINS: Final = Path(__file__).with_name("kafka_jars.sha256")
_DOWNLOADS_AT_ONCE: Final = 4
_TIMEOUT_SECONDS: Final = 60
_ANOTHER: Final = "remove it, or set XDG_CACHE_HOME to a folder of your own"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Jar:
    """One pinned file: the SHA-256 of its content in hex, and its Maven coordinates."""

    sha256: str
    group: str
    artifact: str
    version: str

    @property
    def file_name(self) -> str:
        """Its name in the folder of jars."""
        return f"{self.artifact}-{self.version}.jar"


def pinned_jars(text: str | None = None) -> tuple[Jar, ...]:
    """Read the list: lines of `sha256  group:artifact:version`, `#` comments. Default: the list of the product."""
    lines = (_PINS.read_text(encoding="ascii") if text is None else text).splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(Jar(digest, *coordinates.split(":")) for digest, coordinates in rows)


def cache_folder() -> Path:
    """The user's cache folder for clustertrack: $XDG_CACHE_HOME/clustertrack, else ~/.cache/clustertrack."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clustertrack"


def jar_folder(jars: Sequence[Jar]) -> Path:
    """Where these jars belong: another list is another folder, so that no old jar stays on a class path."""
    digest = hashlib.sha256("\n".join(jar.sha256 for jar in jars).encode()).hexdigest()
    return cache_folder() / f"kafka-{KAFKA_VERSION}-{digest[:12]}"


def missing_jars(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    """Those jars that the folder lacks or holds with other content (about 0.1 s for all)."""
    return [jar for jar in jars if _sha256(folder / jar.file_name) != jar.sha256]


def ensure_jars(progress: Progress | None = None) -> Path:
    """Return the folder with every pinned jar, fetching what is missing.

    `progress(done, total)` is called from this thread after each file that had to be fetched.
    Raises Unreachable without a network, UsageFault when a file is not the pinned one.
    """
    jars = pinned_jars()
    folder = jar_folder(jars)
    try:
        # Jars are code: nobody else may be able to replace them, now or after they were checked.
        private_folder(folder, advice=_ANOTHER, code=True)
        close_folder(folder, advice=_ANOTHER)
        if not missing_jars(folder, jars):
            return folder
        with folder_lock(folder, wait=True):
            _fetch(folder, missing_jars(folder, jars), progress or (lambda _done, _total: None))
    except OSError as error:
        raise UsageFault(
            f"Kafka's jars cannot be kept in {folder} ({error.strerror or error}): free some space there or "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return folder


def _fetch(folder: Path, jars: Sequence[Jar], progress: Progress) -> None:
    for left_over in folder.glob("fetching-*"):
        remove(left_over)
    staging = folder / f"fetching-{os.getpid()}"
    _trust_what_the_system_trusts()
    try:
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            waiting = {pool.submit(_download, jar, staging): jar for jar in jars}
            try:
                for done, future in enumerate(as_completed(waiting), start=1):
                    # Only a whole, checked file gets its name in the folder: an interrupted fetch goes on later.
                    move(future.result(), folder / waiting[future].file_name)
                    progress(done, len(jars))
            except BaseException:  # Ctrl-C and cancellation too
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        remove(staging)


def _download(jar: Jar, staging: Path) -> Path:
    """Fetch one file into the staging folder and check it."""
    maven, requests = _maven(), _requests()
    context = maven.MavenContext(repo_cache=staging, timeout=_TIMEOUT_SECONDS)
    try:
        path = Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())
    # jgo raises RuntimeError for any answer that is not 200.
    except (requests.RequestException, RuntimeError) as error:
        raise Unreachable(
            f"Apache Kafka is not in {cache_folder()} yet and cannot be fetched ({type(error).__name__} at "
            f"{jar.file_name}): connect this machine to the network once, or copy that folder from one that has it"
        ) from error
    found = _sha256(path)
    if found != jar.sha256:
        raise UsageFault(
            f"{jar.file_name} arrived with SHA-256 {found} instead of the pinned {jar.sha256}: "
            "try again, and if it stays so, do not trust the network in between"
        )
    return path


def _trust_what_the_system_trusts() -> None:
    """Let requests use the system's certificates: networks with an authority of their own install it there."""
    known = ssl.get_default_verify_paths()
    bundle = known.cafile or known.capath
    if bundle and not {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} & os.environ.keys():
        os.environ["REQUESTS_CA_BUNDLE"] = bundle


def _maven() -> ModuleType:
    try:
        from jgo import maven  # noqa: PLC0415  (only needed when something has to be fetched; it takes 0.3 s to import)
    except ImportError as error:
        raise UsageFault(
            "the local stack's packages are not installed: run scripts/setup, or pip install 'clustertrack[local]'"
        ) from error
    logging.getLogger("jgo").setLevel(logging.ERROR)
    module: ModuleType = maven
    return module


def _requests() -> ModuleType:
    import requests  # noqa: PLC0415  (comes with jgo)

    return requests


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def resolve_pins(staging: Path) -> str:
    """Resolve Kafka alone, add the log binding, fetch everything once and return the new text of the list."""
    maven = _maven()
    _trust_what_the_system_trusts()
    context = maven.MavenContext(repo_cache=staging, timeout=_TIMEOUT_SECONDS)
    roots, dependencies = context.resolver.resolve([context.create_dependency(_KAFKA)])
    artifacts = [dependency.artifact for dependency in (*roots, *dependencies)]
    log4j = next(artifact.version for artifact in artifacts if artifact.artifactId == "log4j-core")
    artifacts.append(context.create_dependency(f"{_BINDING}:{log4j}").artifact)
    rows = sorted((f"{a.groupId}:{a.artifactId}:{a.version}", _sha256(Path(a.resolve()))) for a in artifacts)
    head = f"# Class path of Apache Kafka {KAFKA_VERSION}; made by `python -m clustertrack.local.kafka_jars --pin`.\n"
    return head + "".join(f"{digest}  {coordinates}\n" for coordinates, digest in rows)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """Progress on standard error: a bar on a terminal, a few plain lines elsewhere, nothing if nothing is fetched."""
    if not is_terminal():
        yield _print_progress
        return
    with bar("Fetching Apache Kafka", None, "files") as reached:
        yield reached


def _print_progress(done: int, total: int) -> None:
    if done == total or done % 10 == 0:
        say(f"Fetching Apache Kafka: {done} of {total} files", err=True)


@click.command()
@click.option("--pin", is_flag=True, help="Resolve Kafka anew and write the list of jars.")
def main(pin: bool) -> None:
    """Fetch Apache Kafka's jars into the user's cache folder."""
    if pin:
        staging = cache_folder() / f"pin-{os.getpid()}"
        try:
            write_whole(_PINS, resolve_pins(staging).encode("ascii"), mode=0o644)
        finally:
            remove(staging)
    with shown_progress() as progress:
        folder = ensure_jars(progress)
    say(f"Apache Kafka {KAFKA_VERSION}: {folder}", err=True)


if __name__ == "__main__":
    run(main, "python -m clustertrack.local.kafka_jars")
