"""Walk over jobs that share deduplication ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.compat.wandering import JOB_OPTIONS, ON_JOBS, Choices, Walk
from tests.golden.keyspace import Json


class DeduplicationWalk(Walk):
    """Add jobs of few deduplication ids, in every mode."""

    def calls(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        return [
            *super().calls(),
            (20, self.add),
            (4, self.add_bulk),
            (1, self.remove_key),
            (1, self.end_key),
            (2, self.look),
            (0.5, self.drain),
        ]

    def job_options(self) -> dict[str, Json]:
        options = self.options(DELAYS if self.random.random() < 0.5 else JOB_OPTIONS)
        if self.random.random() < 0.85:
            options["deduplication"] = {"id": self.random.choice(IDS)} | self.options(MODES)
        return options

    async def add_bulk(self) -> None:
        # Of what is added together one job may take the place of another that is due first: BullMQ leaves the time at
        # which a worker wakes up as it was, we say when the next one is really due.
        jobs: list[Json] = [
            {"name": "b", "data": {"b": number}, "opts": self.job_options()}
            for number in range(self.random.randint(1, 4))
        ]
        for job in jobs:
            job["opts"].get("deduplication", {}).pop("replace", None)
        await self.recording.do("queue.addBulk", jobs, on=f"queue:{self.queue()}")

    def on_jobs(self) -> Sequence[list[Json]]:
        return [*ON_JOBS, ["job.removeDeduplicationKey"], ["job.changeDelay", 500]]

    async def remove_key(self) -> None:
        await self.recording.do("queue.removeDeduplicationKey", self.random.choice(IDS), on=f"queue:{self.queue()}")

    async def end_key(self) -> None:
        """Have a key expire; the server's own clock stands still for nobody."""
        await self.recording.do("raw", "DEL", f"bull:{self.queue()}:de:{self.random.choice(IDS)}")

    async def look(self) -> None:
        await self.recording.do("queue.getDeduplicationJobId", self.random.choice(IDS), on=f"queue:{self.queue()}")

    async def drain(self) -> None:
        await self.recording.do("queue.drain", True, on=f"queue:{self.queue()}")


IDS: Final = ["d1", "d2"]

MODES: Final[Choices] = [
    (0.4, "ttl", [600_000, 900_000]),
    (0.3, "extend", [True]),
    (0.3, "replace", [True]),
    (0.3, "reschedule", [True]),
    (0.3, "keepLastIfActive", [True]),
]

DELAYS: Final[Choices] = [(0.8, "delay", [1000, 5000]), (0.2, "priority", [1, 2])]
