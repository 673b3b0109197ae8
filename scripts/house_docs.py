"""House rules about the form of the documents."""

import re
from collections.abc import Iterator
from pathlib import Path

ASIDE = re.compile(r'(`+)(?:.*?[^`])?\1(?!`)|\[[^\]]*\]\([^)]*\)|\([^()]*\)|"[^"]*"|\*\*')
"""Parts of a sentence that may hold a full stop, and marks between it and the next sentence."""
NEXT_SENTENCE = re.compile(r"[a-z0-9_]{2}[.?!] +[A-Z_]")
FENCE = re.compile(r" *(```|~~~)")
WRITTEN = re.compile(r"<!-- (.*) -->")


def shared_lines(path: Path) -> Iterator[str]:
    """Lines of Markdown with more than one sentence: a change of one would show the others too."""
    if path.suffix != ".md":
        return
    is_code = by_script = False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if FENCE.match(line):
            is_code = not is_code
        elif mark := WRITTEN.fullmatch(line):
            by_script = not mark[1].startswith("end")
        elif is_code or by_script or line.lstrip().startswith("|"):
            continue
        elif NEXT_SENTENCE.search(ASIDE.sub(_word, line)):
            yield f"{path}:{number}: two sentences in one line: write one in each"


def _word(aside: re.Match[str]) -> str:
    return "" if aside[0] == "**" else "Aside" if aside[0][0] in "`[" else ""
