"""Find in a queue's stream of events those of one job, and turn them into what a person follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.monitor.job_changes import find
from oxmq.monitor.moments import moment
from oxmq.monitor.payloads import show_value, shown_text
from oxmq.monitor.site import Redact, Site
from oxmq.ops.call import Call, Reply, command
from oxmq.records import Event, JobRecord
from oxmq.states import JobState
from oxmq.transport.entries import read_entries

#: How many entries one call reads, and how many calls one page takes at most.
_AT_ONCE, _MAX_CALLS = 1_000, 5
#: How much earlier than a job's times say its first event may be: clocks of programs differ.
_SKEW_MS = 300_000
#: How large a value may be that is told whole, in bytes; and in a page, where there are many; and how many of these.
_MAX_FIELD, _MAX_LISTED, _MAX_FIELDS = 16 * 1024, 4 * 1024, 20
_ID: Final = re.compile(r"\d{1,20}-\d{1,20}")
_STATES: Final = frozenset({JobState.WAITING, JobState.DELAYED, JobState.ACTIVE, JobState.WAITING_CHILDREN})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """Hold one event of a job.

    Attributes:
        id: its id in the queue's stream of events.
        name: what happened, such as ``"completed"``.
        at: when.
        fields: everything else that it says.
    """

    id: str
    name: str
    at: datetime | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Hold events of a job, the oldest first.

    A page may be empty without being the last. Queues keep their newest events only.

    Attributes:
        cursor: where to go on; null at the end.
    """

    events: list[JobEvent]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class News:
    """Hold something that is told of a job: ``state``, ``progress`` or ``end``, and what is said of it."""

    name: str
    data: dict[str, object]


async def get_event_page(
    site: Site, queue: str, job_id: str, *, cursor: str | None = None, limit: int = 100
) -> EventPage:
    """Return events of a job; of the queue's events, at most 5,000 are looked at.

    Raises:
        JobNotFoundError: there is no such job.
        ConfigurationError: the cursor is not one.
    """
    found = await find(site, queue, job_id)
    after = _beginning(found.record, site.clock.now_ms()) if cursor is None else check_event_id(cursor, "cursor")
    events: list[JobEvent] = []
    for _ in range(_MAX_CALLS):
        entries = await site.runner.run(get_events(site.keys(queue), after))
        for event in entries:
            after = event.id
            if event.job_id == job_id:
                events.append(_shown(event, site.redact))
                if len(events) == limit:
                    return EventPage(events=events, cursor=after)
        if len(entries) < _AT_ONCE:
            return EventPage(events=events, cursor=None)
    return EventPage(events=events, cursor=after)


def get_events(keys: QueueKeys, after: str, until: str = "+") -> Call[list[Event]]:
    """Read up to 1,000 events of a queue after an id; ``"-"`` begins with the oldest one."""

    def decode(reply: Reply) -> list[Event]:
        return read_entries([[b"", reply]])

    start = after if after == "-" else f"({after}"
    return command("XRANGE", keys.of("events"), start, until, "COUNT", _AT_ONCE, decode=decode)


def get_ends(keys: QueueKeys) -> tuple[Call[str], Call[str]]:
    """Return the calls that read the ids of the oldest and of the newest event; ``"0-0"`` where there is none."""
    key = keys.of("events")
    return (
        command("XRANGE", key, "-", "+", "COUNT", 1, decode=_id_of),
        command("XREVRANGE", key, "+", "-", "COUNT", 1, decode=_id_of),
    )


def check_event_id(value: str, field: str) -> str:
    """Return the id of an event, or raise `ConfigurationError`, whose message names `field`."""
    if not _ID.fullmatch(value):
        raise ConfigurationError(f"{field} must be the id of an event, not {value!r:.60}")
    return value


def event_order(event_id: str) -> tuple[int, int]:
    """Return what puts ids of events in order."""
    milliseconds, _, sequence = event_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def news_of(event: Event, redact: Redact) -> Sequence[News]:
    """Return what an event tells of its job; nothing when it changes neither state nor progress."""
    if event.name == "progress":
        return [News("progress", {"progress": show_value(event.fields.get("data"), redact, _MAX_FIELD)})]
    at = _moment_of(event)
    if event.name == JobState.COMPLETED:
        ended: dict[str, object] = {"state": event.name, "result": show_value(event.fields.get("returnvalue"), redact)}
        return [News("state", {"state": event.name, "at": at}), News("end", ended)]
    if event.name == JobState.FAILED:
        reason = shown_text(str(event.fields.get("failedReason", "")), _MAX_FIELD)
        ended = {"state": event.name, "failed_reason": reason}
        return [News("state", {"state": event.name, "at": at}), News("end", ended)]
    if event.name == "removed":
        return [News("end", {"state": "removed"})]
    if event.name in _STATES:
        return [News("state", {"state": event.name, "at": at, **_due(event)})]
    return []


def _due(event: Event) -> dict[str, object]:
    delay = event.fields.get("delay")
    due = moment(delay) if event.name == JobState.DELAYED and isinstance(delay, int) else None
    return {} if due is None else {"due_at": due.isoformat()}


def _moment_of(event: Event) -> str | None:
    at = moment(event_order(event.id)[0])
    return None if at is None else at.isoformat()


def _beginning(record: JobRecord, now_ms: int) -> str:
    """Return after which id a job's events can be, at the earliest."""
    times = [record.timestamp, record.processed_on, record.finished_on, now_ms]
    earliest = min(at for at in times if at is not None) - _SKEW_MS
    return f"{earliest}-0" if earliest > 0 else "-"


def _shown(event: Event, redact: Redact) -> JobEvent:
    fields: dict[str, Any] = {}
    for name, value in list(event.fields.items())[:_MAX_FIELDS]:
        shown = show_value(value, redact, _MAX_LISTED)
        # A member's own name may be that of a secret, too.
        kept = redact({name: shown})
        fields |= cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}
    return JobEvent(id=event.id, name=shown_text(event.name, 200), at=moment(event_order(event.id)[0]), fields=fields)


def _id_of(reply: Reply) -> str:
    return reply[0][0].decode() if reply else "0-0"
