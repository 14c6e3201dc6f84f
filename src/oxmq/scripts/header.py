"""Read the contract at the head of a Lua script.

A script begins with its name and one sentence, then says, a line each: ``KEYS``, ``ARGV``, ``RETURNS``, ``ERRORS``,
``EVENTS``, ``WRITES``, ``COST``, ``RETRY`` and, where it has any, ``FLAGS``. Programs rely on it: the runner on the
retry class, the loader on the flags, the tests on the errors.
"""

from __future__ import annotations

import re
from enum import Enum

from msgspec import Struct

_TITLE = re.compile(r"--- (\w+): (.+)")
_LINE = re.compile(r"-- (KEYS|ARGV|RETURNS|ERRORS|EVENTS|WRITES|COST|RETRY|FLAGS)\s+(.+)")
_REQUIRED = ("KEYS", "RETURNS", "ERRORS", "EVENTS", "WRITES", "COST", "RETRY")


class Retry(Enum):
    """Say what may be done when an operation was sent and its answer was lost."""

    READ = "read"
    """Repeat it: it changes nothing, so that one that was never answered did not happen."""
    SAFE = "safe"
    """Repeat it: the second time changes nothing, or nothing that matters."""
    TOKEN = "token"  # noqa: S105 - the word, not a secret
    """The caller repeats it and reads the refusals: the lock's token fences what was done already."""
    NEVER = "never"
    """Tell the caller that the outcome is unknown."""


class Header(Struct, frozen=True):
    """Hold what a script's head says.

    Attributes:
        name: the operation, which is also the file's name.
        summary: what it does, in one sentence.
        entries: each label's lines, in order.
        errors: the negative return codes.
        retry: the retry class.
        flags: flags for the server, such as ``no-writes``.
    """

    name: str
    summary: str
    entries: dict[str, tuple[str, ...]]
    errors: tuple[int, ...]
    retry: Retry
    flags: tuple[str, ...]


def parse_header(source: str) -> Header:
    """Return the header of a script; raise `ValueError` naming what is missing."""
    first, *rest = source.splitlines()
    title = _TITLE.fullmatch(first)
    if title is None:
        raise ValueError(f"a script begins with '--- name: what it does', not {first!r}")
    entries = _entries(rest)
    missing = [label for label in _REQUIRED if label not in entries]
    if missing:
        raise ValueError(f"script {title[1]!r} does not say {', '.join(missing)}")
    return Header(
        name=title[1],
        summary=title[2],
        entries=entries,
        errors=tuple(int(line.split()[0]) for line in entries["ERRORS"] if line != "none"),
        retry=Retry(entries["RETRY"][0].split()[0]),
        flags=tuple(entries.get("FLAGS", ("",))[0].split()),
    )


def _entries(lines: list[str]) -> dict[str, tuple[str, ...]]:
    entries: dict[str, tuple[str, ...]] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            break
        entries[match[1]] = (*entries.get(match[1], ()), match[2].strip())
    return entries
