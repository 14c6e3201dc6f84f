"""Describe how changes that people made are written down, and read again."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.ops.call import Call, Reply, Word, command, text
from oxmq.scripts import Retry

_ID = re.compile(r"\d{1,15}-\d{1,15}")
#: About how many entries are kept.
_KEPT = 10_000


class AuditEntry(Struct, frozen=True):
    """Hold one change: its id, when it was written in milliseconds since the epoch, and what is said of it."""

    id: str
    at_ms: int
    fields: dict[str, str]


class AuditPage(Struct, frozen=True):
    """Hold some entries, the newest first, and the id before which the next page begins; None at the end."""

    entries: list[AuditEntry]
    next: str | None


def key(prefix: str) -> str:
    """Return the key of the entries of all queues of a prefix."""
    return f"{prefix}:oxmq-audit"


def append(prefix: str, fields: Mapping[str, str]) -> Call[str]:
    """Write an entry, at least once; the result is its id."""
    words: list[Word] = [word for field in fields.items() for word in field]
    return command("XADD", key(prefix), "MAXLEN", "~", _KEPT, "*", *words, decode=text, retry=Retry.SAFE)


def get_page(prefix: str, before_id: str | None, count: int) -> Call[AuditPage]:
    """Read the newest `count` entries, or those before one; the newest comes first.

    Args:
        before_id: an entry's id, such as ``1700000000000-0``; None for the newest.

    Raises:
        ConfigurationError: `before_id` is no entry's id.
    """
    if before_id is not None and not _ID.fullmatch(before_id):
        raise ConfigurationError(f"before_id must be an entry's id, not {before_id!r:.80}")
    last = "+" if before_id is None else f"({before_id}"

    def decode(reply: Reply) -> AuditPage:
        entries = [_entry(entry_id, flat) for entry_id, flat in reply[:count]]
        return AuditPage(entries, entries[-1].id if len(reply) > count else None)

    return command("XREVRANGE", key(prefix), last, "-", "COUNT", count + 1, decode=decode)


def _entry(entry_id: bytes, flat: list[bytes]) -> AuditEntry:
    words = [word.decode(errors="backslashreplace") for word in flat]
    found = text(entry_id)
    return AuditEntry(found, int(found.partition("-")[0]), dict(zip(words[::2], words[1::2], strict=False)))
