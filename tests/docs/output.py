"""Compare what a command wrote with what a page shows."""

from __future__ import annotations

import re
from typing import Final

#: What stands for anything: a part of a line, or alone on its line, any number of lines.
ANYTHING: Final = "..."


def is_as_shown(shown: str, written: str) -> bool:
    """Tell whether the whole of an output is what a page shows; blanks at the ends of lines do not count."""
    return re.fullmatch(_pattern(shown), _tidy(written)) is not None


def contains_shown(shown: str, written: str) -> bool:
    """Tell whether what a page shows is a part of an output."""
    return re.search(_pattern(shown), _tidy(written)) is not None


def _pattern(shown: str) -> str:
    return "".join(r"(?:.*\n)*?" if line == ANYTHING else f"{_line(line)}\n" for line in _tidy(shown).splitlines())


def _line(line: str) -> str:
    return ".*?".join(map(re.escape, line.split(ANYTHING)))


def _tidy(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")
    return f"{lines}\n" if lines else ""
