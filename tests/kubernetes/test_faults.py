"""What happens to clusters, pods, workers and Redis: every heavy job ends well, once, and no attempt runs twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import pytest_asyncio

from oxmq import Job, JobFailedError
from oxmq.kubernetes import follower
from oxmq.kubernetes.pod import EXIT_UNWANTED
from tests.kubernetes.container import PodRun
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node_agent import NodeAgent
from tests.kubernetes.stage import LONG, QUEUE, Stage
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

#: Seconds that the API server is away at least; its start takes some more.
API_OUTAGE = 4.0
#: Seconds that Redis is away: longer than a call waits for it.
REDIS_OUTAGE = 6.0
#: The nodes of which one is lost, which have room for small pods only.
POOL = {"lab/pool": "lost"}
SMALL = {"memory": "40Mi"}
#: Exit code of a program that was told to end.
STOPPED = 143


async def test_api_server_down(heavy: Stage) -> None:
    again(heavy, "wait_for_file", "slow", patch=scripted("slow-start:4"))
    files = {name: heavy.file() for name in ("running", "ending", "pending", "spawning")}
    program_may_end = heavy.file()
    async with heavy.working():
        jobs = {name: await heavy.add("wait_for_file", {"path": str(files[name])}) for name in ("running", "ending")}
        jobs["program"] = await heavy.add_script(until(program_may_end))
        for job in jobs.values():
            await heavy.has_begun(job)
        jobs["pending"] = await heavy.add("slow", {"path": str(files["pending"])})
        await is_spawned(heavy, jobs["pending"])
        await asyncio.to_thread(heavy.plane.stop_api)
        begun = monotonic()
        jobs["spawning"] = await heavy.add("wait_for_file", {"path": str(files["spawning"])})
        files["ending"].write_text("ending")
        program_may_end.touch()
        # What a pod leaves in Redis needs no cluster.
        assert await jobs["ending"].result(LONG) == "ending"
        await eventually(lambda: monotonic() - begun > API_OUTAGE, LONG)
        # Starts it again, when it has forgotten all that was before.
        await asyncio.to_thread(heavy.plane.compact)
        for name, file in files.items():
            file.write_text(name)
        assert [await jobs[name].result(LONG) for name in files] == list(files)
        assert await jobs["program"].result(LONG) is None
    await heavy.assert_sound()


async def test_lost_pods_and_nodes(heavy: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the scenarios side by side: most of their time is waiting for the cluster to notice."""
    monkeypatch.setattr(follower, "_AFTER_DISRUPTION", 0.5)
    again(heavy, "run_script", "greedy", patch=scripted("oom:0.2"))
    again(heavy, "wait_for_file", "cut_off", node_selector=POOL, memory="16Mi")
    again(heavy, "wait_for_file", "silent", node_selector=POOL, memory="16Mi", heart_timeout="20s")
    scenarios = (pod_out_of_memory, pod_deleted, pod_drained, job_deleted, node_lost)
    more: dict[str, int] = {}
    async with heavy.working():
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(scenario(heavy)) for scenario in scenarios]
        for task in tasks:
            more |= task.result()
        # The second pod of a run may have had no node any more: the reconciler deletes its Job.
        await heavy.assert_sound(again=more)


async def pod_out_of_memory(heavy: Stage) -> dict[str, int]:
    job = await heavy.add_script("sleep 60", "greedy")
    with pytest.raises(JobFailedError, match="it used more memory than its limit of 64Mi"):
        await job.result(LONG)
    return {}


async def pod_deleted(heavy: Stage) -> dict[str, int]:
    return await _pod_taken(heavy, heavy.api.delete)


async def pod_drained(heavy: Stage) -> dict[str, int]:
    async def evict(path: str) -> object:
        metadata = {"namespace": heavy.namespace, "name": path.rpartition("/")[2]}
        eviction = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": metadata}
        return await heavy.api.post(f"{path}/eviction", eviction)

    return await _pod_taken(heavy, evict)


async def _pod_taken(heavy: Stage, take: Callable[[str], Any]) -> dict[str, int]:
    """Take the pod of a job away: the same attempt goes on in another one."""
    file = heavy.file()
    job = await heavy.add("wait_for_file", {"path": str(file)})
    await heavy.has_progress(job)
    first = heavy.runs_of(job)[0]
    await take(f"/api/v1/namespaces/{heavy.namespace}/pods/{first.pod}")
    await eventually(lambda: first.exit_code == STOPPED, LONG, "the handler is not stopped")
    file.write_text("well")
    assert await job.result(LONG) == "well"
    await job.refresh()
    assert job.attempts_made == 1
    assert_one_at_a_time(heavy.runs_of(job))
    return {job.id: 1}


async def job_deleted(heavy: Stage) -> dict[str, int]:
    file = heavy.file()
    job = await heavy.add("wait_for_file", {"path": str(file)}, attempts=2)
    await heavy.has_progress(job)
    first = heavy.runs_of(job)[0]
    path = f"/apis/batch/v1/namespaces/{heavy.namespace}/jobs/{first.job}"
    await heavy.api.delete(path, {"propagationPolicy": "Background"})
    await eventually(lambda: first.exit_code == STOPPED, LONG, "the handler is not stopped")
    file.write_text("well")
    assert await job.result(LONG) == "well"
    await job.refresh()
    assert job.attempts_made == 2
    assert "is gone from the cluster" in job.stacktrace[0]
    assert_one_at_a_time(heavy.runs_of(job))
    return {}


async def node_lost(heavy: Stage) -> dict[str, int]:
    """Cut a node off from the cluster: what runs there goes on, and the cluster puts other pods in its place."""
    files = {name: heavy.file() for name in ("cut_off", "silent")}
    with NodeAgent(heavy.plane, "lost", labels=POOL, capacity=SMALL) as lost:
        jobs = {name: await heavy.add(name, {"path": str(file)}, attempts=2) for name, file in files.items()}
        for job in jobs.values():
            await heavy.has_progress(job)
        first = {name: runs_on(lost, job)[0] for name, job in jobs.items()}
        with NodeAgent(heavy.plane, "other", labels=POOL, capacity=SMALL) as other:
            os.kill(first["silent"].pid, signal.SIGSTOP)
            await asyncio.to_thread(lost.kill_node)
            # The run is the first pod's as long as that lives.
            await eventually(lambda: runs_on(other, jobs["cut_off"]), LONG, "the pod is not replaced")
            second = runs_on(other, jobs["cut_off"])[0]
            await eventually(lambda: second.exit_code == EXIT_UNWANTED, LONG, "the second pod runs the task")
            for file in files.values():
                file.write_text("well")
            assert await jobs["cut_off"].result(LONG) == "well"
            assert await jobs["silent"].result(LONG) == "well"
            await jobs["cut_off"].refresh()
            assert jobs["cut_off"].attempts_made == 1
            # Another run has taken the place of the one that was not heard of.
            await eventually(lambda: codes_on(other, jobs["silent"]) in ([EXIT_UNWANTED, 0], [0]), LONG)
    return {}


async def test_job_deleted_before_it_was_read(heavy: Stage) -> None:
    again(heavy, "wait_for_file", "short_lived", ttl="1s")
    again(heavy, "run_script", "short_lived_program", ttl="1s")
    file = heavy.file()
    async with heavy.working():
        jobs = [
            await heavy.add("short_lived", {"path": str(file)}),
            await heavy.add_script(until(file), "short_lived_program"),
        ]
        for job in jobs:
            await heavy.has_begun(job)
            await is_spawned(heavy, job)
        await heavy.has_progress(jobs[0])
    file.write_text("well")
    await eventually(lambda: all_have_ended(heavy, jobs), LONG, "the pods go on")
    await eventually(lambda: has_no_jobs(heavy), LONG, "the finished Jobs are not deleted")
    async with heavy.working():
        assert await jobs[0].result(LONG) == "well"
        with pytest.raises(JobFailedError, match="is gone from the cluster: it was deleted before it had told"):
            await jobs[1].result(LONG)
    await heavy.assert_sound()


async def test_redis_down(own_redis: tuple[RedisServer, Stage]) -> None:
    server, heavy = own_redis
    again(heavy, "wait_for_file", "slow", patch=scripted("slow-start:3"))
    files = {name: heavy.file() for name in ("running", "ending", "pending")}
    program_may_end = heavy.file()
    async with heavy.working():
        jobs = {name: await heavy.add("wait_for_file", {"path": str(files[name])}) for name in ("running", "ending")}
        jobs["program"] = await heavy.add_script(until(program_may_end))
        for name in ("running", "ending"):
            await heavy.has_progress(jobs[name])
        await heavy.has_begun(jobs["program"])
        jobs["pending"] = await heavy.add("slow", {"path": str(files["pending"])})
        await is_spawned(heavy, jobs["pending"])
        server.kill9()
        begun = monotonic()
        files["ending"].write_text("ending")
        program_may_end.touch()
        await eventually(lambda: monotonic() - begun > REDIS_OUTAGE, LONG)
        server.start()
        heavy.redis = server.client()
        for name, file in files.items():
            file.write_text(name)
        assert [await jobs[name].result(LONG) for name in files] == list(files)
        assert await jobs["program"].result(LONG) is None
    await heavy.assert_sound()


async def test_frozen_worker(heavy: Stage) -> None:
    file = heavy.file()
    frozen = heavy.start_worker()
    jobs = [await heavy.add("wait_for_file", {"path": str(file)}), await heavy.add_script(until(file))]
    await heavy.has_progress(jobs[0])
    await heavy.has_begun(jobs[1])
    await is_spawned(heavy, jobs[1])
    frozen.send(signal.SIGSTOP)
    other = heavy.start_worker()
    await eventually(lambda: all_are_taken_over(jobs), LONG, "nobody takes over")
    frozen.send(signal.SIGCONT)
    # Both follow the pods now, and both are told of their end.
    file.write_text("well")
    assert [await job.result(LONG) for job in jobs] == ["well", None]
    # The lock is the other's, or is gone with the end that the other has told.
    await eventually(lambda: _refusals(frozen.output()) == len(jobs), LONG, "its outcomes are not refused")
    other.terminate()
    assert await other.ended() == 0
    # It is as good as before.
    assert await (await heavy.add("wait_for_file", {"path": str(file)})).result(LONG) == "well"
    frozen.terminate()
    assert await frozen.ended() == 0
    await heavy.assert_sound()


@pytest_asyncio.fixture
async def own_redis(
    heavy_environment: Callable[..., None],
    control_plane: ControlPlane,
    node: NodeAgent,
    prefix: str,
    namespace: str,
    tmp_path: Path,
) -> AsyncIterator[tuple[RedisServer, Stage]]:
    """Return a Redis that loses nothing, and a stage on it."""
    with RedisServer(appendonly="always") as server:
        heavy_environment(OXMQ_URL=server.url)
        async with control_plane.api() as api:
            made = Stage(control_plane, node, api, server.client(), prefix, namespace, tmp_path)
            try:
                yield server, made
            finally:
                await made.close()


# Any: fields of `Kubernetes`.
def again(heavy: Stage, task: str, name: str, **spec: Any) -> None:
    """Declare a task once more, with a pod of another kind."""
    heavy.declare(heavy.app.tasks[QUEUE, task], name, **spec)


def scripted(accident: str) -> dict[str, Any]:
    """Return the patch of a Job whose pod has an accident; see `NodeAgent`."""
    return {"spec": {"template": {"metadata": {"annotations": {"lab/script": accident}}}}}


def until(file: Path) -> str:
    """Return a program that ends well when a file is there."""
    return f"until [ -e {file} ]; do sleep 0.05; done"


async def is_spawned(heavy: Stage, job: Job[Any]) -> None:
    """Wait until the Kubernetes Job of a job is known to exist."""

    async def is_noted() -> bool:
        run = (await heavy.run_state(job)).run
        return run is not None and run.phase == "spawned"

    await eventually(is_noted, LONG, f"no Kubernetes Job of job {job.id} is noted")


async def all_are_taken_over(jobs: list[Job[Any]]) -> bool:
    for job in jobs:
        await job.refresh()
    return all(job.stalled_count == 1 for job in jobs)


async def all_have_ended(heavy: Stage, jobs: list[Job[Any]]) -> bool:
    return all(run.ended for job in jobs for run in heavy.runs_of(job))


async def has_no_jobs(heavy: Stage) -> bool:
    return not await heavy.cluster_jobs()


def runs_on(node: NodeAgent, job: Job[Any]) -> list[PodRun]:
    """Return the processes that a node has started for a job."""
    return [run for run in node.pods_run if f"--job={job.id}" in run.command]


def codes_on(node: NodeAgent, job: Job[Any]) -> list[int | None]:
    """Return with what the processes ended that a node has started for a job."""
    return [run.exit_code for run in runs_on(node, job)]


def assert_one_at_a_time(runs: list[PodRun]) -> None:
    """Check that no process worked on a job before the one before it had ended; those that were refused did not."""
    working = [run for run in runs if run.exit_code != EXIT_UNWANTED]
    assert len(working) == 2
    for earlier, later in pairwise(working):
        assert earlier.ended is not None
        assert earlier.ended <= later.started


def _refusals(output: str) -> int:
    return output.count("Lock mismatch") + output.count("Missing lock")
