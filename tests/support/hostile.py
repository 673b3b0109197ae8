"""Texts that play tricks when they are printed, and what may come out of a command that was given them."""

import unicodedata

FORGED = "whole: all 4,805 offsets are accounted for."
"""A verdict that no command in the tests prints."""

HOSTILE = {
    "clear screen": "a\x1b[2J\x1b[Hb",
    "colour": "\x1b[31mred\x1b[0m",
    "clipboard": "\x1b]52;c;Y3VybA==\x07",
    "title": "\x1b]0;title\x1b\\",
    "link": "\x1b]8;;http://example.com\x1b\\click\x1b]8;;\x1b\\",
    "device status": "\x1b[6n\x1bP$q\x1b\\",
    "8-bit csi": "a\x9b2Jb\x9d52;c;x\x9c",
    "carriage return": f"bad\r{FORGED}",
    "newline": f"bad\n{FORGED}\n",
    "crlf": f"bad\r\n{FORGED}",
    "vertical": f"bad\x0b{FORGED}\x0c{FORGED}",
    "separators of old": f"bad\x1c{FORGED}\x1d{FORGED}\x1e{FORGED}",
    "next line": f"bad\x85{FORGED}",
    "line separator": f"bad\u2028{FORGED}",
    "paragraph separator": f"bad\u2029{FORGED}",
    "backspaces": "lost\b\b\b\bsent",
    "bell and delete": "a\x07b\x7fc",
    "nul": "a\x00b",
    "override": "\u202egnirts\u202c",
    "isolate": "\u2067a\u2066b\u2069\u2069",
    "marks of direction": "a\u200eb\u200fc\u061cd",
    "right to left": "\u05d0\u05d1 2018 5",
    "arabic": "\u0627\u0644 \u0661\u0662",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e",
    "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb",
    "tags": "a\U000e0041\U000e0042\U000e007f",
    "variation": "a\ufe0fb\U000e0101c",
    "fillers": "a\u3164b\uffa0c\u115fd\u2800e",
    "zalgo": "a" + "\u0301\u0316" * 40,
    "marks first": "\u0301\u0302a",
    "surrogate": "a\udc9bb\ud800",
    "private use": "a\ue000b\U000f0000",
    "unassigned": "a\u0378b\U0003fffe",
    "odd blanks": "a\u00a0b\u3000c\u2003d",
    "pushed to the next line": f"a{' ' * 200}{FORGED}",
    "interlinear": "a\ufff9b\ufffbc",
}
"""Name -> text."""


def tricks(text: str) -> list[str]:
    """Characters of an output that no output may have, newlines between lines apart."""
    found = []
    marks = 3
    for character in text.replace("\n", " "):
        category = unicodedata.category(character)
        marks = marks - 1 if category[0] == "M" else 3
        if (
            (category[0] in "CZ" and character != " ")
            or unicodedata.bidirectional(character) in {"R", "AL", "AN", "B", "BN"}
            or marks < 0
            or character in "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe0f\U000e0101"
        ):
            found.append(f"U+{ord(character):04X}")
    return found
