"""Be a producer that writes down what it does: ``producer_process <url> <queue> <history> <plan>``.

It adds jobs until it is told to stop, and then ends the adds that are under way.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from oxmq import OutcomeUnknownError, Queue, UnavailableError
from tests.support.history import Writer


class Plan(msgspec.Struct, frozen=True):
    """Say what to add, and how fast.

    Attributes:
        ids: ``"own"``: each job brings its id, and of the adds whose outcome is unknown every other one is repeated;
            ``"uuid"`` or ``"counter"``: none is.
        gap: seconds between the adds of each line.
        lines: how many adds are under way at once.
        seconds: how long a job takes.
        bulk: how many jobs one add brings.
    """

    ids: str = "own"
    gap: float = 0.02
    lines: int = 3
    seconds: float = 0.02
    bulk: int = 1


class Producer:
    """Add jobs of many kinds: plain ones, and some that fail at first, are delayed, or have a priority."""

    def __init__(self, queue: Queue, history: Writer, plan: Plan) -> None:
        self._queue = queue
        self._history = history
        self._plan = plan
        self._made = 0
        self.stopping = asyncio.Event()

    async def add_until_told(self) -> None:
        """Add one after the other."""
        while not self.stopping.is_set():
            await self._add([self._next_job() for _ in range(self._plan.bulk)])
            await asyncio.sleep(self._plan.gap)

    def _next_job(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        number, self._made = self._made, self._made + 1
        key = f"{os.getpid()}-{number}"
        data: dict[str, Any] = {"key": key, "seconds": self._plan.seconds}
        options: dict[str, Any] = {"attempts": 3, **({"job_id": key} if self._plan.ids == "own" else {})}
        if number % 7 == 3:
            data |= {"deed": "fail", "times": 1}
        if number % 11 == 5:
            options["delay"] = 0.2
        elif number % 13 == 6:
            options["priority"] = 2
        return "work", data, options

    async def _add(self, jobs: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
        keys = [data["key"] for _, data, _ in jobs]
        for key in keys:
            self._history.write("add", "invoke", key=key)
        try:
            await self._send(jobs)
        except UnavailableError as error:
            self._note(keys, "fail", error)
        except OutcomeUnknownError as error:
            self._note(keys, "info", error)
            if self._plan.ids == "own" and self._made % 2 and not self.stopping.is_set():
                await self._add(jobs)
        else:
            self._note(keys, "ok")

    async def _send(self, jobs: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> None:
        if self._plan.bulk > 1:
            await self._queue.add_bulk(jobs)
        for name, data, options in jobs if self._plan.bulk == 1 else ():
            await self._queue.add(name, data, **options)

    def _note(self, keys: list[str], how: Any, error: Exception | None = None) -> None:
        for key in keys:
            self._history.write("add", how, key=key, note=repr(error) if error else "")


async def main(url: str, queue_name: str, history_path: str, plan_text: str) -> None:
    """Add until told to stop."""
    history = Writer(Path(history_path))
    plan = msgspec.json.decode(plan_text, type=Plan)
    async with Queue(queue_name, connection=url, ids="counter" if plan.ids == "counter" else "uuid") as queue:
        producer = Producer(queue, history, plan)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, producer.stopping.set)
        history.write("ready")
        await asyncio.gather(*(producer.add_until_told() for _ in range(plan.lines)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
