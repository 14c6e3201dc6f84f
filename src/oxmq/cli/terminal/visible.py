"""Show text of unknown origin so that a terminal takes none of it for a command.

Names, payloads, errors and log lines are written by whoever adds jobs. An escape sequence among them could move the
cursor, change the title or type into the shell; a mark of direction could turn a line around.
"""

from __future__ import annotations

#: No letters, and yet harmless: a blank that does not break, and what joins emoji.
_HARMLESS = frozenset("\u00a0\u200c\u200d\u3000")


def visible(text: str) -> str:
    """Return a text as one line, with everything that is not to be seen escaped as in Python."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def visible_lines(text: str, *, json_escapes: bool = False) -> str:
    """Return a text with its line breaks kept and its tabs widened, and everything else that is not seen escaped.

    Args:
        json_escapes: escape as JSON does.
    """
    escaped = _json_escaped if json_escapes else _escaped
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(line if line.isprintable() else "".join(map(escaped, line)) for line in lines)


def _escaped(letter: str) -> str:
    return letter if letter.isprintable() or letter in _HARMLESS else letter.encode("unicode_escape").decode()


def _json_escaped(letter: str) -> str:
    if letter.isprintable() or letter in _HARMLESS:
        return letter
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
