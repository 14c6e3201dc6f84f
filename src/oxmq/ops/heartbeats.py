"""Describe how workers say that they are there, and how they are."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, ignore, number, run_script
from oxmq.scripts import Retry

#: After so many milliseconds of silence a worker is forgotten.
FORGOTTEN_AFTER_MS: Final = 60_000
#: The most jobs that a heartbeat names.
MOST_JOBS: Final = 20
#: After so many milliseconds without any beat nothing is left.
_TTL_MS = 600_000


class Heartbeat(Struct, frozen=True, kw_only=True):
    """Hold how a worker was when it last said so; times in milliseconds since the epoch, durations in seconds.

    Attributes:
        at_ms: when it said so. A worker that has been silent for longer than a few beats is stuck, or gone.
        id: the worker's; the tokens of its locks begin with it.
        name: its name, or ``host:pid``.
        host: the host's name.
        pid: the process.
        version: of oxmq.
        started_ms: when it started.
        slots: how many jobs it may run at once.
        busy: how many it is running.
        jobs: some of them: id, name, and since when.
        rss: how much memory the process has, in bytes.
        loop_lag: how late the event loop was at most since the beat before.
        since_fetch: how long ago Redis last answered a fetch or a wait.
        healthy: whether it makes progress.
        reason: why it does not; empty when it does.
        paused: whether it was told to take no jobs.
        completed: how many of its jobs have completed since it started.
        failed: how many have failed for good.
    """

    # The script that forgets silent workers looks for this member, and at the beginning.
    at_ms: int
    id: str
    name: str
    host: str
    pid: int
    version: str
    started_ms: int
    slots: int
    busy: int
    jobs: list[tuple[str, str, int]]
    rss: int
    loop_lag: float
    since_fetch: float
    healthy: bool
    reason: str
    paused: bool
    completed: int
    failed: int


_decoder = msgspec.json.Decoder(Heartbeat)


def beat(keys: QueueKeys, heartbeat: Heartbeat, *, sweep: bool = False) -> Call[int]:
    """Note how a worker is.

    Args:
        sweep: also forget the workers that have been silent for a minute; the result is how many.
    """
    oldest = heartbeat.at_ms - FORGOTTEN_AFTER_MS if sweep else ""
    words = (heartbeat.id, msgspec.json.encode(heartbeat), oldest, _TTL_MS)
    return run_script("beat", keys.base, *words, decode=number)


def forget(keys: QueueKeys, worker_id: str) -> Call[None]:
    """Forget a worker, which has stopped."""
    return command("HDEL", keys.of("oxmq:workers"), worker_id, decode=ignore, retry=Retry.SAFE)


def get_heartbeats(keys: QueueKeys) -> Call[list[Heartbeat]]:
    """Read how the queue's workers were when they last said so, by name. What cannot be read is left out."""
    return command("HVALS", keys.of("oxmq:workers"), decode=_heartbeats)


def _heartbeats(reply: Reply) -> list[Heartbeat]:
    found: list[Heartbeat] = []
    for value in reply:
        try:
            found.append(_decoder.decode(value))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return sorted(found, key=lambda heartbeat: (heartbeat.name, heartbeat.id))
