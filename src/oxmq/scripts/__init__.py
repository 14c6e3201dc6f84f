"""Load the Lua scripts: one operation a file, shared pieces in ``lib/``.

A script is known to the server by the hash of its text, so that two versions of oxmq can work on one server at the
same time. Nothing here talks to Redis.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from typing import Final

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


class _Scripts(Mapping[str, Script]):
    """Hold the scripts by name. Each is read when it is first asked for: a producer needs few of them."""

    def __init__(self) -> None:
        self._folder = resources.files(__name__)
        self._loaded: dict[str, Script] = {}

    def __getitem__(self, name: str) -> Script:
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        names = [file.name for file in self._folder.iterdir()]
        return iter(sorted(name.removesuffix(".lua") for name in names if name.endswith(".lua")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @cached_property
    def _library(self) -> dict[str, str]:
        return {file.name.removesuffix(".lua"): file.read_text() for file in (self._folder / "lib").iterdir()}

    def _load(self, name: str) -> Script:
        try:
            source = (self._folder / f"{name}.lua").read_text()
        except FileNotFoundError:
            raise KeyError(name) from None
        header = parse_header(source)
        if header.name != name:
            raise ValueError(f"script {header.name!r} is in file {name + '.lua'!r}")
        return Script(header, _compose(source, self._library))


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


SCRIPTS: Final = _Scripts()
"""Every script by its name."""
