"""House rules about doors: few places write files, print, read the environment, reach Kafka or end a process."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from house_files import is_product, tree

WRITERS = {Path("schemas/own_files.py"), Path("schemas/own_folders.py")}
"""Where files and folders are written, renamed and removed."""

IN_MEMORY = {
    (Path("clustertrack/simulator/exports.py"), "save()"),
    (Path("clustertrack/simulator/exports.py"), "ZipFile() for writing"),
    (Path("clustertrack/local/clickhouse/kernel_wall.py"), "os.open"),
    (Path("clustertrack/local/clickhouse/kernel_wall.py"), "os.O_PATH"),
    (Path("clustertrack/local/clickhouse/start.py"), "os.execve"),
}
"""Calls that write to a stream of theirs; names of folders for the kernel, and a new start of this program."""

HARMLESS = {
    "os": {
        "chdir",
        *("_exit", "close", "cpu_count", "dup", "dup2", "environ", "fdopen", "fspath", "fsencode", "fsdecode", "fstat"),
        *("get_terminal_size", "getegid", "geteuid", "getpgid", "getpid", "getppid", "getuid", "kill", "killpg"),
        *("memfd_create", "pipe", "read", "sched_getaffinity", "set_blocking", "stat", "sysconf", "urandom", "write"),
    },
    "shutil": {"disk_usage", "get_terminal_size", "which"},
    "tempfile": {"gettempdir"},
}
"""What the product may use of these modules elsewhere: none of it creates, changes or removes a file."""

CHANGING = {
    *("chmod", "chown", "hardlink_to", "lchmod", "link", "makedirs", "mkdir", "mkdtemp", "rename", "renames", "rmdir"),
    *("rmtree", "save", "symlink", "symlink_to", "touch", "unlink", "write_bytes", "write_text", "write_to_textfile"),
}
"""Methods that change a file, by their names: their type is not known here."""


def stray_writes(path: Path) -> Iterator[str]:
    """Calls of the product that write, rename or remove a file elsewhere than in `WRITERS`."""
    if not is_product(path) or path in WRITERS:
        return
    nodes = [*ast.walk(tree(path))]
    modules = {
        name.asname or name.name: name.name
        for node in nodes
        if isinstance(node, ast.Import)
        for name in node.names
        if name.name in HARMLESS
    }
    lines = set()
    for node in nodes:
        if not (what := _changes_files(node, modules)) or (path, what) in IN_MEMORY:
            continue
        line: int = node.lineno  # type: ignore[attr-defined]  # calls, attributes and imports have one
        if line not in lines:
            lines.add(line)
            yield f"{path}:{line}: {what}: use schemas/own_files.py or own_folders.py"


def _changes_files(node: ast.AST, modules: dict[str, str]) -> str:
    """What in a node changes files; empty if nothing does."""
    if isinstance(node, ast.ImportFrom) and node.module in HARMLESS:
        names = [name.name for name in node.names if name.name not in HARMLESS[node.module]]
        return f"from {node.module} import {names[0]}" if names else ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
        module = modules[node.value.id]
        return "" if node.attr in HARMLESS[module] else f"{module}.{node.attr}"
    if not isinstance(node, ast.Call):
        return ""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in CHANGING:
        return f"{name}()"
    # Texts, dates and records have a `replace` too, but never with a single argument.
    if name == "replace" and isinstance(node.func, ast.Attribute) and len(node.args) == 1 and not node.keywords:
        return "replace() of a file"
    if name in {"open", "ZipFile", "TarFile"} and _writes(node):
        return f"{name}() for writing"
    return ""


def _writes(call: ast.Call) -> bool:
    """Whether a call of some `open` has a mode that writes, or one that cannot be read here."""
    for keyword in call.keywords:
        if keyword.arg == "mode":
            return not isinstance(keyword.value, ast.Constant) or bool(set("wax+") & set(str(keyword.value.value)))
    is_function = isinstance(call.func, ast.Name)
    if is_function and len(call.args) > 1 and not isinstance(call.args[1], ast.Constant):
        return True
    modes = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(set(mode) <= set("rwaxbtU+") and set("wax+") & set(mode) for mode in modes)


SCREENS = {
    "schemas/screen.py": ("sys.stdout", "sys.stderr"),
    "schemas/visible.py": ("Lines",),
    "clustertrack/__main__.py": ("os.write",),  # before anything is imported
    "clustertrack/progress.py": ("rich", "Console"),
    "reports/layout.py": ("rich", "Console", "print"),  # into a text, which becomes lines
    "clustertrack/logs.py": ("StreamHandler", "sys.stderr"),
}
"""Files that may print, and what with. Everything else hands them text: it may be somebody else's."""
PRINTERS = {
    *("print", "pprint", "pp", "input", "echo", "secho", "style", "echo_via_pager", "confirm", "prompt", "progressbar"),
    *("print_exc", "print_exception", "print_stack", "print_tb", "dump_traceback"),
    *("StreamHandler", "basicConfig", "PrintLogger", "PrintLoggerFactory", "WriteLogger", "WriteLoggerFactory"),
    *("get_text_stream", "get_binary_stream", "Console", "Lines"),
}
"""Functions and classes by which text reaches a screen, no matter from which module."""
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}


def other_doors(path: Path) -> Iterator[str]:
    """Ways to a screen that go around `schemas.screen`."""
    if not is_product(path):
        return
    allowed = SCREENS.get(path.as_posix(), ())
    for node in ast.walk(tree(path)):
        for way in _ways_to_a_screen(node):
            if way not in allowed:
                yield f"{path}:{node.lineno}: {way} goes around schemas.screen: use say, show or say why in SCREENS"  # type: ignore[attr-defined]  # nodes with a way have a line


def _ways_to_a_screen(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in PRINTERS:
            yield name
        case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name in STREAMS:
            yield f"sys.{name}"
        case ast.ImportFrom(module="sys", names=names):
            yield from (f"sys.{alias.name}" for alias in names if alias.name in STREAMS)
        case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "rich":
            yield "rich"
        case ast.ImportFrom(names=names):
            yield from (alias.name for alias in names if alias.name in PRINTERS - {"Lines"})
        case ast.Import(names=names):
            yield from ("rich" for alias in names if alias.name.partition(".")[0] == "rich")
        case ast.Call(func=ast.Attribute(value=ast.Name(id="os"), attr="write"), args=[ast.Constant(value=1 | 2), *_]):
            yield "os.write"


ENVIRONMENT = {
    "clustertrack/cli.py": ("CLUSTERTRACK_CLUSTERS", "CLUSTERTRACK_INSTITUTIONS"),  # read no more, which it says
    "clustertrack/commands/up.py": (
        "CLUSTERTRACK_PARTITIONS",
        *("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_PASSWORD_FILE"),
    ),
    "clustertrack/local/child.py": (),
    "clustertrack/local/clickhouse/__main__.py": (),
    "clustertrack/local/clickhouse/pool.py": (),
    "clustertrack/local/clickhouse/start.py": (
        *("CLICKHOUSE_USER", "CLICKHOUSE_PASSWORD_FILE", "CLICKHOUSE_READER_PASSWORD_FILE"),
    ),
    "clustertrack/local/java.py": (),
    "clustertrack/local/kafka.py": (),
    "clustertrack/local/kafka_jars.py": (),
    "clustertrack/settings_group.py": (),  # for clustertrack/settings.py
    "schemas/screen.py": (),
    "streams/faultpoints.py": ("CLUSTERTRACK_FAULT",),
}
"""Files that use the environment besides `clustertrack/settings.py`, and the settings that each names."""
SETTING = re.compile(r"(CLUSTERTRACK|KAFKA|CLICKHOUSE|METRICS|LOG)_[A-Z_]*[A-Z]")
"""Names of settings."""
ENVIRONS = {"environ", "environb", "getenv", "getenvb"}


def stray_settings(path: Path) -> Iterator[str]:
    """Settings that are read elsewhere than in `clustertrack/settings.py`."""
    if not is_product(path) or path.as_posix() == "clustertrack/settings.py":
        return
    known = ENVIRONMENT.get(path.as_posix())
    for node in ast.walk(tree(path)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name):
                names = {name}
            case ast.ImportFrom(module="os", names=aliases):
                names = {alias.name for alias in aliases}
            case ast.Constant(value=str(name)) if known is not None and SETTING.fullmatch(name) and name not in known:
                yield f"{path}:{node.lineno}: names the setting {name}: read it in clustertrack/settings.py"
                continue
            case _:
                continue
        if known is None and names & ENVIRONS:
            yield f"{path}:{node.lineno}: use clustertrack/settings.py, or name this file in ENVIRONMENT"


CLIENTS = {
    "clustertrack/rejected/replay_topic.py": "KafkaProducer",  # a transaction for each replay
    "clustertrack/simulator/raw.py": "KafkaProducer",  # records as only others write them
    "sinks/replaced.py": "KafkaConsumer",  # as a type
    "sources/topic_producer.py": "KafkaProducer",
    "streams/topic_feed.py": "AIOKafkaConsumer",
}
"""Where clients of Kafka are used besides `brokers/`, each with the one client; Faust makes its own."""
CLIENT = re.compile(r"(AIO)?Kafka(Consumer|Producer|AdminClient|Client)")


def stray_clients(path: Path) -> Iterator[str]:
    """Clients of Kafka outside of `brokers/`."""
    if not is_product(path) or path.parts[0] == "brokers":
        return
    for node in ast.walk(tree(path)):
        match node:
            case ast.ImportFrom(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.Attribute(attr=name):
                names = [name]
            case _:
                continue
        for name in names:
            if CLIENT.fullmatch(name) and name != CLIENTS.get(path.as_posix()):
                yield f"{path}:{node.lineno}: {name}: reach Kafka through brokers/ or say why in CLIENTS"


EXITS = {
    "clustertrack/__main__.py": "os._exit",  # what Python calls while it imports may swallow an exception
    "clustertrack/commands/publish.py": "sys.exit",  # what was sent is printed after Ctrl-C
    "clustertrack/local/clickhouse/__main__.py": "os._exit",
    "clustertrack/local/java.py": "sys.exit",  # a script of its own, for scripts/setup
    "clustertrack/watchdog.py": "os._exit",
    "schemas/screen.py": "sys.exit",
}
"""Where a process ends, each with the one way. Everything else raises an error of `schemas/errors.py`."""
EXIT = re.compile(r"((sys|builtins)\.)?(exit|quit)|os\._exit|(ctx|context)\.(exit|abort|fail)")
ENDING = re.compile(
    r"SystemExit|(click\.)?(exceptions\.)?(ClickException|UsageError|Bad\w+|MissingParameter|FileError|Exit|Abort)"
)


def stray_exits(path: Path) -> Iterator[str]:
    """Ends of a command that have no error of `schemas/errors.py`."""
    if not is_product(path):
        return
    for node in ast.walk(tree(path)):
        match node:
            case ast.Call(func=way) if EXIT.fullmatch(ast.unparse(way)):
                name = ast.unparse(way)
            case ast.Raise(exc=ast.AST() as raised):
                name = ast.unparse(raised.func if isinstance(raised, ast.Call) else raised)
                if not ENDING.fullmatch(name):
                    continue
            case _:
                continue
        if name != EXITS.get(path.as_posix()):
            yield f"{path}:{node.lineno}: {name} ends the process: raise an error of schemas/errors.py"
