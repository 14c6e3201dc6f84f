"""Write down where a page ended, as an opaque text, and read what comes back, which may be anything."""

from __future__ import annotations

import base64
import binascii
from typing import TypeVar

import msgspec

from oxmq.errors import ConfigurationError

T = TypeVar("T", bound=msgspec.Struct)


def write_cursor(place: msgspec.Struct) -> str:
    """Return a place as an opaque text that fits into an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(cursor: str, kind: type[T]) -> T:
    """Return the place that `write_cursor` wrote.

    Raises:
        ConfigurationError: it did not write this.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        return msgspec.json.decode(text, type=kind)
    except (binascii.Error, ValueError, RecursionError):
        raise foreign_cursor() from None


def foreign_cursor() -> ConfigurationError:
    """Return the error for a cursor that belongs to another list, or that nobody gave out."""
    return ConfigurationError("cursor must be the one of the page before, of the same list")
