"""Read what tells why a job is where it is: everything at one moment, in one call of bounded cost."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, run_script, text
from oxmq.ops.hashes import read_hash
from oxmq.records import JobRecord

#: About how many of the children that a job waits for are looked at.
_LOOKED_AT = 100


class ChildSituation(Struct, frozen=True):
    """Hold how a child is that its parent waits for.

    Attributes:
        state: as of any job; ``gone`` when there is no such job.
        lock_ms: for how long a worker still holds it; negative when none does.
        paused: whether its queue is paused.
    """

    key: str
    state: str
    name: str
    failed_reason: str
    lock_ms: int
    paused: bool


class QueueSituation(Struct, frozen=True):
    """Hold what may keep a queue's jobs from starting.

    Attributes:
        concurrency: how many may be active at once; None for any number.
        active: how many are.
        limit_max: how many may start in a window of `limit_ms`; None for any number, as far as the queue says.
        started: how many have, in the present window; None when there is none.
        limited_ms: when that window ends.
    """

    paused: bool
    concurrency: int | None
    active: int
    limit_max: int | None
    limit_ms: int | None
    started: int | None
    limited_ms: int


class Situation(Struct, frozen=True):
    """Hold where a job is, and what is around it.

    Attributes:
        job: the job, without its data and result.
        cancelled: whether it was asked to stop.
        state: where it is.
        ahead: how many jobs run before it; None when that could not be found out.
        better: how many of them because of a better priority.
        score: its score in the sorted set of its state.
        lock_ms: for how long a worker still holds it; negative when none does.
        processed, pending, ignored, unsuccessful: how many children there are of each kind.
        children: some of those that are pending.
    """

    job: JobRecord
    cancelled: bool
    state: str
    ahead: int | None
    better: int
    score: float
    lock_ms: int
    processed: int
    pending: int
    ignored: int
    unsuccessful: int
    queue: QueueSituation
    children: list[ChildSituation]


def get_situation(keys: QueueKeys, job_id: str) -> Call[Situation | None]:
    """Read a job's situation; None when there is no such job."""

    def decode(reply: Reply) -> Situation | None:
        return _situation(job_id, reply) if reply else None

    return run_script("explain", keys.base, job_id, _LOOKED_AT, decode=decode)


def _situation(job_id: str, reply: Reply) -> Situation:
    fields, place, queue, children = reply
    where, around = _mapping(place), _mapping(queue)
    return Situation(
        job=read_hash(job_id, fields),
        cancelled=b"cancelledOn" in fields[::2],
        state=where["state"],
        ahead=_number(where, "ahead"),
        better=_number(where, "better") or 0,
        score=float(where.get("score", 0)),
        lock_ms=int(where["lock_ms"]),
        processed=int(where["processed"]),
        pending=int(where["pending"]),
        ignored=int(where["ignored"]),
        unsuccessful=int(where["unsuccessful"]),
        queue=_queue(around),
        children=[_child(child) for child in children],
    )


def _queue(said: dict[str, str]) -> QueueSituation:
    return QueueSituation(
        paused="paused" in said,
        concurrency=_number(said, "concurrency"),
        active=int(said["active"]),
        limit_max=_number(said, "max"),
        limit_ms=_number(said, "duration"),
        started=_number(said, "started"),
        limited_ms=int(said["limited_ms"]),
    )


def _child(row: Sequence[bytes]) -> ChildSituation:
    key, state, name, reason, lock_ms, paused = (text(word) for word in row)
    return ChildSituation(key, state, name, reason, int(lock_ms), bool(paused))


def _mapping(flat: Sequence[bytes]) -> dict[str, str]:
    return {text(flat[i]): text(flat[i + 1]) for i in range(0, len(flat), 2)}


def _number(said: dict[str, str], name: str) -> int | None:
    return int(float(said[name])) if name in said else None
