"""Start real processes that end well, badly, or not at all."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from oxmq.demo.processes import Child, ProcessError, Processes, wait_until_ready
from tests.support.waiting import eventually

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
)
PATIENT = "import time; print('here', flush=True); time.sleep(600)"


async def _started(processes: Processes, program: str) -> Child:
    child = await processes.start("child", ["-c", program])
    await eventually(lambda: "here" in child.log.read_text())
    return child


def _is_running(child: Child) -> bool:
    try:
        os.kill(child.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_children_are_stopped_at_the_end(tmp_path: Path) -> None:
    async with Processes(tmp_path, {}) as processes:
        child = await _started(processes, PATIENT)
        assert _is_running(child)
    assert not _is_running(child)


async def test_children_are_stopped_after_an_error(tmp_path: Path) -> None:
    children: list[Child] = []
    with pytest.raises(ZeroDivisionError):
        async with Processes(tmp_path, {}) as processes:
            children.append(await _started(processes, PATIENT))
            raise ZeroDivisionError
    assert [_is_running(child) for child in children] == [False]


async def test_a_child_that_does_not_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    async with Processes(tmp_path, {}, grace=0.1) as processes:
        child = await _started(processes, STUBBORN)
    assert child.process.returncode == -9


async def test_the_environment_is_handed_over(tmp_path: Path) -> None:
    async with Processes(tmp_path, {"GIVEN": "here it is"}) as processes:
        await _started(processes, "import os; print(os.environ['GIVEN'])")


async def test_a_death_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    async with Processes(tmp_path, {}) as processes:
        await processes.start("worker", ["-c", "raise SystemExit('no Redis')"])
        with pytest.raises(ProcessError, match=r"The worker died with exit code 1\.[^$]*no Redis"):
            await processes.watch()


async def test_a_child_that_dies_is_not_waited_for(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async with Processes(tmp_path, {}) as processes:
        child = await processes.start("API server", ["-c", "raise SystemExit(3)"])
        with pytest.raises(ProcessError, match="died with exit code 3"):
            await wait_until_ready(child, never, 30)


async def test_a_child_that_never_becomes_ready_is_told(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    async with Processes(tmp_path, {}) as processes:
        child = await _started(processes, PATIENT)
        with pytest.raises(ProcessError, match=r"was not ready after 0\.1 s"):
            await wait_until_ready(child, never, 0.1)


async def test_watching_can_be_given_up(tmp_path: Path) -> None:
    async with Processes(tmp_path, {}) as processes:
        child = await _started(processes, PATIENT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(processes.watch(), 0.05)
        assert _is_running(child)
