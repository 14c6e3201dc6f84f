"""Walk over what changes a queue as a whole: emptying, cleaning, retrying and promoting in bulk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.compat.wandering import ON_JOBS, Choices, Walk
from tests.golden.keyspace import Json


class AdministrationWalk(Walk):
    """Empty and refill a queue over and over."""

    def calls(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        return [
            *super().calls(),
            (10, self.add),
            (2, self.add_bulk),
            (1, self.drain),
            (4, self.clean),
            (0.5, self.obliterate),
            (2, self.retry_jobs),
            (1, self.promote_jobs),
            (1, self.limit_rate),
            (3, self.look),
        ]

    def on_jobs(self) -> Sequence[list[Json]]:
        return [*ON_JOBS, *CHANGES]

    async def drain(self) -> None:
        await self.recording.do("queue.drain", self.random.random() < 0.5, on=f"queue:{self.queue()}")

    async def clean(self) -> None:
        state = self.random.choice(["completed", "failed", "wait", "delayed", "prioritized", "active"])
        # With a limit BullMQ looks at no more jobs than that, most of which may be too young; we go on looking.
        limits = [0, 1, 2, 100] if state in ("completed", "failed") else [0, 100]
        grace, limit = self.random.choice([0, 0, 5, 1000]), self.random.choice(limits)
        await self.recording.do("queue.clean", grace, limit, state, on=f"queue:{self.queue()}")

    async def obliterate(self) -> None:
        options = self.options([(0.6, "force", [True]), (0.5, "count", [1, 2, 3])])
        queue = self.queue()
        reply = await self.recording.do("queue.obliterate", options, on=f"queue:{queue}")
        if reply is not None:
            self.held = {alias: held for alias, held in self.held.items() if held.queue != queue}
        await self.recording.do("queue.resume", on=f"queue:{queue}")
        await self.recording.do("queue.removeRateLimitKey", on=f"queue:{queue}")

    async def retry_jobs(self) -> None:
        await self.recording.do("queue.retryJobs", self.options(RETRIED), on=f"queue:{self.queue()}")

    async def promote_jobs(self) -> None:
        await self.recording.do("queue.promoteJobs", self.options([(0.5, "count", [1, 2])]), on=f"queue:{self.queue()}")

    async def limit_rate(self) -> None:
        """Limit the rate, or not any more.

        BullMQ holds a queue by hand only where workers know of some limit, and by then its workers look no more.
        """
        on = f"queue:{self.queue()}"
        if await self.peek("HEXISTS", f"bull:{self.queue()}:meta", "max"):
            await self.recording.do("queue.rateLimit", 60_000, on=on)
            await self.recording.do("queue.getRateLimitTtl", on=on)
            await self.recording.do("queue.removeGlobalRateLimit", on=on)
        else:
            await self.recording.do("queue.setGlobalRateLimit", 3, 60_000, on=on)
        await self.recording.do("queue.removeRateLimitKey", on=on)

    async def fetch(self) -> None:
        if not await self._is_limited():
            await super().fetch()

    async def fail_deferred(self) -> None:
        if not await self._is_limited():
            await super().fail_deferred()

    async def _is_limited(self) -> bool:
        """Tell whether a worker would be told of a limit: BullMQ's then remembers it, on a clock that stands still."""
        base = f"bull:{self.queue()}"
        most, started = await self.peek("HGET", f"{base}:meta", "max"), await self.peek("GET", f"{base}:limiter")
        return isinstance(most, str) and isinstance(started, str) and int(started) >= int(most)

    async def look(self) -> None:
        op, *args = self.random.choice(READS)
        await self.recording.do(op, *args, on=f"queue:{self.queue()}")


RETRIED: Final[Choices] = [
    (0.6, "state", ["failed", "completed"]),
    (0.4, "count", [1, 2]),
    (0.3, "timestamp", [1_700_000_000_000, 1_700_000_060_000]),
]

CHANGES: Final[Sequence[list[Json]]] = [
    ["job.changeDelay", 0],
    ["job.changeDelay", 700],
    ["job.changePriority", {"priority": 0}],
    ["job.changePriority", {"priority": 3}],
    ["job.changePriority", {"priority": 2, "lifo": True}],
    ["job.changePriority", {"lifo": True}],
]

READS: Final[Sequence[list[Json]]] = [
    ["queue.count"],
    ["queue.isMaxed"],
    ["queue.isPaused"],
    ["queue.getJobCounts"],
    ["queue.getCountsPerPriority", [0, 1, 2, 3]],
    ["queue.getJobs", ["waiting", "failed", "delayed"], 0, 2, True],
    ["queue.getJobs", ["completed", "prioritized"], 1, -1, False],
    ["queue.getGlobalConcurrency"],
    ["queue.getMetrics", "completed"],
    ["queue.getMetrics", "failed", 0, 1],
]
