"""Keep the part of a page that a program writes; the rest of the page is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
#: What the part ends with.
END: Final = "<!-- Up to here. -->"


class MarkerError(ValueError):
    """Say that a page has no place for the part, or more than one."""


def beginning(tool: str) -> str:
    """Return what the part begins with that a tool writes."""
    return f"<!-- Written by tools/{tool}.py from here on: change the code, not this. -->"


def with_part(page: str, tool: str, part: str) -> str:
    """Return a page with the part that a tool writes.

    Raises:
        MarkerError: the page does not say where, or says it twice.
    """
    before, begin, rest = page.partition(beginning(tool))
    _, end, after = rest.partition(END)
    if not begin or not end or beginning(tool) in rest:
        raise MarkerError(f"the page must have {beginning(tool)} once, and {END} after it")
    return f"{before}{begin}\n\n{part.strip()}\n\n{end}{after}"


def keep(page: Path, tool: str, part: str, arguments: Iterable[str]) -> int:
    """Write the part, or with ``--check`` say whether it is what would be written; return the exit code."""
    found = page.read_text(encoding="utf-8")
    wanted = with_part(found, tool, part)
    if "--check" not in arguments:
        page.write_text(wanted, encoding="utf-8")
    elif found != wanted:
        print(f"{page.relative_to(ROOT)} is not what {tool}.py writes; run it")
        return 1
    return 0


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield _line(head)
    yield "|".join(["", *("---" for _ in head), ""])
    for row in rows:
        yield _line(row)
    yield ""


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
