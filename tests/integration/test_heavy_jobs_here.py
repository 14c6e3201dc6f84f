"""Tasks that ask for a pod, where there is no cluster: their jobs run in limited processes beside the worker."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from oxmq import ConfigurationError, JobFailedError
from tests.support.waiting import eventually


@pytest.fixture
async def tasks(redis_url: str, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Any]:
    """Return the module of tasks, on the test's server and prefix, where no cluster is configured."""
    monkeypatch.setenv("OXMQ_URL", redis_url)
    monkeypatch.setenv("OXMQ_TEST_PREFIX", prefix)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "OXMQ_RUN_KUBERNETES", "OXMQ_KUBERNETES_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    module = importlib.reload(importlib.import_module("tests.integration.heavy_tasks"))
    yield module
    await module.app.close()


@pytest.fixture
async def worker(tasks: Any) -> AsyncIterator[Any]:
    """Run a worker of the app's tasks."""
    made = tasks.app.worker(concurrency=3)
    running = asyncio.create_task(made.run(handle_signals=False))
    yield made
    await made.close(grace=0)
    await running


@pytest.mark.usefixtures("worker")
async def test_a_job_runs_in_a_process_of_its_own_with_the_pod_s_variables(tasks: Any) -> None:
    job = await tasks.paint.enqueue("door")
    found = re.fullmatch(r"red door, in process (\d+)", await job.result(timeout=30))
    assert found
    assert int(found[1]) != os.getpid()
    await job.refresh()
    assert (job.progress, await job.get_logs()) == (50, ["painting door"])


@pytest.mark.usefixtures("worker")
async def test_a_job_gets_no_more_memory_than_its_pod_would(tasks: Any) -> None:
    job = await tasks.devour.enqueue()
    with pytest.raises(JobFailedError, match=r"more memory than its limit of 128Mi"):
        await job.result(timeout=60)
    await job.refresh()
    assert job.attempts_made == 2


@pytest.mark.usefixtures("worker")
async def test_a_job_is_stopped_at_its_time_limit(tasks: Any) -> None:
    job = await tasks.hang.enqueue()
    with pytest.raises(JobFailedError, match=r"longer than its timeout of 1s and was stopped"):
        await job.result(timeout=60)


@pytest.mark.usefixtures("worker")
async def test_a_job_that_is_cancelled_is_stopped(tasks: Any) -> None:
    job = await tasks.wait_for_ever.enqueue()

    async def is_running() -> bool:
        await job.refresh()
        return bool(job.progress == "running")

    await eventually(is_running, 30)
    await job.cancel("nobody wants it")
    with pytest.raises(JobFailedError, match="nobody wants it"):
        await job.result(timeout=30)


@pytest.mark.usefixtures("worker")
async def test_a_program_that_knows_nothing_of_oxmq_runs_here_too(tasks: Any) -> None:
    job = await tasks.program.enqueue(21)
    assert await job.result(timeout=30) == {"twice": 42}
    assert await job.get_logs() == ["for program blue"]


async def test_a_worker_says_where_such_jobs_run(tasks: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tasks.app.worker().heavy_place == "process"
    config = tmp_path / "config"
    config.touch()
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert tasks.app.worker().heavy_place == "kubernetes"
    monkeypatch.setenv("OXMQ_RUN_KUBERNETES", "process")
    assert tasks.app.worker().heavy_place == "process"
    monkeypatch.setenv("OXMQ_RUN_KUBERNETES", "cloud")
    with pytest.raises(
        ConfigurationError, match='OXMQ_RUN_KUBERNETES must be "kubernetes" or "process", not \'cloud\''
    ):
        tasks.app.worker()


async def test_pods_are_not_shown_the_password_of_redis(tasks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OXMQ_RUN_KUBERNETES", "kubernetes")
    monkeypatch.setenv("OXMQ_URL", "redis://:secret@redis:6379")
    importlib.reload(tasks)
    with pytest.raises(ConfigurationError, match="OXMQ_URL holds a password") as refused:
        tasks.app.worker()
    assert "secret@" not in str(refused.value)
    monkeypatch.setenv("OXMQ_KUBERNETES_ENV_FROM", "secret:redis")
    assert tasks.app.worker().heavy_place == "kubernetes"
