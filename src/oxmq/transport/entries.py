"""Read the replies of blocking questions: the marker, and entries of event streams."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from oxmq.codec import decode_json_or
from oxmq.ops.call import Reply, Word
from oxmq.ops.jobs import Ended
from oxmq.records import Event

#: How many entries of a stream one answer brings at most.
_MOST = 1000


def marker_question(key: str, block: float) -> tuple[Word, ...]:
    """Return the command that waits at most `block` seconds for a marker."""
    # A millisecond is the shortest wait that servers tell from one without end.
    return ("BZPOPMIN", key, f"{max(block, 0.001):.3f}")


def events_question(after: Mapping[str, str], block: float) -> tuple[Word, ...]:
    """Return the command that waits at most `block` seconds for entries of streams, of each after an id."""
    return ("XREAD", "COUNT", _MOST, "BLOCK", max(1, math.ceil(block * 1000)), "STREAMS", *after, *after.values())


def read_marker(reply: Reply) -> float | None:
    """Return None when no marker came, 0 when a job is ready, else when the next delayed job is due, in ms."""
    return None if reply is None else math.floor(float(reply[2]))


def read_entries(reply: Reply) -> list[Event]:
    """Return the events of a reply, of all its streams."""
    return [_event(entry_id, fields) for _, entries in reply or () for entry_id, fields in entries]


def read_ends(reply: Reply) -> Iterator[tuple[str, str, list[tuple[str, Ended]]]]:
    """Return for each stream of a reply its key, the id of the last entry, and the ends of jobs that it tells of."""
    for key, entries in reply or ():
        yield _text(key), _text(entries[-1][0]), [_end(fields) for _, fields in entries if _tells_end(fields)]


def _tells_end(flat: Sequence[bytes]) -> bool:
    return flat[0] == b"event" and flat[1] in (b"completed", b"failed")


def _end(flat: Sequence[bytes]) -> tuple[str, Ended]:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    job_id = _text(fields.get(b"jobId", b""))
    if fields[b"event"] == b"completed":
        return job_id, Ended(value=fields.get(b"returnvalue", b"null"))
    return job_id, Ended(reason=_text(fields.get(b"failedReason", b"")))


def _event(entry_id: bytes, flat: Sequence[bytes]) -> Event:
    fields: dict[str, object] = {_text(flat[i]): _text(flat[i + 1]) for i in range(0, len(flat), 2)}
    name, job_id = str(fields.pop("event", "")), fields.pop("jobId", None)
    encoded = {"progress": "data", "completed": "returnvalue"}.get(name)
    if encoded in fields:
        fields[encoded] = decode_json_or(str(fields[encoded]).encode(), fields[encoded])
    if name == "delayed" and str(fields.get("delay")).isdigit():
        fields["delay"] = int(str(fields["delay"]))
    return Event(_text(entry_id), name, None if job_id is None else str(job_id), fields)


def _text(value: bytes) -> str:
    # Anybody may write events of their own; one that is no text must not end the reading of all others.
    return value.decode(errors="replace")
