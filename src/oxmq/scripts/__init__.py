"""Load the Lua scripts: one operation a file, shared pieces in ``lib/``.

A script is known to the server by the hash of its text, so that two versions of oxmq can work on one server at the
same time. Everything here happens once, at import; nothing talks to Redis.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources

from oxmq.scripts.header import Header, Retry, parse_header

__all__ = ["SCRIPTS", "Header", "Retry", "Script"]

_INCLUDE = re.compile(r"--@include (\w+)")


class Script:
    """Hold one script: its text with everything included, its hash and its contract."""

    __slots__ = ("header", "name", "sha", "text")

    def __init__(self, header: Header, body: str) -> None:
        self.name = header.name
        self.header = header
        # With a shebang the server checks that it may write before the first line, never in the middle.
        flags = f" flags={','.join(header.flags)}" if header.flags else ""
        self.text = f"#!lua{flags}\n{body}"
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    def __repr__(self) -> str:
        return f"<Script {self.name}>"


def _load() -> dict[str, Script]:
    folder = resources.files(__name__)
    library = {file.name.removesuffix(".lua"): file.read_text() for file in (folder / "lib").iterdir()}
    loaded: dict[str, Script] = {}
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".lua"):
            source = file.read_text()
            header = parse_header(source)
            if f"{header.name}.lua" != file.name:
                raise ValueError(f"script {header.name!r} is in file {file.name!r}")
            loaded[header.name] = Script(header, _compose(source, library))
    return loaded


def _compose(source: str, library: dict[str, str]) -> str:
    """Return `source` behind everything that it includes, each piece once and before its users."""
    pieces: list[str] = []
    _collect(source, library, pieces, trail=())
    return "\n".join(_strip(piece) for piece in [*pieces, source])


def _collect(source: str, library: dict[str, str], pieces: list[str], trail: tuple[str, ...]) -> None:
    for name in _INCLUDE.findall(source):
        if name in trail:
            raise ValueError(f"scripts include each other in a circle: {' > '.join((*trail, name))}")
        if name not in library:
            raise ValueError(f"no shared piece is called {name!r}")
        if library[name] not in pieces:
            _collect(library[name], library, pieces, (*trail, name))
            pieces.append(library[name])


def _strip(source: str) -> str:
    """Return the code alone: what the server need not store."""
    return "\n".join(line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("--"))


SCRIPTS = _load()
