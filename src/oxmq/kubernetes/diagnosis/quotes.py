"""Quote what clusters and programs say, so that it fits into a sentence and does nothing where it is shown."""

from __future__ import annotations

from typing import Final

#: Longer messages are cut.
_LONGEST: Final = 600
#: How much of a log is quoted at most.
_LINES: Final = 20
_BYTES: Final = 4096
_CUT: Final = "…"


def quote(said: str, longest: int = _LONGEST) -> str:
    """Return a text as one line without a full stop, cut, with everything that is not to be seen escaped."""
    line = " ".join(said[: 4 * longest].split())
    cut = line if len(line) <= longest else line[: longest - 1] + _CUT
    return _visible(cut).removesuffix(".")


def last_lines(log: str) -> str:
    """Return the last lines of a log, at most 20 and 4 KiB, with everything that is not to be seen escaped."""
    # Before anything else, so that a line without end costs nothing.
    near = log[-16 * _BYTES :].replace("\r\n", "\n").rstrip().split("\n")[-_LINES:]
    lines = "\n".join(_visible(line[-_BYTES:].expandtabs(4)) for line in near).encode()
    if len(lines) <= _BYTES:
        return lines.decode()
    room = _BYTES - len(_CUT.encode())
    return _CUT + lines[-room:].decode(errors="ignore")


def full_stop(words: str) -> str:
    """Return what ends a sentence; nothing where it has an end."""
    return "" if words.endswith((".", "!", "?")) else "."


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
