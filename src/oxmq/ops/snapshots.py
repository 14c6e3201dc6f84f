"""Describe how everything that a person wants to see of a queue at a glance is read at one moment."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, number, run_script
from oxmq.states import CONTAINERS

#: The containers in the order in which the script counts them.
_COUNTED: Final = ("wait", "paused", "active", "delayed", "prioritized", "waiting-children", "completed", "failed")


class Snapshot(Struct, frozen=True, kw_only=True):
    """Hold how a queue is; times in milliseconds.

    Attributes:
        counts: the jobs in each state.
        paused: whether the whole queue is paused.
        concurrency: how many jobs may run at once, over all workers; None for any number.
        rate_max: how many jobs may start in each window, over all workers; None for any number.
        rate_duration_ms: how long that window is.
        held_ms: for how long a rate limit lets no job start; 0 when none does.
        oldest_waiting_ms: since when the job that has been able to run longest could; None when none can. For a job
            that ran before it is when it last started, for one that was delayed when it was due.
        overdue: delayed jobs whose time has come, and which no worker has made ready yet.
        completed_minute: jobs completed in the last 60 seconds. Where completed jobs are removed sooner than that,
            it is told from the pace of those that are left, and 0 where none is.
        failed_minute: the same for failed ones.
        schedules: how many schedulers there are.
        last_event: the id of the newest event; ``"0-0"`` when there is none.
        added: how many jobs were ever added, of which there may be no trace but this.
        version: which library set the queue up last.
        max_len_events: about how many events are kept.
        broken: the names of those of the queue's keys that hold something of a wrong type: what they should tell is
            missing here.
    """

    counts: dict[str, int]
    paused: bool = False
    concurrency: int | None = None
    rate_max: int | None = None
    rate_duration_ms: int | None = None
    held_ms: int = 0
    oldest_waiting_ms: int | None = None
    overdue: int = 0
    completed_minute: int = 0
    failed_minute: int = 0
    schedules: int = 0
    last_event: str = "0-0"
    added: int = 0
    version: str | None = None
    max_len_events: int | None = None
    broken: tuple[str, ...] = ()


def get_snapshot(keys: QueueKeys, now_ms: int) -> Call[Snapshot]:
    """Read how a queue is, in one short script; a queue that does not exist is empty.

    Calls that run concurrently on one runner (``asyncio.gather``) share a round trip, so that hundreds of queues take
    little longer than one.
    """
    return run_script("get_snapshot", keys.base, now_ms, decode=_snapshot)


def _snapshot(reply: Reply) -> Snapshot:
    counts, meta, held, oldest, overdue, completed, failed, schedules, last_event, added, broken = reply
    counted: dict[str, int] = dict(zip(_COUNTED, counts, strict=True))
    fields: list[bytes | None] = [*meta] or [None] * 6
    paused, concurrency, rate_max, rate_duration, version, max_len_events = fields
    return Snapshot(
        counts={str(state): sum(counted[name] for name in names) for state, names in CONTAINERS.items()},
        paused=paused is not None,
        concurrency=_whole(concurrency),
        rate_max=_whole(rate_max),
        rate_duration_ms=_whole(rate_duration),
        held_ms=held,
        oldest_waiting_ms=number(oldest) if oldest else None,
        overdue=overdue,
        completed_minute=completed,
        failed_minute=failed,
        schedules=schedules,
        last_event=_shown(last_event),
        added=number(added),
        version=None if version is None else _shown(version),
        max_len_events=_whole(max_len_events),
        broken=tuple(dict.fromkeys(_shown(name) for name in broken)),
    )


def _whole(value: bytes | None) -> int | None:
    # A peer may have stored a fraction, or what is no number at all.
    try:
        return None if value is None else int(float(value))
    except (ValueError, OverflowError):
        return None


def _shown(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
