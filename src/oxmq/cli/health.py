"""Tell a container's probe whether the server answers and healthy workers serve a queue."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Final

from oxmq.monitor.site import Site
from oxmq.monitor.workers import Worker, get_workers
from oxmq.ops import server

#: Workers in these states make progress, or would if they were let. Of another library's no more is known than that
#: they are connected.
_WELL: Final = frozenset({"ok", "slow", "paused", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """Hold whether a queue is served.

    Attributes:
        queue: the queue.
        healthy: whether at least one worker of it is well or, where only this host's are asked after, all of these.
        reason: why not; empty when it is.
        workers: how many there are.
        well: how many of them are well.
    """

    queue: str
    healthy: bool
    reason: str
    workers: int
    well: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Hold what was found.

    Attributes:
        healthy: whether all is as it should be.
        server: the server's address.
        latency: how long it took to answer, in seconds.
        queues: the queues that were asked after.
    """

    healthy: bool
    server: str
    latency: float
    queues: list[QueueHealth]


async def examine(site: Site, queues: list[str], *, here: bool) -> Health:
    """Ask the server, and look for workers of the queues.

    Args:
        here: only look at workers on this host, of which all must be well.

    Raises:
        BackendError: the server does not answer.
    """
    began = time.perf_counter()
    await site.runner.run(server.ping())
    latency = time.perf_counter() - began
    found = [judge(name, await _workers(site, name, here=here), here=here) for name in queues]
    return Health(
        healthy=all(queue.healthy for queue in found),
        server=site.runner.endpoint.address,
        latency=latency,
        queues=found,
    )


def judge(queue: str, workers: list[Worker], *, here: bool) -> QueueHealth:
    """Say whether a queue with these workers is served."""
    unwell = [worker for worker in workers if worker.health not in _WELL]
    well = len(workers) - len(unwell)
    healthy = well > 0 and not (here and unwell)
    return QueueHealth(
        queue=queue, healthy=healthy, reason="" if healthy else _reason(unwell, here), workers=len(workers), well=well
    )


def _reason(unwell: list[Worker], here: bool) -> str:
    if not unwell:
        return f"no worker on {socket.gethostname()} serves it" if here else "no worker serves it"
    worker = unwell[0]
    return f"worker {worker.name or worker.id} is {worker.health}" + (f": {worker.reason}" if worker.reason else "")


async def _workers(site: Site, queue: str, *, here: bool) -> list[Worker]:
    workers = (await get_workers(site, queue)).workers
    return [worker for worker in workers if not here or worker.host == socket.gethostname()]
