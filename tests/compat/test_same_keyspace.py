"""The same calls, on a clock that stands still, leave the same keyspace and the same answers as with BullMQ.

What the golden fixtures do not show is recorded here while the test runs: chosen cases, and random walks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import pytest
import pytest_asyncio

from tests.compat.administration_walk import AdministrationWalk
from tests.compat.deduplication_walk import DeduplicationWalk
from tests.compat.flow_cases import FLOW_CASES
from tests.compat.flow_walk import FlowWalk
from tests.compat.node_peer import NodePeer
from tests.compat.queue_cases import QUEUE_CASES
from tests.compat.recording import OTHER, QUEUE, Recording
from tests.compat.scheduler_walk import SchedulerWalk
from tests.compat.wandering import ERROR, FATAL, NOW, Walk, look_at_marker
from tests.golden.fixture import LEADING_VERSION
from tests.golden.keyspace import Json, connect
from tests.golden.replay import deviations, lacking
from tests.support.servers import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

MARKER: Final = f"bull:{QUEUE}:marker"


@pytest.fixture(scope="module")
def recorded_server() -> Iterator[RedisServer]:
    """Run a server that is emptied before each recording and each replay."""
    with RedisServer() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def frozen_node(recorded_server: RedisServer) -> AsyncIterator[NodePeer]:
    """Run a peer whose clock will be stopped."""
    async with NodePeer(LEADING_VERSION, recorded_server.url) as peer:
        yield peer


@pytest_asyncio.fixture(loop_scope="session")
async def recording(recorded_server: RedisServer, frozen_node: NodePeer) -> AsyncIterator[Recording]:
    """Return a recording that has not begun."""
    client = connect(recorded_server.url)
    yield Recording(frozen_node, client)
    await client.aclose()


async def verify(recording: Recording, name: str, url: str) -> None:
    """End the recording, do the same with oxmq and compare."""
    fixture = await recording.fixture(name)
    assert not lacking(fixture)
    found = await deviations(fixture, fixture, url, recording.redis)
    calls = [f"{step['op']} {step.get('on', '')} {step['args']}" for step in fixture.steps]
    assert not found, "\n".join([name, *found, "after:", *calls])


# ---- chosen cases --------------------------------------------------------------------------------------------------


async def fetch(to: Recording, alias: str, token: str) -> None:
    await to.do("worker.getNextJob", token, NOW, alias=alias)


async def a_delayed_retry_fetches_the_next_job(to: Recording) -> None:
    for _ in range(2):
        await to.do("queue.add", "w", {}, {"attempts": 3, "backoff": 1000})
    await fetch(to, "a1", "t1")
    await look_at_marker(to)
    await to.do("job.moveToFailed", ERROR, "t1", True, on="a1")
    await to.do("worker.jobFromLast", "t1", alias="a2")
    await look_at_marker(to)
    await to.do("job.moveToFailed", ERROR, "t1", True, on="a2")
    await look_at_marker(to)


async def a_refused_finish_fetches_nothing(to: Recording) -> None:
    for _ in range(2):
        await to.do("queue.add", "w", {})
    await fetch(to, "a1", "t1")
    await to.do("job.moveToCompleted", 1, "stranger", True, on="a1")
    await to.do("job.moveToFailed", FATAL, "stranger", True, on="a1")


async def a_refused_finish_drains_nothing(to: Recording) -> None:
    await to.do("queue.add", "w", {})
    await fetch(to, "a1", "t1")
    await to.do("raw", "DEL", f"bull:{QUEUE}:1", f"bull:{QUEUE}:active")
    await to.do("job.moveToCompleted", 1, "t1", False, on="a1")


async def a_paused_queue_does_not_say_that_it_is_drained(to: Recording) -> None:
    await to.do("queue.add", "w", {})
    await fetch(to, "a1", "t1")
    await to.do("queue.pause")
    await to.do("job.moveToCompleted", 1, "t1", True, on="a1")


async def a_paused_queue_is_drained_when_no_next_job_is_asked_for(to: Recording) -> None:
    await to.do("queue.add", "w", {})
    await fetch(to, "a1", "t1")
    await to.do("queue.pause")
    await to.do("job.moveToCompleted", 1, "t1", False, on="a1")


async def what_is_kept_is_written_as_it_was_given(to: Recording) -> None:
    kept: list[Json] = [0, False, 1, True, {"count": 1}, {"age": 1}, {"age": 3600, "count": 2}]
    for value in [*kept, *reversed(kept)]:
        await to.do("queue.add", "w", {}, {"removeOnComplete": value, "removeOnFail": value})
        await fetch(to, "a", "t")
        await to.do("job.moveToCompleted", 1, "t", False, on="a")
        await to.do("clock.advance", 1)


async def old_jobs_are_swept_up_to_a_limit(to: Recording) -> None:
    for number in range(8):
        options = {"removeOnComplete": {"age": 1, "limit": 2}} if number > 5 else {}
        await to.do("queue.add", "w", {"n": number}, options)
        await fetch(to, "a", "t")
        await to.do("clock.advance", 600)
        await to.do("job.moveToCompleted", 1, "t", False, on="a")


async def a_job_that_stalls_too_often_is_failed_by_the_next_fetch(to: Recording) -> None:
    await to.do("queue.add", "w", {}, {"attempts": 3, "backoff": 10})
    await fetch(to, "a1", "t1")
    for _ in range(2):
        await to.do("raw", "DEL", f"bull:{QUEUE}:1:lock")
        await to.do("raw", "DEL", f"bull:{QUEUE}:stalled-check")
        await to.do("worker.moveStalledJobsToWait")
    await to.do("worker.fetchAndFailDeferred", "t2")


async def a_deferred_failure_does_not_count_against_the_limiter(to: Recording) -> None:
    await a_job_that_stalls_too_often_is_failed_by_the_next_fetch(to)
    await to.do("queue.add", "w", {})
    await fetch(to, "a2", "t3")


async def the_marker_after_each_operation(to: Recording) -> None:
    await to.do("queue.add", "w", {}, {"jobId": "plain"})
    await look_at_marker(to)
    await to.do("queue.add", "w", {}, {"jobId": "first", "priority": 2, "lifo": True})
    await look_at_marker(to)
    await to.do("queue.add", "w", {}, {"jobId": "later", "delay": 1000}, alias="later")
    await to.do("queue.add", "w", {}, {"jobId": "sooner", "delay": 500, "priority": 1})
    await look_at_marker(to)
    await to.do("queue.add", "w", {}, {"jobId": "plain"})
    await look_at_marker(to)
    await to.do("queue.pause")
    await to.do("queue.add", "w", {}, {"jobId": "meanwhile"})
    await to.do("queue.add", "w", {}, {"jobId": "meanwhile-later", "delay": 100})
    await look_at_marker(to)
    await to.do("queue.resume")
    await look_at_marker(to)
    await to.do("job.promote", on="later")
    await look_at_marker(to)
    await fetch(to, "a1", "t1")
    await look_at_marker(to)
    await to.do("job.moveToWait", "t1", on="a1")
    await look_at_marker(to)
    await fetch(to, "a2", "t2")
    await to.do("raw", "DEL", MARKER)
    await to.do("job.moveToDelayedIn", 50, "t2", on="a2")
    await look_at_marker(to)
    await to.do("clock.advance", 2000)
    for number in range(3, 9):
        await fetch(to, f"a{number}", f"t{number}")
        await look_at_marker(to)


async def a_queue_with_delayed_jobs_only_is_resumed(to: Recording) -> None:
    await to.do("queue.add", "w", {}, {"delay": 1000})
    await to.do("queue.pause")
    await look_at_marker(to)
    await to.do("queue.resume")
    await look_at_marker(to)


async def global_limits_hold_every_worker(to: Recording) -> None:
    await to.do("queue.setGlobalConcurrency", 2)
    for number in range(4):
        await to.do("queue.add", "w", {}, {"priority": number % 2})
    for number in range(4):
        await fetch(to, f"a{number}", f"t{number}")
    await look_at_marker(to)
    await to.do("job.moveToCompleted", 1, "t0", True, on="a0")
    await to.do("queue.removeGlobalConcurrency")
    await fetch(to, "a5", "t5")
    await look_at_marker(to)


Case = Callable[[Recording], Awaitable[None]]

CASES: Final[list[tuple[Case, dict[str, Json]]]] = [
    (a_delayed_retry_fetches_the_next_job, {}),
    (a_refused_finish_fetches_nothing, {}),
    (a_refused_finish_drains_nothing, {}),
    (a_paused_queue_does_not_say_that_it_is_drained, {}),
    (a_paused_queue_is_drained_when_no_next_job_is_asked_for, {}),
    (what_is_kept_is_written_as_it_was_given, {}),
    (old_jobs_are_swept_up_to_a_limit, {}),
    (a_job_that_stalls_too_often_is_failed_by_the_next_fetch, {"maxStalledCount": 0}),
    (
        a_deferred_failure_does_not_count_against_the_limiter,
        {"maxStalledCount": 0, "limiter": {"max": 5, "duration": 9000}},
    ),
    (the_marker_after_each_operation, {}),
    (a_queue_with_delayed_jobs_only_is_resumed, {}),
    (global_limits_hold_every_worker, {}),
]


@pytest.mark.parametrize(("case", "worker"), CASES, ids=[case.__name__ for case, _ in CASES])
async def test_a_chosen_case(
    recording: Recording, recorded_server: RedisServer, case: Case, worker: dict[str, Json]
) -> None:
    await recording.start(worker=worker)
    await case(recording)
    await verify(recording, case.__name__, recorded_server.url)


@pytest.mark.parametrize("case", [*FLOW_CASES, *QUEUE_CASES], ids=lambda case: case.__name__)
async def test_a_chosen_case_of_what_builds_on_jobs(
    recording: Recording, recorded_server: RedisServer, case: Case
) -> None:
    await recording.start(queues=(QUEUE, OTHER))
    await case(recording)
    await verify(recording, case.__name__, recorded_server.url)


# ---- random walks --------------------------------------------------------------------------------------------------

WORKERS: Final[list[dict[str, Json]]] = [
    {},
    {"name": "w-one", "maxStalledCount": 0},
    {"removeOnComplete": {"count": 1}, "metrics": {"maxDataPoints": 3}},
    {"removeOnFail": {"age": 1}, "removeOnComplete": {"count": 2, "age": 60}},
]

DEFAULTS: Final[dict[str, Json]] = {"attempts": 2, "backoff": {"type": "fixed", "delay": 5}}

#: Each kind of walk, its queues, and how many of them are done.
WALKS: Final[list[tuple[type[Walk], tuple[str, ...], int]]] = [
    (Walk, (QUEUE,), 60),
    (AdministrationWalk, (QUEUE,), 60),
    (DeduplicationWalk, (QUEUE,), 60),
    (SchedulerWalk, (QUEUE,), 60),
    (FlowWalk, (QUEUE, OTHER), 60),
]


@pytest.mark.parametrize(
    ("walk", "queues", "seed"), [(walk, queues, seed) for walk, queues, most in WALKS for seed in range(most)]
)
async def test_a_random_walk(
    recording: Recording, recorded_server: RedisServer, walk: type[Walk], queues: tuple[str, ...], seed: int
) -> None:
    defaults: dict[str, Json] = {"defaultJobOptions": DEFAULTS} if seed % 2 else {}
    await recording.start(queues=queues, queue=defaults, worker=WORKERS[seed % len(WORKERS)])
    await walk(recording, seed).run(60)
    await verify(recording, f"{walk.__name__} {seed}", recorded_server.url)
