"""Read the replies of blocking questions: the marker, and entries of the event stream."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oxmq.codec import decode_json_or
from oxmq.ops.call import Reply, Word, text
from oxmq.records import Event


def marker_question(key: str, block: float) -> tuple[Word, ...]:
    """Return the command that waits at most `block` seconds for a marker."""
    # A millisecond is the shortest wait that servers tell from one without end.
    return ("BZPOPMIN", key, f"{max(block, 0.001):.3f}")


def events_question(key: str, after: str, block: float) -> tuple[Word, ...]:
    """Return the command that waits at most `block` seconds for entries after the id `after`."""
    return ("XREAD", "COUNT", 1000, "BLOCK", max(1, math.ceil(block * 1000)), "STREAMS", key, after)


def newest_question(key: str) -> tuple[Word, ...]:
    """Return the command that asks for the newest entry."""
    return ("XREVRANGE", key, "+", "-", "COUNT", 1)


def read_marker(reply: Reply) -> float | None:
    """Return None when no marker came, 0 when a job is ready, else when the next delayed job is due, in ms."""
    return None if reply is None else math.floor(float(reply[2]))


def read_newest_id(reply: Reply) -> str:
    """Return the id of the newest entry; ``"0"`` when there is none."""
    return text(reply[0][0]) if reply else "0"


def read_entries(reply: Reply) -> list[Event]:
    """Return the events of a reply."""
    return [_event(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]


def _event(entry_id: bytes, flat: Sequence[bytes]) -> Event:
    fields: dict[str, object] = {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}
    name, job_id = str(fields.pop("event", "")), fields.pop("jobId", None)
    encoded = {"progress": "data", "completed": "returnvalue"}.get(name)
    if encoded in fields:
        fields[encoded] = decode_json_or(str(fields[encoded]).encode(), fields[encoded])
    return Event(text(entry_id), name, None if job_id is None else str(job_id), fields)
