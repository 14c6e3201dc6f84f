"""Know how far a stream of events has been read, and notice when entries were removed before they were."""

from __future__ import annotations

import re

from msgspec import Struct

from oxmq.errors import ConfigurationError
from oxmq.ops.call import Reply, Word
from oxmq.records import GAP, Event

_ID = re.compile(r"\d+(-\d+)?")
#: Where streams begin.
_START = "0-0"


class StreamFacts(Struct, frozen=True):
    """Hold what a server says about a stream.

    Attributes:
        removed: how many entries were removed from its beginning.
        first: the id of the oldest entry that is there; empty when there is none.
        last: the id of the newest entry that was ever added.
        added: how many were ever added.
    """

    removed: int
    first: str
    last: str
    added: int


class Position:
    """Hold how far one reader has come.

    Attributes:
        last_event_id: the id of the entry read last; ``"$"`` until it is known where "from now on" is.

    Raises:
        ConfigurationError: the id is none.
    """

    def __init__(self, last_event_id: str) -> None:
        if last_event_id != "$" and not _ID.fullmatch(last_event_id):
            raise ConfigurationError(f'last_event_id must be "$", "0" or the id of an event, not {last_event_id!r}')
        self.last_event_id = last_event_id
        # How many entries were added up to the one read last; None while that is not known.
        self._count: int | None = None

    def start(self, facts: StreamFacts | None) -> None:
        """Begin after what the stream has now."""
        self.last_event_id = facts.last if facts else _START
        self._count = facts.added if facts else 0

    def advance(self, event_id: str) -> None:
        """Go on to an entry that was read."""
        self.last_event_id = event_id
        if self._count is not None:
            self._count += 1

    def find_gap(self, facts: StreamFacts | None) -> Event | None:
        """Return the event that tells of entries after this position that are no longer there, if there were any."""
        after = self.last_event_id
        if facts is None or _order(facts.last) < _order(after):
            # The stream was deleted, or the server came back with an older one.
            self.start(facts)
            return None if _order(after) == _order(_START) else _gap(after, "deleted", None)
        if self._count is None:
            return self._find_uncounted(facts)
        return self._find_counted(facts, self._count)

    def _find_counted(self, facts: StreamFacts, count: int) -> Event | None:
        after, passed = self.last_event_id, facts.removed
        if _order(facts.last) == _order(after):
            passed = facts.added
        elif facts.added <= count or (self._is_gone(facts) and facts.removed < count):
            # Fewer entries than there must be: it is another stream under the same name.
            self._count = facts.removed
            return _gap(after, "deleted", None)
        self._count = max(count, passed)
        return _gap(after, "trimmed", passed - count) if passed > count else None

    def _find_uncounted(self, facts: StreamFacts) -> Event | None:
        after = self.last_event_id
        if _order(facts.last) == _order(after):
            self._count = facts.added
            return None
        if not self._is_gone(facts):
            return None
        self._count = facts.removed
        # Nobody knows whether more than what had been read is gone: one warning too many is better than none.
        return None if _order(after) == _order(_START) else _gap(after, "trimmed", None)

    def _is_gone(self, facts: StreamFacts) -> bool:
        """Tell whether the entry read last is no longer there."""
        return not facts.first or _order(facts.first) > _order(self.last_event_id)


def facts_question(key: str) -> tuple[Word, ...]:
    """Return the command that asks about a stream."""
    return ("XINFO", "STREAM", key)


def read_facts(reply: Reply) -> StreamFacts | None:
    """Return what a server says about a stream; None when there is none."""
    if reply is None:
        return None
    said = dict(zip(reply[::2], reply[1::2], strict=True))
    first, added = said[b"first-entry"], int(said[b"entries-added"])
    return StreamFacts(
        removed=added - int(said[b"length"]),
        first=first[0].decode() if first else "",
        last=said[b"last-generated-id"].decode(),
        added=added,
    )


def _gap(after: str, reason: str, missed: int | None) -> Event:
    return Event(after, GAP, None, {"reason": reason, "missed": missed})


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)
