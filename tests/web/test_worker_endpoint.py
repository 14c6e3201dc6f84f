"""A worker's own endpoint: probes that know waiting from being stuck, and draining, which loses nothing."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from oxmq import ConfigurationError, Job, Oxmq, Queue
from oxmq.app_worker import AppWorker
from oxmq.cli.worker import read_address
from oxmq.web.worker_endpoint import worker_endpoint
from oxmq.worker import services
from tests.integration.bed import Bed, reaches
from tests.support.processes import Process, Processes
from tests.support.servers import RedisServer
from tests.support.waiting import TIME_SCALE, eventually, eventually_sync
from tests.web.serving import serving

PATIENCE = 30.0


def app_with_gate(app: Oxmq, gate: asyncio.Event) -> Oxmq:
    @app.task(queue="q")
    async def wait() -> str:
        await gate.wait()
        return "through"

    return app


@asynccontextmanager
async def answering(worker: AppWorker) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run a worker, and answer for it."""
    running = asyncio.create_task(worker.run(handle_signals=False))
    async with serving(worker_endpoint(worker)) as url, httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        yield client
        await worker.close(force=True)
        await running


async def becomes_ready(client: httpx2.AsyncClient) -> None:
    async def is_ready() -> bool:
        return (await client.get("/health/ready")).is_success

    await eventually(is_ready, PATIENCE, "the worker does not become ready")


async def test_a_drained_worker_ends_what_runs_and_takes_nothing_more(bed: Bed) -> None:
    gate, app, queue = asyncio.Event(), bed.app(), bed.queue()
    async with answering(bed.app_worker(app_with_gate(app, gate))) as client:
        await becomes_ready(client)
        first = await queue.add("wait", {})
        await reaches(first, "active", PATIENCE)
        assert (await client.get("/drain")).json() == {"draining": True, "running": 1}
        second = await queue.add("wait", {})
        waiting = asyncio.create_task(client.post("/drain", params={"wait": "30"}))
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable", "reason": "draining"})
        assert (await client.get("/health/live")).json() == {"status": "ok"}
        assert not waiting.done()
        gate.set()
        assert (await waiting).json() == {"draining": True, "running": 0}
        assert await first.is_completed()
        assert await second.is_waiting()
        assert (await client.post("/undrain")).json() == {"draining": False, "running": 0}
        assert await second.result(timeout=PATIENCE) == "through"
        await becomes_ready(client)


async def test_a_wait_for_running_jobs_ends_with_its_time(bed: Bed) -> None:
    gate = asyncio.Event()
    async with answering(bed.app_worker(app_with_gate(bed.app(), gate))) as client:
        await reaches(await bed.queue().add("wait", {}), "active", PATIENCE)
        assert (await client.get("/drain?wait=0.05")).json() == {"draining": True, "running": 1}


@pytest.mark.parametrize(
    ("query", "words"), [("wait=soon", "not 'soon'"), ("wait=-1", "86400 at most"), ("wiat=1", "no parameter 'wiat'")]
)
async def test_a_mistake_drains_nothing(bed: Bed, query: str, words: str) -> None:
    async with answering(bed.app_worker(app_with_gate(bed.app(), asyncio.Event()))) as client:
        await becomes_ready(client)
        answer = await client.get(f"/drain?{query}")
        assert answer.status_code == 400
        assert words in answer.json()["error"]
        await becomes_ready(client)


@pytest.mark.parametrize("header", ["Origin", "Sec-Fetch-Site"])
async def test_a_page_in_a_browser_cannot_drain(bed: Bed, header: str) -> None:
    async with answering(bed.app_worker(app_with_gate(bed.app(), asyncio.Event()))) as client:
        await becomes_ready(client)
        headers = {header: "cross-site"}
        assert (await client.get("/drain", headers=headers)).status_code == 403
        assert (await client.post("/undrain", headers=headers)).status_code == 403
        await becomes_ready(client)


async def test_a_stopping_worker_is_alive_and_not_to_be_resumed(bed: Bed) -> None:
    gate = asyncio.Event()
    worker = bed.app_worker(app_with_gate(bed.app(), gate))
    async with answering(worker) as client:
        job = await bed.queue().add("wait", {})
        await reaches(job, "active", PATIENCE)
        closing = asyncio.create_task(worker.close(grace=PATIENCE))
        await eventually(lambda: worker.is_stopping)
        assert (await client.get("/health/ready")).json()["reason"] == "stopping"
        assert (await client.get("/health/live")).is_success
        assert (await client.post("/undrain")).status_code == 409
        gate.set()
        await closing
        assert await job.is_completed()


async def test_a_worker_without_redis_is_alive_and_not_ready() -> None:
    app = app_with_gate(Oxmq("redis://127.0.0.1:1"), asyncio.Event())
    async with answering(app.worker()) as client:
        answer = await client.get("/health/ready")
        assert (answer.status_code, answer.json()["reason"]) == (
            503,
            "starting: Redis has not answered for queue 'q' yet",
        )
        assert (await client.get("/health/live")).is_success


async def test_only_a_worker_that_is_stuck_beside_an_answering_redis_is_to_be_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stuck(*_: float) -> str:
        return "no answer from Redis for 99.0 s"

    with RedisServer() as own:
        async with answering(app_with_gate(Oxmq(own.url), asyncio.Event()).worker()) as client:
            await becomes_ready(client)
            monkeypatch.setattr(services, "verdict", stuck)
            for path in ("/health/live", "/health/ready"):
                answer = await client.get(path)
                assert answer.status_code == 503
                assert answer.json()["reason"] == "queue 'q': no answer from Redis for 99.0 s"
            own.stop()
            assert (await client.get("/health/live")).is_success
            assert (await client.get("/health/ready")).status_code == 503


# ---- the process -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shift:
    """Hold a worker process, the address that it answers at, and a queue of its."""

    process: Process
    client: httpx2.AsyncClient
    queue: Queue
    files: Path

    async def add(self, name: str) -> Job[Any]:
        return await self.queue.add("hold", {"path": str(self.files / name)})

    async def add_running(self, name: str) -> Job[Any]:
        job = await self.add(name)
        await reaches(job, "active", PATIENCE)
        return job

    def release(self, name: str) -> None:
        (self.files / name).touch()


@pytest.fixture
def processes(tmp_path: Path, redis_url: str, prefix: str) -> Iterator[Processes]:
    with Processes(tmp_path, {"OXMQ_URL": redis_url, "OXMQ_TEST_PREFIX": prefix}) as started:
        yield started


@pytest.fixture
async def shift(processes: Processes, bed: Bed, tmp_path: Path) -> AsyncIterator[Shift]:
    target = "tests.web.endpoint_tasks:app"
    process = processes.start("oxmq", "worker", target, "--health", "0", "--grace", "10m", "--concurrency", "2")

    def address() -> str:
        assert process.exit_code is None, process.tail()
        found = re.search(r"health +(http://\S+)", process.output())
        return found[1] if found else ""

    url = eventually_sync(address, PATIENCE, "the worker does not say where it answers")
    async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE * TIME_SCALE) as client:
        await becomes_ready(client)
        yield Shift(process, client, bed.queue("held"), tmp_path)


async def test_what_a_container_does_before_it_ends_loses_nothing(shift: Shift) -> None:
    """The hook drains, the signal follows; what ends in time is done, the rest goes back at no cost."""
    quick, slow = await shift.add_running("quick"), await shift.add_running("slow")
    assert (await shift.client.get("/drain")).json() == {"draining": True, "running": 2}
    late = await shift.add("late")
    shift.process.terminate()

    async def is_stopping() -> bool:
        answer: dict[str, str] = (await shift.client.get("/health/ready")).json()
        return answer["reason"] == "stopping"

    await eventually(is_stopping, PATIENCE)
    assert (await shift.client.get("/health/live")).is_success
    shift.release("quick")
    await reaches(quick, "completed", PATIENCE)
    shift.process.terminate()  # a second signal stands for the end of the grace period
    assert shift.process.wait(PATIENCE) == 0
    shift.process.assert_careful()
    await slow.refresh()
    assert await slow.is_waiting()
    assert (slow.attempts_started, slow.attempts_made, slow.stalled_count) == (1, 0, 0)
    assert await late.is_waiting()
    with pytest.raises(httpx2.TransportError):
        await shift.client.get("/health/live")


async def test_a_signal_while_a_hook_waits_ends_both(shift: Shift) -> None:
    job = await shift.add_running("only")
    waiting = asyncio.create_task(shift.client.get("/drain?wait=3600"))

    async def is_draining() -> bool:
        return not (await shift.client.get("/health/ready")).is_success

    await eventually(is_draining, PATIENCE)
    shift.process.terminate()
    shift.release("only")
    assert (await waiting).json()["draining"]
    assert shift.process.wait(PATIENCE) == 0
    shift.process.assert_careful()
    assert await job.is_completed()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--health", "nowhere"), "--health must be HOST:PORT or a port"),
        (("--health", "8080", "--processes", "2"), "--health answers for one process"),
        (("--health", "192.0.2.1:8080"), "cannot listen at 192.0.2.1"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(processes: Processes, arguments: tuple[str, ...], words: str) -> None:
    process = processes.start("oxmq", "worker", "tests.web.endpoint_tasks:app", *arguments)
    assert process.wait(PATIENCE) == 2
    assert words in process.output()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_only_a_host_that_is_named_lets_others_in(text: str, address: tuple[str, int]) -> None:
    assert read_address(text) == address


@pytest.mark.parametrize("text", ["", "host", "host:", "host:70000", "host:-1", "host:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--health must be"):
        read_address(text)
