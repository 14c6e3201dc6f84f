"""Our side of a compatibility test: a worker that does what the peer's worker does, and waiting for facts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final

from oxmq import Job, Queue, Unrecoverable, WaitForChildren, Worker
from tests.compat.node_peer import DEADLINE, NodePeer
from tests.support.waiting import eventually

Data = dict[str, Any]
"""What a behaviour is told; the two sides agree on its members, not on a type."""


async def behave(job: Job[Any]) -> object:
    """Do what the job's name says, as the peer's worker does (``behaviours`` in ``peer.mjs``)."""
    behaviour = _BEHAVIOURS.get(job.name)
    if behaviour is None:
        raise Unrecoverable(f"this side knows no behaviour {job.name}")
    result = await behaviour(job, job.data)
    return job.data if result is None else result


async def _echo(_job: Job[Any], _data: Data) -> None:
    """Give the data back, as every behaviour that ends does."""


async def _sleep(_job: Job[Any], data: Data) -> None:
    await asyncio.sleep(data["ms"] / 1000)


async def _fail(job: Job[Any], data: Data) -> None:
    await asyncio.sleep(data.get("ms", 0) / 1000)
    if job.attempts_made < data["times"]:
        raise RuntimeError(data.get("reason", "told to fail"))


async def _give_up(_job: Job[Any], data: Data) -> None:
    raise Unrecoverable(data.get("reason", "told to give up"))


async def _progress(job: Job[Any], data: Data) -> None:
    for step in data["steps"]:
        await job.update_progress(step)


async def _log(job: Job[Any], data: Data) -> None:
    for row in data["rows"]:
        await job.log(row)


async def _children(job: Job[Any], _data: Data) -> object:
    return [await job.get_children_values(), await job.get_ignored_children_failures()]


async def _adopt(job: Job[Any], data: Data) -> object:
    if values := await job.get_children_values():
        return values
    async with Queue(data["queue"], connection=data["url"]) as queue:
        await queue.add_bulk([("echo", {"n": n}, {"parent": job}) for n in data["children"]])
    raise WaitForChildren


_BEHAVIOURS: Final[dict[str, Callable[[Job[Any], Data], Awaitable[object]]]] = {
    "echo": _echo,
    "sleep": _sleep,
    "fail": _fail,
    "unrecoverable": _give_up,
    "progress": _progress,
    "log": _log,
    "children": _children,
    "adopt": _adopt,
}


@contextlib.asynccontextmanager
async def working(worker: Worker) -> AsyncGenerator[Worker, None]:
    """Run a worker for the length of a block, and close it without waiting for jobs that hang."""
    async with worker:
        running = asyncio.create_task(worker.run(handle_signals=False))
        try:
            yield worker
        finally:
            await worker.close(grace=1)
            await asyncio.wait_for(running, DEADLINE)


async def until_state(queue: Queue, job_id: str, state: str) -> None:
    """Wait until our side finds a job in a state."""

    async def reached() -> bool:
        return await queue.get_job_state(job_id) == state

    await eventually(reached, DEADLINE, f"job {job_id} did not become {state}")


async def until_count(node: NodePeer, queue: str, state: str, count: int) -> None:
    """Wait until Node counts so many jobs in a state."""

    async def reached() -> bool:
        counts: dict[str, int] = await node.request("getCounts", queue=queue, states=[state])
        return counts[state] == count

    await eventually(reached, DEADLINE, f"Node never counted {count} {state} jobs")
