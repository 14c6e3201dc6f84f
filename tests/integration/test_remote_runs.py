"""What runs in pods leave in Redis troubles nobody: queues are found, judged, shown, emptied and filled as ever."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import Job, Queue, Unrecoverable
from oxmq.doctor.queues import check_queues, find_queues
from oxmq.keys import QueueKeys
from oxmq.monitor.site import Site
from oxmq.ops import reconciling, remote_runs
from oxmq.ops.reconciling import Report
from oxmq.ops.remote_runs import RemoteRun
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.integration.bed import QUEUE, Bed

RUN = RemoteRun(number=1, attempt=1, namespace="jobs", name="report-1", phase="spawned", uid="u1", at_ms=1)
REPORT = Report(
    at_ms=1, worker="w", term=1, owner="o", address="https://here", namespaces=[], seconds=0.0, error="", counts={},
    runs=[], repairs=[],
)  # fmt: skip
OWN_FIELDS = {"oxmq:run", "oxmq:pod", "oxmq:heart", "oxmq:left"}


async def do_nothing(_job: Job[Any]) -> None: ...


@pytest.fixture
async def queue(bed: Bed) -> Queue:
    """Return a queue whose only job runs in a pod, and whose installation has a leader."""
    queue = bed.queue()
    await queue.add("report", {"month": 5}, job_id="a", attempts=3)
    job = await bed.worker(do_nothing).get_next_job("token")
    assert job is not None
    runner, keys = AsyncRunner(Endpoint(bed.url)), QueueKeys(QUEUE, bed.prefix)
    await runner.run(remote_runs.note_run(keys, "a", "token", RUN, fresh=True))
    assert await runner.run(remote_runs.beat_run(keys, "a", 1, "pod-1", 5))
    assert await runner.run(remote_runs.leave_result(keys, "a", "pod-1", remote_runs.Left(number=1, result="7")))
    await runner.run(reconciling.claim_owner(bed.prefix, "o"))
    assert await runner.run(reconciling.lead(bed.prefix, "w", 1_000, REPORT)) == 1
    await runner.close()
    return queue


def fields_of(client: Any, bed: Bed) -> set[str]:
    return set(client.hkeys(QueueKeys(QUEUE, bed.prefix).job("a")))


async def test_the_keys_of_an_installation_are_no_queues(bed: Bed, queue: Queue) -> None:
    runner = AsyncRunner(Endpoint(bed.url))
    assert list(await find_queues(runner, bed.prefix, (), 1_000)) == [queue.name]
    findings = await check_queues(runner, bed.prefix, (), 1_000, None)
    await runner.close()
    assert {finding.subject for finding in findings} == {f"queue {QUEUE}"}
    async with Site(bed.url, prefix=bed.prefix) as site:
        assert (await site.queue_names()).names == [QUEUE]


async def test_a_job_with_a_run_breaks_no_rule(bed: Bed, queue: Queue) -> None:
    runner = AsyncRunner(Endpoint(bed.url))
    findings = await check_queues(runner, bed.prefix, [queue.name], 1_000, None)
    await runner.close()
    assert not [finding for finding in findings if "breaks" in finding.what or finding.level.name == "ERROR"], findings


async def test_a_job_with_a_run_is_shown_as_any_other(bed: Bed, queue: Queue) -> None:
    job = await queue.get_job("a")
    assert job is not None
    assert (job.name, job.data, await job.get_state()) == ("report", {"month": 5}, "active")


async def test_a_job_that_is_added_again_under_its_id_has_no_run(bed: Bed, queue: Queue, redis_client: Any) -> None:
    assert fields_of(redis_client, bed) >= OWN_FIELDS
    redis_client.delete(f"{QueueKeys(QUEUE, bed.prefix).job('a')}:lock")
    job = await queue.get_job("a")
    assert job is not None
    await job.remove()
    assert not redis_client.exists(QueueKeys(QUEUE, bed.prefix).job("a"))
    await queue.add("report", {}, job_id="a")
    assert not fields_of(redis_client, bed) & OWN_FIELDS


async def test_a_queue_that_is_obliterated_leaves_nothing_of_its_runs(
    bed: Bed, queue: Queue, redis_client: Any
) -> None:
    await queue.obliterate(force=True)
    left = {key for key in redis_client.keys(f"{bed.prefix}:*") if key.startswith(f"{bed.prefix}:{QUEUE}:")}
    assert not left
    assert redis_client.exists(reconciling.owner_key(bed.prefix)) == 1


async def test_a_job_that_is_retried_has_nothing_of_its_run(bed: Bed, queue: Queue, redis_client: Any) -> None:
    job = await queue.get_job("a")
    assert job is not None
    await job.move_to_failed(Unrecoverable("never"), "token")
    await job.retry(reset_attempts_made=True)
    assert fields_of(redis_client, bed) & OWN_FIELDS == {"oxmq:run"}
    again = await bed.worker(do_nothing).get_next_job("other")
    assert again is not None
    runner = AsyncRunner(Endpoint(bed.url))
    state = await runner.run(remote_runs.get_run_state(QueueKeys(QUEUE, bed.prefix), "a"))
    await runner.close()
    assert (state.attempts_made, state.current, state.result) == (0, None, None)
