"""What happens to clusters, pods, workers and Redis: every heavy job ends well, once, and no attempt runs twice."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from time import monotonic
from typing import Any

import os
import uuid
import pytest
import pytest_asyncio
from oxmq import JobFailedError

from oxmq import Job
from oxmq.kubernetes.job_state import job_phase
from tests.kubernetes.api import Api
from tests.kubernetes.control_plane import ControlPlane
from tests.kubernetes.node_agent import NodeAgent
from tests.kubernetes.stage import LONG, QUEUE, Stage
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

#: Seconds that the API server or Redis are away: longer than a call to either waits.
OUTAGE = 4.0


#: The label of the nodes of which one is lost.
POOL = {"lab/pool": "lost"}


async def test_api_server_down(heavy: Stage) -> None:
    slow = heavy.declare(heavy.app.tasks[QUEUE, "wait_for_file"], "slow", patch=scripted("slow-start:4"))
    files = {name: heavy.file(name) for name in ("running", "ending", "pending", "spawning")}
    program_goes_on = heavy.file()
    async with heavy.working():
        jobs = {name: await heavy.add("wait_for_file", {"path": str(files[name])}) for name in ("running", "ending")}
        jobs["program"] = await heavy.add_script(until(program_goes_on))
        for job in jobs.values():
            await heavy.has_begun(job)
        jobs["pending"] = await heavy.add(slow.name, {"path": str(files["pending"])})
        await eventually(lambda: is_spawned(heavy, jobs["pending"]), LONG)
        await asyncio.to_thread(heavy.plane.stop_api)
        begun = monotonic()
        jobs["spawning"] = await heavy.add("wait_for_file", {"path": str(files["spawning"])})
        files["ending"].write_text("ending")
        program_goes_on.touch()
        # What a pod leaves in Redis needs no cluster.
        assert await jobs["ending"].result(LONG) == "ending"
        await eventually(lambda: monotonic() - begun > OUTAGE, 2 * OUTAGE)
        # Starts it again, when it has forgotten all that was before.
        await asyncio.to_thread(heavy.plane.compact)
        for name, file in files.items():
            file.write_text(name)
        assert [await jobs[name].result(LONG) for name in files] == list(files)
        assert await jobs["program"].result(LONG) is None
        await heavy.assert_sound()


def scripted(accident: str) -> dict[str, Any]:
    """Return the patch of a Job whose pod has an accident; see `NodeAgent`."""
    return {"spec": {"template": {"metadata": {"annotations": {"lab/script": accident}}}}}


def until(file: Path) -> str:
    """Return a program that ends well when a file is there."""
    return f"until [ -e {file} ]; do sleep 0.05; done"


async def is_spawned(heavy: Stage, job: Job[Any]) -> bool:
    """Tell whether the Kubernetes Job of a job is known to exist."""
    run = (await heavy.run_state(job)).run
    return run is not None and run.phase == "spawned"


async def test_lost_pods_and_nodes(heavy: Stage) -> None:
    heavy.declare(heavy.app.tasks[QUEUE, "run_script"], "greedy", patch=scripted("oom:0.2"))
    heavy.declare(heavy.app.tasks[QUEUE, "wait_for_file"], "patient", node_selector=POOL, memory="16Mi", heart_timeout="15s", attempts=2)
    async with heavy.working(), asyncio.TaskGroup() as group:
        for scenario in (out_of_memory, pod_deleted, job_deleted, node_lost):
            group.create_task(scenario(heavy))


async def out_of_memory(heavy: Stage) -> None:
    job = await heavy.add_script("sleep 60", "greedy")
    with pytest.raises(JobFailedError, match="memory"):
        await job.result(LONG)


async def pod_deleted(heavy: Stage) -> None:
    file = heavy.file()
    job = await heavy.add("wait_for_file", {"path": str(file)}, attempts=1)
    await heavy.has_progress(job)
    await heavy.api.delete(f"/api/v1/namespaces/{heavy.namespace}/pods/{heavy.runs_of(job)[0].pod}")
    t=monotonic()
    await eventually(lambda: heavy.runs_of(job)[0].ended, LONG)
    print("pod deleted: ended", monotonic()-t, heavy.runs_of(job)[0].exit_code)
    file.write_text("well")
    try:
        print("pod_deleted", await job.result(LONG))
    except Exception as e:
        print("pod_deleted", repr(e))
    print(monotonic()-t, [(r.job, r.pod, r.exit_code) for r in heavy.runs_of(job)])
    print(await job.get_logs())


async def job_deleted(heavy: Stage) -> None:
    file = heavy.file()
    job = await heavy.add("wait_for_file", {"path": str(file)}, attempts=2)
    await heavy.has_progress(job)
    await heavy.api.delete(f"/apis/batch/v1/namespaces/{heavy.namespace}/jobs/{heavy.runs_of(job)[0].job}", {"propagationPolicy": "Background"})
    t=monotonic()
    await eventually(lambda: heavy.runs_of(job)[0].ended, LONG)
    file.write_text("well")
    try:
        print("job_deleted", await job.result(LONG))
    except Exception as e:
        print("job_deleted", repr(e))
    print(monotonic()-t, [(r.job, r.pod, r.exit_code) for r in heavy.runs_of(job)])
    await job.refresh()
    print(await job.get_logs(), job.stacktrace)


async def node_lost(heavy: Stage) -> None:
    files = [heavy.file() for _ in range(2)]
    with NodeAgent(heavy.plane, "lost", labels=POOL, capacity={"memory": "40Mi"}) as lost:
        jobs = [await heavy.add("patient", {"path": str(file)}) for file in files]
        for job in jobs:
            await heavy.has_progress(job)
        with NodeAgent(heavy.plane, "other", labels=POOL, capacity={"memory": "40Mi"}) as other:
            silent = next(run for run in lost.pods_run if f"--job={jobs[1].id}" in run.command)
            os.kill(silent.pid, signal.SIGSTOP)
            await asyncio.to_thread(lost.kill_node)
            t=monotonic()
            await eventually(lambda: len(other.pods_run) >= 2, LONG)
            print("other pods", monotonic()-t)
            await eventually(lambda: len([r for r in other.pods_run if r.ended]) >= 2, LONG)
            print("ended", monotonic()-t, [(r.pod, r.exit_code) for r in other.pods_run])
            files[0].write_text("0")
            try:
                print("node_lost", await jobs[0].result(LONG))
            except Exception as e:
                print("node_lost", repr(e))
            print(monotonic()-t)
            files[1].write_text("1")
            try:
                print("node_lost", await jobs[1].result(LONG))
            except Exception as e:
                print("node_lost", repr(e))
            print(monotonic()-t, [(r.pod, r.exit_code) for r in other.pods_run])
            for job in jobs:
                await job.refresh()
                print(job.attempts_made, await job.get_logs(), job.stacktrace)
