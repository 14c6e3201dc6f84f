"""Describe how the jobs that run are read, and how long the last ones took."""

from __future__ import annotations

from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import MAX_ROWS, Call, Reply, run_script


class RunningJob(Struct, frozen=True, kw_only=True):
    """Hold a job that is being worked on; times in milliseconds.

    Attributes:
        id: the job's.
        name: what kind of job it is.
        worker: the name of the worker that took it; empty where it has none.
        since_ms: when it was taken.
        lock_ms: for how long its lock lives; negative when it has none, so that nobody works on it.
    """

    id: str
    name: str
    worker: str
    since_ms: int
    lock_ms: int


class Timing(Struct, frozen=True, kw_only=True):
    """Hold how long a job took, in milliseconds; None for what is not known.

    Attributes:
        name: what kind of job it was.
        run_ms: for how long it ran, the last time.
        wait_ms: for how long it had waited since it could run.
    """

    name: str
    run_ms: int | None
    wait_ms: int | None


def get_running(keys: QueueKeys, count: int) -> Call[list[RunningJob]]:
    """Read up to `count` of the jobs that run, those that were taken first."""
    return run_script("get_running", keys.base, min(count, MAX_ROWS), decode=lambda reply: list(map(_running, reply)))


def get_timings(keys: QueueKeys, state: str, start: int, count: int) -> Call[list[Timing]]:
    """Read how long jobs took that ended as ``completed`` or ``failed``, the newest first, passing over `start`."""
    words = (state, start, min(count, MAX_ROWS))
    return run_script("get_timings", keys.base, *words, decode=lambda reply: list(map(_timing, reply)))


def _running(row: Reply) -> RunningJob:
    job_id, name, worker, since, lock_ms = row
    return RunningJob(id=_shown(job_id), name=_shown(name), worker=_shown(worker), since_ms=_ms(since), lock_ms=lock_ms)


def _timing(row: Reply) -> Timing:
    name, ran, waited = row
    return Timing(name=_shown(name), run_ms=_known(ran), wait_ms=_known(waited))


def _known(value: bytes) -> int | None:
    return _ms(value) if value else None


def _ms(value: bytes) -> int:
    # A peer may have stored what is no number at all.
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        return 0


def _shown(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
