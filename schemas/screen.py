"""The one way to standard output and standard error: every command prints through here, results and errors alike.

Only harmless lines leave (`schemas.visible`). scripts/house_rules.py refuses any other way in the product.
"""

import errno
import io
import logging
import os
import shutil
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from types import TracebackType
from typing import IO, Final, NoReturn

import click

from schemas.errors import ClustertrackError
from schemas.interpreter import require_asserts
from schemas.own_files import open_null
from schemas.usage_sentences import click_sentence
from schemas.visible import Lines, as_lines, one_line

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it: 128 and the number of the signal."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_closed: Final = [False, False, False]
"""Whether standard input, output and error were closed when the process began."""


def say(line: str, *, err: bool = False) -> None:
    """Print one line; a newline in it is shown, and ends nothing."""
    _write(as_lines([line]) + "\n", err=err)


def show(lines: Lines, *, err: bool = False) -> None:
    """Print lines that `schemas.visible` made."""
    _write(lines if lines.endswith("\n") else lines + "\n", err=err)


def say_bytes(content: bytes) -> None:
    """Write to standard output byte for byte, where a user asked for exactly that."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def width_of_results(narrowest: int = 72, widest: int = 120) -> int:
    """Columns for what goes to standard output: those of its terminal, within reason; the widest where it is none.

    So a report in a file or a pipe is the same on every machine.
    """
    if not sys.stdout.isatty():
        return widest
    return max(narrowest, min(widest, shutil.get_terminal_size((widest, 0)).columns))


def is_terminal() -> bool:
    """Whether someone looks at standard error."""
    return sys.stderr.isatty()


def has_colors() -> bool:
    """Whether someone looks at standard error who has not asked for no colours (https://no-color.org)."""
    return is_terminal() and not os.environ.get("NO_COLOR")


def _write(text: str, *, err: bool) -> None:
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        if not err:
            raise
        _write_off(stream)  # words about the work must not end it, where nobody can read them


class StandardError(io.TextIOBase):
    """Standard error as a stream, for libraries that insist on one."""

    def write(self, text: str) -> int:
        """Write lines, each of them harmless."""
        _write("\n".join(map(one_line, text.split("\n"))), err=True)
        return len(text)


class OneLine(logging.Formatter):
    """A log record on one line; its traceback follows, and no line of it begins where one of ours would."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the standard library's name)
        """The line."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: object) -> str:  # noqa: N802  (the standard library's name)
        """The traceback."""
        return indented(super().formatException(ei))  # type: ignore[arg-type]  # as it came

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  (the standard library's name)
        """The stack."""
        return indented(stack_info)


def indented(text: str) -> Lines:
    """A traceback: its lines may quote anything, so they are set apart from those of ours."""
    return as_lines(f"  {line}" for line in text.rstrip("\n").split("\n"))


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command as a process: what a user can cause ends it with one sentence and its exit code."""
    _open_closed_streams()
    hook_in()
    try:
        sys.exit(_ended(command, name))
    except KeyboardInterrupt:  # while it ended, or before it began
        _end_interrupted()


def _ended(command: click.Command, name: str) -> int:
    """Run a command; its exit code."""
    try:
        require_asserts()
        code = command.main(prog_name=name, standalone_mode=False)
    except ClustertrackError as error:
        say(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        show(as_lines(error.format_message().split("\n")), err=True)
        return error.exit_code
    except click.ClickException as error:
        say(f"error: {click_sentence(error)}", err=True)
        return error.exit_code
    except click.Abort:  # Ctrl-C, as Click tells it
        _end_interrupted()
    except OSError as error:
        _end_unwritten(error)
    return code if isinstance(code, int) else 0


_reached = ""


def take_interrupts() -> None:
    """From here on Ctrl-C is an exception, and ends the command with the sentence of how far it came."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    note_reached("nothing was done yet")


def note_reached(how_far: str) -> None:
    """Note how far the command has come, for the sentence that ends it after Ctrl-C or at an output that is full."""
    global _reached  # noqa: PLW0603  (a process runs one command)
    _reached = how_far


def _end_interrupted() -> NoReturn:
    """A second Ctrl-C must not cut the sentence off."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    how_far = f": {_reached}" if _reached else ""
    say(f"stopped{how_far}; it is safe to run the command again", err=True)
    sys.exit(INTERRUPTED)


def _end_unwritten(error: OSError) -> NoReturn:
    """End the command whose output, or a file, takes nothing more; anything else that went wrong is raised again."""
    closed = error.errno == errno.EBADF and _closed[1]
    if not closed and error.errno not in _FULL:
        raise error
    _write_off(sys.stdout)
    what = error.filename or ("standard output" if closed else "the output, or a file,")  # a stream tells no name
    why, do = ("it is closed", "open it") if closed else (error.strerror, "make room")
    how_far = f"{_reached}; " if _reached else ""
    say(f"error: {what} cannot be written ({why}): {how_far}{do}, and run the command again", err=True)
    sys.exit(1)


def _write_off(stream: IO[str]) -> None:
    """What is left in a stream that takes nothing goes into a pipe, or Python would try again at its end."""
    with suppress(OSError):
        _, into = os.pipe()
        os.dup2(into, stream.fileno())


def _open_closed_streams() -> None:
    """Open the standard streams that are closed, or the next file to be opened would get their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _closed[number] = True
            # A result that cannot be printed is an error; words that cannot are lost.
            setattr(sys, name, open_null(number, writable=name == "stderr"))


def hook_in() -> None:
    """What Python and its libraries print by themselves comes out harmless too."""

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is KeyboardInterrupt:  # before the command began, or after it ended
            return
        say("A bug in the program:", err=True)
        show(indented("".join(traceback.format_exception(kind, error, trace))), err=True)

    def warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object) -> None:
        say(f"{category.__name__}: {message} ({filename}, line {lineno})", err=True)

    sys.excepthook = uncaught
    threading.excepthook = lambda of: uncaught(of.exc_type, of.exc_value, of.exc_traceback)
    sys.unraisablehook = lambda of: uncaught(of.exc_type, of.exc_value, of.exc_traceback)
    warnings.showwarning = warned  # type: ignore[assignment]  # without the two that only Python's own uses
    logging.raiseExceptions = False
    if logging.lastResort is not None:  # for processes that set no logging up
        logging.lastResort.setFormatter(OneLine())
