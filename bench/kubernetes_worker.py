"""Be the worker that `bench.kubernetes` measures: `python -m bench.kubernetes_worker <module:app>`.

Works until SIGTERM, then prints as JSON what it has seen of itself: how late its event loop was, its processor time,
and what it asked Redis for.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from typing import Any, Final

import msgspec
from msgspec import Struct

from oxmq.cli.target import load_app
from oxmq.ops.call import Call
from oxmq.transport.runner import AsyncRunner

#: How often to look at how late the loop is, in seconds.
BEAT: Final = 0.005


class Report(Struct):
    """Hold what a worker has seen of itself: times in seconds, and how often it asked Redis for what."""

    lag_p99: float
    lag_max: float
    cpu: float
    calls: dict[str, int]


class Watcher:
    """Watch the process that it is made in."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.lags: list[float] = []

    def count_calls(self) -> None:
        """Count from now on what is asked of Redis, by the name of the command or script."""
        calls, run = self.calls, AsyncRunner.run

        async def counted(runner: AsyncRunner, call: Call[Any]) -> Any:
            calls[call.name] += 1
            return await run(runner, call)

        setattr(AsyncRunner, "run", counted)  # noqa: B010 - a plain assignment is refused by type checkers

    async def watch_loop(self) -> None:
        """Note again and again by how much the loop goes on later than it was asked to."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(BEAT)
            self.lags.append(time.perf_counter() - before - BEAT)

    def report(self) -> Report:
        """Return what was seen."""
        lags = sorted(self.lags)
        return Report(lags[int(0.99 * len(lags))], lags[-1], time.process_time(), self.calls)


async def main(target: str) -> None:
    """Work until told to stop."""
    watcher = Watcher()
    watcher.count_calls()
    watching = asyncio.create_task(watcher.watch_loop())
    await load_app(target, None).worker(concurrency=1, concurrency_kubernetes=1_000).run()
    watching.cancel()
    print(msgspec.json.encode(watcher.report()).decode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
