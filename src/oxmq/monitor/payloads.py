"""Make what users stored fit to be shown: decoded, without secrets, and not too long."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import cast

import msgspec

from oxmq.codec import decode_json
from oxmq.monitor.site import Redact

#: How large a value may be to be shown whole, in bytes.
MAX_SHOWN = 256 * 1024
#: How large a value may be to be looked into at all, in bytes.
_MAX_READ = 4 * 1024 * 1024
#: How much is shown of a value that is too large, or that is no JSON, in characters.
_CUT = 16 * 1024
#: How deep what is shown may be nested, and what stands for what lies deeper.
_MAX_DEPTH = 100
_TOO_DEEP = "[nested too deep to be shown]"
#: How many values a payload may have that is shown whole, and of how many the beginning of a larger one is made.
_ALL_NODES, _SOME_NODES = 200_000, 5_000
#: Of how many values a preview is made, and how long each text in it may be.
_PREVIEW_NODES, _PREVIEW_TEXT = 60, 250
#: A member of an object, in a text that is no JSON as a whole.
_MEMBER = re.compile(r'"((?:[^"\\]|\\.){1,200})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^,}\]\s]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """Hold a value that somebody stored, as it may be shown.

    Attributes:
        value: the JSON value, redacted; a text when it is no JSON, or too large.
        size: how many bytes it takes as it is stored.
        truncated: whether `value` is not all of it.
    """

    value: object
    size: int
    truncated: bool


NOTHING = Payload(value=None, size=0, truncated=False)


def read_payload(stored: bytes | None, redact: Redact, most: int = MAX_SHOWN) -> Payload:
    """Return a stored value as it may be shown. It may be anything: broken, huge, nested without end.

    Args:
        stored: the value as it is stored; None for none.
        redact: takes secrets out.
        most: how many bytes it may take to be shown whole; of a larger one, the beginning is shown as a text.
    """
    if stored is None:
        return NOTHING
    size = len(stored)
    if size > _MAX_READ:
        return Payload(value=f"[{size} bytes: too large to be shown]", size=size, truncated=True)
    try:
        value = decode(stored)
    except ValueError:
        text = _without_secrets(stored[: 2 * _CUT].decode(errors="backslashreplace"), redact)
        return Payload(value=text[:_CUT], size=size, truncated=len(text) > _CUT or size > 2 * _CUT)
    trimmer = _Trimmer(_ALL_NODES if size <= most else _SOME_NODES, most)
    shown = redact(trimmer.trim(value))
    if size <= most:
        return Payload(value=shown, size=size, truncated=trimmer.cut)
    return Payload(value=as_text(shown)[: min(_CUT, most)], size=size, truncated=True)


def show_value(value: object, redact: Redact, most: int = MAX_SHOWN) -> object:
    """Return a decoded JSON value as it may be shown; of one that takes more than `most` bytes, a text."""
    shown = redact(_Trimmer(_ALL_NODES, most).trim(value))
    text = as_text(shown)
    return shown if len(text) <= most else text[: min(_CUT, most)]


def preview(stored: bytes | None, redact: Redact, length: int = 200) -> str:
    """Return the beginning of a stored value as one line of text."""
    if stored is None or len(stored) > _MAX_READ:
        return str(read_payload(stored, redact).value or "")
    try:
        value = decode(stored)
    except ValueError:
        return str(read_payload(stored[: 8 * length], redact).value)[:length]
    text = as_text(redact(_Trimmer(_PREVIEW_NODES, _PREVIEW_TEXT).trim(value)))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def decode(stored: bytes) -> object:
    """Return the value of a JSON text. What Python's and older writers leave in it (NaN, halves of pairs) may be there.

    Raises:
        ValueError: it is no JSON, or nested too deep.
    """
    try:
        return cast("object", decode_json(stored))
    except (ValueError, RecursionError):
        try:
            return cast("object", json.loads(stored))
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def as_text(value: object) -> str:
    """Return a value that may be shown as JSON text."""
    return msgspec.json.encode(value).decode()


def shown_text(text: str, most: int) -> str:
    """Return the beginning of somebody else's text, which every encoding can carry."""
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"


class _Trimmer:
    """Copy a JSON value without what no answer can carry: too much, too deep, or no character.

    Attributes:
        cut: whether something was left out.
    """

    def __init__(self, nodes: int, text: int) -> None:
        self._left = nodes
        self._text = text
        self.cut = False

    def trim(self, value: object, depth: int = 0) -> object:
        self._left -= 1
        if isinstance(value, str):
            return self._shown(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if not isinstance(value, dict | list):
            return value
        if depth == _MAX_DEPTH:
            self.cut = True
            return _TOO_DEEP
        if isinstance(value, dict):
            return self._object(cast("dict[str, object]", value), depth + 1)
        return self._array(cast("list[object]", value), depth + 1)

    def _object(self, members: dict[str, object], depth: int) -> dict[str, object]:
        kept: dict[str, object] = {}
        for name, value in members.items():
            if self._left <= 0:
                self.cut = True
                break
            kept[self._shown(name)] = self.trim(value, depth)
        return kept

    def _array(self, items: list[object], depth: int) -> list[object]:
        kept: list[object] = []
        for item in items:
            if self._left <= 0:
                self.cut = True
                break
            kept.append(self.trim(item, depth))
        return kept

    def _shown(self, text: str) -> str:
        shown = shown_text(text, self._text)
        self.cut = self.cut or len(text) > self._text
        return shown


def _without_secrets(text: str, redact: Redact) -> str:
    """Return a text that is no JSON without the values of members that would be redacted in one that is."""

    def mended(member: re.Match[str]) -> str:
        name, colon, value = member.groups()
        shown = redact({name: value})
        kept = cast("dict[str, object]", shown).get(name) if isinstance(shown, dict) else None
        return member[0] if kept == value else f'"{name}"{colon}{as_text(kept)}'

    return _MEMBER.sub(mended, text)
