"""Run one demo from start to end: set up, compare the operations, do a heavy one, prove the work, report, stay up."""

from __future__ import annotations

import asyncio
import fcntl
import secrets
import signal
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TypeVar

from oxmq.demo.heavy_job import do_heavy_job
from oxmq.demo.load import CLIENTS, Load, LoadError, Measurement
from oxmq.demo.operations import OPERATIONS, WAYS, YEARLY_REPORT, Operation, Way
from oxmq.demo.processes import ProcessError, Processes
from oxmq.demo.proof import Evidence, prove
from oxmq.demo.report import Report
from oxmq.demo.settings import Folders
from oxmq.demo.stage import Stage, set_up
from oxmq.errors import OxmqError

T = TypeVar("T")

_STOPPED_BY_SIGNAL = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AnotherDemoError(Exception):
    """Say that a demo is already running in the directory, whose files this one would delete."""


class Session:
    """Run the demo in `directory`, with so many `requests` for each operation and way."""

    def __init__(self, directory: Path, requests: int) -> None:
        self._folders = Folders(directory)
        self._requests = requests
        #: Tells this demo's work from that of jobs which an interrupted demo may have left in the queues.
        self._id = secrets.token_hex(2)
        self._report = Report(self._folders)
        self._code = _STOPPED_BY_SIGNAL

    async def run(self, once: bool) -> int:
        """Run until the report is printed and, unless `once`, until a signal; return the exit code."""
        _cancel_on_signal()
        try:
            with _alone_in(self._folders.directory):
                await self._perform(once)
        except asyncio.CancelledError:
            self._report.stopped()
        except (AnotherDemoError, ProcessError, LoadError, OxmqError) as error:
            self._report.failed(str(error))
            return 1
        return self._code

    async def _perform(self, once: bool) -> None:
        self._report.opening()
        async with set_up(self._folders) as stage:
            self._report.ready(stage)
            self._code = await _while_all_live(stage.processes, self._compare_and_prove(stage))
            if once:
                self._report.where_it_is()
            else:
                self._report.where_to_look(stage)
                await _while_all_live(stage.processes, asyncio.Event().wait())

    async def _compare_and_prove(self, stage: Stage) -> int:
        await self._warm_up(stage)
        measurements = await self._compare(stage)
        with self._report.doing("One heavy job, beside the worker"):
            heavy_job = await do_heavy_job(stage.client, *self._keys(YEARLY_REPORT, "queued", 1))
        evidence = Evidence(self._folders, measurements, stage.receiver.refused, heavy_job, stage.pids)
        proofs = await asyncio.to_thread(prove, evidence)
        self._report.proofs(proofs)
        return 0 if all(proof.holds for proof in proofs) else 1

    async def _warm_up(self, stage: Stage) -> None:
        """Do every operation a few times in both ways, uncounted: afterwards the worker is known to work."""
        await asyncio.gather(
            *(
                Load(stage.client, operation, way).run(self._keys(operation, f"{way}-warm-up", CLIENTS))
                for operation, way in product(OPERATIONS, WAYS)
            )
        )

    async def _compare(self, stage: Stage) -> dict[tuple[Operation, Way], Measurement]:
        measurements: dict[tuple[Operation, Way], Measurement] = {}
        with self._report.comparison(self._requests) as comparison:
            for operation, way in product(OPERATIONS, WAYS):
                comparison.begin(operation, way)
                load = Load(stage.client, operation, way)
                measurement = await load.run(self._keys(operation, way, self._requests), comparison.advance)
                comparison.measured(operation, way, measurement)
                measurements[operation, way] = measurement
        return measurements

    def _keys(self, operation: Operation, purpose: str, count: int) -> list[str]:
        return [f"{self._id}-{operation.slug}-{purpose}-{number:02d}" for number in range(1, count + 1)]


def _cancel_on_signal() -> None:
    """Let the first signal cancel the demo; the later ones do not disturb its clean-up."""
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        for each in _SIGNALS:
            loop.add_signal_handler(each, lambda: None)
        task.cancel()

    for each in _SIGNALS:
        loop.add_signal_handler(each, cancel)


@contextmanager
def _alone_in(directory: Path) -> Generator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherDemoError(f"Another demo is running in {directory}.") from None
        yield


async def _while_all_live(processes: Processes, work: Coroutine[object, object, T]) -> T:
    """Do `work`; when a process dies meanwhile, stop working and say so.

    Raises:
        ProcessError: A process died.
    """
    watching, working = asyncio.create_task(processes.watch()), asyncio.create_task(work)
    try:
        await asyncio.wait({watching, working}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await working
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)
