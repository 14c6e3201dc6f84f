"""Make scenarios up: a random walk over the calls that a queue allows, steered by what BullMQ answers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final

from tests.compat.recording import QUEUE, Recording
from tests.golden.keyspace import Json, is_array
from tests.golden.spelling import UNDEFINED

ERROR: Final = {"$error": {"message": "boom", "stack": "Error: boom\n    at golden:1:1"}}
FATAL: Final = {
    "$error": {
        "name": "UnrecoverableError",
        "message": "fatal",
        "stack": "UnrecoverableError: fatal\n    at golden:2:2",
    }
}


class Walk:
    """Do random calls on a recording, each one sensible in itself, not all of them allowed where they come."""

    def __init__(self, recording: Recording, seed: int) -> None:
        self.recording = recording
        self.random = random.Random(seed)
        self.added: list[str] = []
        self.held: dict[str, str] = {}
        self.tokens = 0
        self.fetched = False

    async def run(self, steps: int) -> None:
        """Do a number of calls."""
        for _ in range(steps):
            weights = [weight for weight, _ in _CALLS]
            [(_, call)] = self.random.choices(_CALLS, weights)
            await call(self)

    # ---- adding ----------------------------------------------------------------------------------------------------

    def _options(self) -> dict[str, Json]:
        chosen: dict[str, Json] = {}
        for chance, name, values in _OPTIONS:
            if self.random.random() < chance:
                chosen[name] = self.random.choice(values)
        return chosen

    async def add(self) -> None:
        alias = f"j{len(self.added) + 1}"
        reply = await self.recording.do("queue.add", "w", {"n": len(self.added)}, self._options(), alias=alias)
        if reply is not None:
            self.added.append(alias)

    async def add_bulk(self) -> None:
        jobs = [{"name": "b", "data": {"b": n}, "opts": self._options()} for n in range(self.random.randint(1, 4))]
        await self.recording.do("queue.addBulk", jobs)

    # ---- working ---------------------------------------------------------------------------------------------------

    async def fetch(self) -> None:
        self.tokens += 1
        alias, token = f"a{self.tokens}", f"t{self.tokens}"
        reply = await self.recording.do("worker.getNextJob", token, {"block": False}, alias=alias)
        if reply not in (None, UNDEFINED):
            self.held[alias] = token

    def _running(self, wrong_tokens: float = 0.0) -> tuple[str, str] | None:
        if not self.held:
            return None
        alias = self.random.choice(sorted(self.held))
        wrong = self.random.random() < wrong_tokens
        return alias, "stranger" if wrong else self.held.pop(alias)

    async def _finish(self, op: str, value: Json, *, fetch_next: bool) -> None:
        # A job object of BullMQ remembers the stack of a failure that was refused; ours does not.
        running = self._running(wrong_tokens=0.1 if op == "job.moveToCompleted" else 0.0)
        if running is None:
            return
        alias, token = running
        reply = await self.recording.do(op, value, token, fetch_next, on=alias)
        if is_array(reply) and len(reply) > 1 and reply[1]:
            self.tokens += 1
            following = f"a{self.tokens}"
            await self.recording.do("worker.jobFromLast", token, alias=following)
            self.held[following] = token

    async def complete(self) -> None:
        value = self.random.choice([1, None, {"ok": True}, "text", [1, 2]])
        await self._finish("job.moveToCompleted", value, fetch_next=self.random.random() < 0.4)

    async def fail(self) -> None:
        # With a failure that is retried at once, BullMQ never fetches the next job; we do when asked.
        error, fetch_next = self.random.choice([(ERROR, False), (ERROR, False), (FATAL, False), (FATAL, True)])
        await self._finish("job.moveToFailed", error, fetch_next=fetch_next)

    async def postpone(self) -> None:
        if running := self._running():
            alias, token = running
            await self.recording.do("job.moveToDelayedIn", self.random.choice([0, 5, 1000]), token, on=alias)

    async def give_back(self) -> None:
        if running := self._running():
            alias, token = running
            await self.recording.do("job.moveToWait", token, on=alias)

    async def renew(self) -> None:
        if self.held:
            alias = self.random.choice(sorted(self.held))
            await self.recording.do("job.extendLock", self.held[alias], 90_000, on=alias)

    async def lose_lock_and_check(self) -> None:
        """Have the locks of some jobs run out, and both stalled checks done."""
        for _ in range(2):
            for alias in sorted(self.held):
                if self.random.random() < 0.5:
                    job_id = await self._id_of(alias)
                    await self.recording.do("raw", "DEL", f"bull:{QUEUE}:{job_id}:lock")
            await self.recording.do("raw", "DEL", f"bull:{QUEUE}:stalled-check")
            await self.recording.do("worker.moveStalledJobsToWait")
        await self.recording.do("worker.fetchAndFailDeferred", "deferred")

    async def _id_of(self, alias: str) -> str:
        made = next(step for step in self.recording.steps if step.get("as") == alias)
        return str(made["returns"]["$job"])

    # ---- steering --------------------------------------------------------------------------------------------------

    async def advance(self) -> None:
        await self.recording.do("clock.advance", self.random.choice([1, 5, 1000, 60_000]))

    async def pause(self) -> None:
        await self.recording.do("queue.pause")

    async def resume(self) -> None:
        await self.recording.do("queue.resume")

    async def on_some_job(self) -> None:
        everybody = [*self.added, *sorted(self.held)]
        if everybody:
            op, *args = self.random.choice(_ON_JOBS)
            await self.recording.do(op, *args, on=self.random.choice(everybody))

    async def remove_by_id(self) -> None:
        await self.recording.do("queue.remove", str(self.random.randint(1, 20)))

    async def drop_marker(self) -> None:
        """Look at the marker and remove it, so that the next look shows who wrote it again."""
        await self.recording.do("raw", "ZRANGE", f"bull:{QUEUE}:marker", 0, -1)
        await self.recording.do("raw", "DEL", f"bull:{QUEUE}:marker")

    async def limit_concurrency(self) -> None:
        if self.random.random() < 0.5:
            await self.recording.do("queue.setGlobalConcurrency", self.random.randint(1, 3))
        else:
            await self.recording.do("queue.removeGlobalConcurrency")


_CALLS: Final[list[tuple[float, Callable[[Walk], Awaitable[None]]]]] = [
    (10, Walk.add),
    (2, Walk.add_bulk),
    (10, Walk.fetch),
    (6, Walk.complete),
    (6, Walk.fail),
    (2, Walk.postpone),
    (2, Walk.give_back),
    (1, Walk.renew),
    (1, Walk.lose_lock_and_check),
    (6, Walk.advance),
    (1, Walk.pause),
    (3, Walk.resume),
    (5, Walk.on_some_job),
    (2, Walk.remove_by_id),
    (3, Walk.drop_marker),
    (1, Walk.limit_concurrency),
]

_OPTIONS: Final[list[tuple[float, str, list[Json]]]] = [
    (0.3, "delay", [0, 1, 5, 1000]),
    (0.3, "priority", [0, 1, 2, 2_097_151]),
    (0.2, "lifo", [True, False]),
    (0.5, "attempts", [1, 2, 3]),
    (0.4, "backoff", [5, {"type": "fixed", "delay": 1000}, {"type": "exponential", "delay": 100}]),
    (0.3, "removeOnComplete", [True, False, 0, 1, 2, {"count": 1}, {"age": 1}, {"age": 1, "count": 2}]),
    (0.3, "removeOnFail", [True, False, 0, 1, 2, {"count": 1}, {"age": 1}, {"age": 60, "count": 2}]),
    (0.2, "stackTraceLimit", [0, 1]),
    (0.2, "keepLogs", [1, 2]),
    (0.1, "timestamp", [1_699_999_999_000, 1_700_000_500_000]),
    (0.2, "jobId", ["one", "two", "a:b:c"]),
]

_ON_JOBS: Final[list[list[Json]]] = [
    ["job.promote"],
    ["job.retry", "failed"],
    ["job.retry", "completed"],
    ["job.retry", "failed", {"resetAttemptsMade": True}],
    ["job.retry", "completed", {"resetAttemptsStarted": True}],
    ["job.remove"],
    ["job.log", "a row"],
    ["job.clearLogs"],
    ["job.clearLogs", 1],
    ["job.updateData", {"new": True}],
    ["job.updateProgress", 50],
    ["job.updateProgress", {"deep": [1]}],
]
