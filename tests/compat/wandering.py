"""Make scenarios up: a random walk over the calls that a queue allows, steered by what BullMQ answers."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from tests.compat.recording import QUEUE, Recording
from tests.golden.keyspace import Json, is_array
from tests.golden.replay import raw
from tests.golden.spelling import UNDEFINED

ERROR: Final = {"$error": {"message": "boom", "stack": "Error: boom\n    at golden:1:1"}}
FATAL: Final = {
    "$error": {
        "name": "UnrecoverableError",
        "message": "fatal",
        "stack": "UnrecoverableError: fatal\n    at golden:2:2",
    }
}

#: With these a finish is refused though the job is held: children are pending, children have failed.
HELD_STILL: Final = (-4, -9)

#: How a worker is asked for a job that is there, or none.
NOW: Final = {"block": False}

Choices = Sequence[tuple[float, str, Sequence[Json]]]
"""Options: how often each is given, and its values."""


async def look_at_marker(to: Recording, queue: str = QUEUE) -> None:
    """Compare the marker and remove it, to see who writes it again."""
    await to.do("raw", "ZRANGE", f"bull:{queue}:marker", 0, -1, "WITHSCORES")
    await to.do("raw", "DEL", f"bull:{queue}:marker")


class Held(Struct, frozen=True):
    """Hold by which token a job was taken, and from which queue."""

    token: str
    queue: str


class Walk:
    """Do random calls on a recording, each one sensible in itself, not all of them allowed where they come."""

    def __init__(self, recording: Recording, seed: int) -> None:
        self.recording = recording
        self.random = random.Random(seed)
        self.added: list[str] = []
        self.held: dict[str, Held] = {}
        self.numbers = 0

    async def run(self, steps: int) -> None:
        """Do a number of calls."""
        calls = self.calls()
        weights = [weight for weight, _ in calls]
        for _ in range(steps):
            [(_, call)] = self.random.choices(calls, weights)
            await call()

    def calls(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        """Return the calls to choose from, with their weights."""
        return [
            (10, self.add),
            (2, self.add_bulk),
            (10, self.fetch),
            (6, self.complete),
            (6, self.fail),
            (2, self.postpone),
            (2, self.give_back),
            (1, self.renew),
            (1, self.lose_lock_and_check),
            (6, self.advance),
            (1, self.pause),
            (3, self.resume),
            (5, self.on_some_job),
            (2, self.remove_by_id),
            (3, self.drop_marker),
            (1, self.limit_concurrency),
        ]

    # ---- choosing --------------------------------------------------------------------------------------------------

    def queue(self) -> str:
        """Choose a queue."""
        return self.random.choice(self.recording.queues)

    def next_number(self) -> int:
        """Return a number that was not used before."""
        self.numbers += 1
        return self.numbers

    def options(self, choices: Choices) -> dict[str, Json]:
        """Choose options."""
        return {name: self.random.choice(values) for chance, name, values in choices if self.random.random() < chance}

    def job_options(self) -> dict[str, Json]:
        """Choose the options of a job that stands alone."""
        return self.options(JOB_OPTIONS)

    def on_jobs(self) -> Sequence[list[Json]]:
        """Return the calls on a job, whatever state it is in."""
        return ON_JOBS

    # ---- adding ----------------------------------------------------------------------------------------------------

    async def add(self) -> None:
        number = self.next_number()
        alias = f"j{number}"
        options = self.job_options()
        reply = await self.recording.do(
            "queue.add", "w", {"n": number}, options, on=f"queue:{self.queue()}", alias=alias
        )
        if reply is not None:
            self.added.append(alias)

    async def add_bulk(self) -> None:
        jobs = [{"name": "b", "data": {"b": n}, "opts": self.job_options()} for n in range(self.random.randint(1, 4))]
        await self.recording.do("queue.addBulk", jobs, on=f"queue:{self.queue()}")

    # ---- working ---------------------------------------------------------------------------------------------------

    async def fetch(self) -> None:
        number, queue = self.next_number(), self.queue()
        alias, token = f"a{number}", f"t{number}"
        reply = await self.recording.do("worker.getNextJob", token, NOW, on=f"worker:{queue}", alias=alias)
        if reply not in (None, UNDEFINED):
            self.held[alias] = Held(token, queue)

    def running(self) -> tuple[str, Held] | None:
        """Choose a job that is held, and let it go."""
        if not self.held:
            return None
        alias = self.random.choice(sorted(self.held))
        return alias, self.held.pop(alias)

    async def finish(self, op: str, value: Json, *, fetch_next: bool, wrong_tokens: float = 0.0) -> None:
        """Finish a job that is held; it may still be held when that is refused."""
        running = self.running()
        if running is None:
            return
        alias, held = running
        if op == "job.moveToCompleted" and await self._is_to_fail(alias, held):
            self.held[alias] = held
            return
        token = "stranger" if self.random.random() < wrong_tokens else held.token
        reply = await self.recording.do(op, value, token, fetch_next, on=alias)
        if token != held.token or self.last_code() in HELD_STILL:
            self.held[alias] = held
        if is_array(reply) and len(reply) > 1 and reply[1]:
            following = f"a{self.next_number()}"
            await self.recording.do("worker.jobFromLast", token, on=f"worker:{held.queue}", alias=following)
            self.held[following] = held

    async def _is_to_fail(self, alias: str, held: Held) -> bool:
        # BullMQ leaves the note that a job is to be failed on one that somebody completes all the same; we do not.
        job_key = f"bull:{held.queue}:{self.id_of(alias)}"
        noted = await self.peek("HEXISTS", job_key, "defa")
        return bool(noted) and not await self.peek("EXISTS", f"{job_key}:unsuccessful")

    async def complete(self) -> None:
        value = self.random.choice([1, None, {"ok": True}, "text", [1, 2]])
        await self.finish("job.moveToCompleted", value, fetch_next=self.random.random() < 0.4, wrong_tokens=0.1)

    async def fail(self) -> None:
        # With a failure that is retried at once, BullMQ never fetches the next job; we do when asked. And a job object
        # of BullMQ remembers the stack of a failure that was refused; ours does not.
        error, fetch_next = self.random.choice([(ERROR, False), (ERROR, False), (FATAL, False), (FATAL, True)])
        await self.finish("job.moveToFailed", error, fetch_next=fetch_next)

    async def postpone(self) -> None:
        if running := self.running():
            alias, held = running
            await self.recording.do("job.moveToDelayedIn", self.random.choice([0, 5, 1000]), held.token, on=alias)

    async def give_back(self) -> None:
        if running := self.running():
            alias, held = running
            await self.recording.do("job.moveToWait", held.token, on=alias)

    async def renew(self) -> None:
        if self.held:
            alias = self.random.choice(sorted(self.held))
            await self.recording.do("job.extendLock", self.held[alias].token, 90_000, on=alias)

    async def lose_lock_and_check(self) -> None:
        """Have the locks of some jobs run out, and both stalled checks done."""
        for _ in range(2):
            for alias, held in sorted(self.held.items()):
                if self.random.random() < 0.5:
                    await self.recording.do("raw", "DEL", f"bull:{held.queue}:{self.id_of(alias)}:lock")
            for queue in self.recording.queues:
                await self.recording.do("raw", "DEL", f"bull:{queue}:stalled-check")
                await self.recording.do("worker.moveStalledJobsToWait", on=f"worker:{queue}")
        await self.fail_deferred()

    async def fail_deferred(self) -> None:
        await self.recording.do("worker.fetchAndFailDeferred", "deferred", on=f"worker:{self.queue()}")

    def last_code(self) -> int | None:
        """Return the code with which the last call was refused, None when it was not or had none."""
        code: int | None = self.recording.steps[-1].get("error", {}).get("code")
        return code

    def id_of(self, alias: str) -> str:
        """Return the id of the job that got this alias."""
        made = next(step for step in self.recording.steps if step.get("as") == alias)
        return str(made["returns"]["$job"])

    # ---- steering --------------------------------------------------------------------------------------------------

    async def advance(self) -> None:
        await self.recording.do("clock.advance", self.random.choice([1, 5, 1000, 60_000]))

    async def pause(self) -> None:
        await self.recording.do("queue.pause", on=f"queue:{self.queue()}")

    async def resume(self) -> None:
        await self.recording.do("queue.resume", on=f"queue:{self.queue()}")

    async def on_some_job(self) -> None:
        everybody = [*self.added, *sorted(self.held)]
        if everybody:
            op, *args = self.random.choice(self.on_jobs())
            await self.recording.do(op, *args, on=self.random.choice(everybody))

    async def remove_by_id(self) -> None:
        await self.recording.do("queue.remove", str(self.random.randint(1, 20)), on=f"queue:{self.queue()}")

    async def drop_marker(self) -> None:
        await look_at_marker(self.recording, self.queue())

    async def limit_concurrency(self) -> None:
        on = f"queue:{self.queue()}"
        if self.random.random() < 0.5:
            await self.recording.do("queue.setGlobalConcurrency", self.random.randint(1, 3), on=on)
        else:
            await self.recording.do("queue.removeGlobalConcurrency", on=on)

    async def peek(self, *command: Json) -> Json:
        """Look at something in Redis to decide what to do next, without that becoming part of the scenario."""
        return await raw(self.recording.redis, list(command))


JOB_OPTIONS: Final[Choices] = [
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

ON_JOBS: Final[Sequence[list[Json]]] = [
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
