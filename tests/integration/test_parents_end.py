"""A parent always ends, whatever becomes of its children: arrangements drawn at random, in crowds."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oxmq import FlowJob, FlowNode, Job, JobState, OxmqError
from tests.faults.keyspace import PREFIX, broken_rules
from tests.integration.bed import Bed
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

QUEUES = ("one", "two")
POLICIES = (
    None,
    "fail_parent_on_failure",
    "continue_parent_on_failure",
    "ignore_dependency_on_failure",
    "remove_dependency_on_failure",
)
#: What becomes of a job when it is its turn, or before.
FATES = (
    "completes",
    "fails",
    "fails at first",
    "expires",
    "is removed",
    "is removed alone",
    "is cancelled",
    "is cancelled while it runs",
    "is retried and completes",
    "is retried and fails",
    "is cut off",
)
SHAPES: tuple[dict[str, Any], ...] = ({}, {"delay": 0.03}, {"priority": 3}, {"delay": 0.03, "priority": 3})
#: What is kept of failed jobs: all, none, or so few that others sweep them away.
KEPT = (None, None, True, 1)


@dataclass(frozen=True)
class Plan:
    """Say what a job is like, and what becomes of it."""

    fate: str
    policy: str | None
    shape: dict[str, Any]
    kept: Any
    queue: str
    children: tuple[Plan, ...] = ()

    def flow(self, numbers: Iterator[int]) -> FlowJob:
        options: dict[str, Any] = {**self.shape, "job_id": f"j{next(numbers)}"}
        if self.policy is not None:
            options[self.policy] = True
        if self.kept is not None:
            options["remove_on_fail"] = self.kept
        if self.fate == "fails at first":
            options["attempts"] = 2
        if self.fate == "expires":
            options |= {"expires": 1, "timestamp": datetime.now(UTC) - timedelta(hours=1)}
        children = [child.flow(numbers) for child in self.children]
        return FlowJob(self.fate, self.queue, options=options, children=children)


def plans(children: st.SearchStrategy[tuple[Plan, ...]]) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        fate=st.sampled_from(FATES),
        policy=st.sampled_from(POLICIES),
        shape=st.sampled_from(SHAPES),
        kept=st.sampled_from(KEPT),
        queue=st.sampled_from(QUEUES),
        children=children,
    )


leaves = plans(st.just(()))
branches = plans(st.lists(leaves, min_size=1, max_size=3).map(tuple))
trees = plans(st.lists(leaves | branches, min_size=1, max_size=3).map(tuple))


@settings(max_examples=12)
@given(crowd=st.lists(trees, min_size=5, max_size=20))
def test_every_parent_ends(shared_server: RedisServer, crowd: list[Plan]) -> None:
    try:
        asyncio.run(run_crowd(shared_server.url, crowd))
    finally:
        with shared_server.client() as client:
            client.flushall()


async def run_crowd(url: str, crowd: list[Plan]) -> None:
    bed, numbers = Bed(url, PREFIX), itertools.count()
    nodes = await bed.producer().add_bulk(plan.flow(numbers) for plan in crowd)
    jobs = [job for node in nodes for job in jobs_of(node)]
    for queue in QUEUES:
        bed.working(handle, queue, concurrency=4)
    try:
        await asyncio.gather(*(interfere(job) for job in jobs))
        await eventually(lambda: all_ended(jobs), 10, "some job does not end")
    finally:
        await bed.close()
    for queue in QUEUES:
        assert await broken_rules(url, queue) == []


async def handle(job: Job[Any]) -> None:
    if job.name == "is cancelled while it runs":
        await asyncio.Event().wait()
    retried = job.name.startswith("is retried")
    again = job.attempts_started > 1
    if job.name in ("fails", "is retried and fails") or (not again and (retried or job.name == "fails at first")):
        raise ValueError("told to fail")


async def interfere(job: Job[Any]) -> None:
    """Do to a job what its name says, at whatever time it comes to that."""
    act = DEEDS.get(job.name)
    # It may have ended already, or be gone, or be running: that is an arrangement, too.
    with contextlib.suppress(OxmqError):
        if act is not None:
            await act(job)


async def cancel_running(job: Job[Any]) -> None:
    if await meets(job, JobState.ACTIVE):
        await job.cancel()


async def retry_failed(job: Job[Any]) -> None:
    if await meets(job, JobState.FAILED):
        await job.retry()


DEEDS: dict[str, Callable[[Job[Any]], Awaitable[object]]] = {
    "is removed": lambda job: job.remove(),
    "is removed alone": lambda job: job.remove(remove_children=False),
    "is cancelled": lambda job: job.cancel(),
    "is cancelled while it runs": cancel_running,
    "is retried and completes": retry_failed,
    "is retried and fails": retry_failed,
    "is cut off": lambda job: job.remove_child_dependency(),
}


async def meets(job: Job[Any], state: JobState) -> bool:
    """Wait until the job is in a state; False when it has ended otherwise."""
    ended = (JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN)

    async def seen() -> JobState | None:
        found = await job.get_state()
        return found if found is state or found in ended else None

    return await eventually(seen, 10, f"{job} comes to nothing") is state


async def all_ended(jobs: list[Job[Any]]) -> bool:
    """Tell whether every job has ended, or is gone."""
    found = await asyncio.gather(*(job.get_state() for job in jobs))
    return set(found) <= {JobState.COMPLETED, JobState.FAILED, JobState.UNKNOWN}


def jobs_of(node: FlowNode) -> Iterator[Job[Any]]:
    yield node.job
    for child in node.children:
        yield from jobs_of(child)
