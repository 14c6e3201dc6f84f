"""Run a golden scenario with oxmq's public API on a real server, and say where its outcome differs from BullMQ's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from msgspec import Struct

from oxmq import (
    ConfigurationError,
    FlowProducer,
    Job,
    JobError,
    JobOptions,
    ManualClock,
    OxmqError,
    Queue,
    Unrecoverable,
    Worker,
)
from tests.golden.fixture import Fixture, Step
from tests.golden.keyspace import Commands, Json, Keyspace, differences, dump, number_uuids, rename_placeholders
from tests.golden.operations import OPERATIONS, Operation
from tests.golden.replies import described, next_job_of
from tests.golden.spelling import (
    UNDEFINED,
    job_options,
    seconds,
    unknown_job_options,
    unknown_worker_options,
    worker_options,
)

#: Replies marked as approximate are remaining times, in milliseconds.
APPROXIMATE_MS: Final = 2000


# ---- what is covered ---------------------------------------------------------------------------------------------


def lacking(fixture: Fixture) -> list[str]:
    """Return what a scenario uses that this release does not have; empty when the scenario is covered."""
    missing = {name for step in fixture.steps for name in _lacking_step(step)}
    missing.update(f"worker option {name}" for name in unknown_worker_options(fixture.worker_options))
    defaults = fixture.queue_options.get("defaultJobOptions", {})
    missing.update(f"job option {name}" for name in unknown_job_options(defaults))
    return sorted(missing)


def _lacking_step(step: Step) -> list[str]:
    op = step["op"]
    if op in _SPECIAL:
        return []
    operation = OPERATIONS.get(op)
    if operation is None or not (operation.exists or operation.reads):
        return [f"operation {op}"]
    # An option that is unknown here is refused, which is what a step with an error asks for.
    unknown = [] if "error" in step else [name for given in _options_in(step) for name in unknown_job_options(given)]
    return [f"job option {name}" for name in unknown]


def _options_in(step: Step) -> list[dict[str, Json]]:
    """Return all job options that a step gives."""
    read = _OPTIONS_OF.get(step["op"])
    return [options for options in read(step.get("args", [])) if options] if read else []


def _options_of_nodes(nodes: list[Json]) -> list[Json]:
    below = [_options_of_nodes(node.get("children", [])) for node in nodes]
    return [node.get("opts") for node in nodes] + [options for found in below for options in found]


_OPTIONS_OF: Final[dict[str, Callable[[list[Json]], list[Json]]]] = {
    "queue.add": lambda args: args[2:3],
    "queue.addBulk": lambda args: [job.get("opts") for job in args[0]],
    "queue.upsertJobScheduler": lambda args: [template.get("opts") for template in args[2:3]],
    "flow.add": lambda args: _options_of_nodes(args[:1]),
    "flow.addBulk": lambda args: _options_of_nodes(args[0]),
}


# ---- the replay --------------------------------------------------------------------------------------------------


class StepOutcome(Struct, frozen=True):
    """Hold what one step returned or raised."""

    reply: Any = None
    error: OxmqError | None = None


class Replay:
    """Hold the objects of one run of a scenario: queues, workers, and the jobs by their aliases."""

    def __init__(self, fixture: Fixture, url: str, redis: Commands) -> None:
        self.fixture = fixture
        self.redis = redis
        self.clock = ManualClock(fixture.start_ms)
        self.snapshots: dict[str, Keyspace] = {}
        self.aliases: dict[str, Any] = {}
        self.last_finish: Json = UNDEFINED
        defaults = JobOptions(**job_options(fixture.queue_options.get("defaultJobOptions", {})))
        self.queues = {
            name: Queue(name, connection=url, default_job_options=defaults, ids="counter", clock=self.clock)
            for name in fixture.queues
        }
        self.producer = FlowProducer(url, clock=self.clock)
        options = worker_options(fixture.worker_options)
        self.workers = {
            name: Worker(name, _do_nothing, connection=url, clock=self.clock, **options) for name in fixture.queues
        }

    async def run(self) -> list[StepOutcome]:
        """Do all steps and return their outcomes in order."""
        return [await self._attempt(step) for step in self.fixture.steps]

    async def close(self) -> None:
        """Close all queues and workers, and the producer of flows."""
        await self.producer.close()
        for worker in self.workers.values():
            await worker.close()
        for queue in self.queues.values():
            await queue.close()

    async def _attempt(self, step: Step) -> StepOutcome:
        try:
            reply = await self._do(step)
        except OxmqError as error:
            return StepOutcome(error=error)
        if "as" in step:
            self.aliases[step["as"]] = reply
        return StepOutcome(reply)

    async def _do(self, step: Step) -> Any:
        special = _SPECIAL.get(step["op"])
        if special is not None:
            return await special(self, step)
        operation = OPERATIONS.get(step["op"])
        if operation is None or not operation.exists:
            return None
        return await self._call(operation, step)

    async def _call(self, operation: Operation, step: Step) -> Any:
        args, named = operation.spell(step.get("args", []), self.clock.now_ms())
        method = getattr(self._target(step), operation.method)
        try:
            reply = await method(*args, **named)
        except operation.refusals as refusal:
            return refusal
        if operation.theirs is next_job_of:
            self.last_finish = reply
        return reply

    def _target(self, step: Step) -> Queue | Worker | FlowProducer | Job[Any]:
        """Return the object that a step speaks to: an alias, a queue or worker by name, or those of the first queue."""
        alias: str | None = step.get("on")
        kind, _, name = (alias or step["op"].replace(".", ":", 1)).partition(":")
        if alias is not None and ":" not in alias:
            return self._known_job(alias)
        if kind == "flow":
            return self.producer
        known: Mapping[str, Queue | Worker] = self.workers if kind == "worker" else self.queues
        return known[name if alias else self.fixture.queues[0]]

    def _known_job(self, alias: str) -> Job[Any]:
        found: Job[Any] | None = self.aliases.get(alias)
        if found is None:
            raise OxmqError(f"there is no {alias}: the step that should have found it found nothing")
        return found

    # ---- operations that are no method of the API ----------------------------------------------------------------

    async def advance(self, step: Step) -> None:
        self.clock.advance(seconds(step["args"][0]))

    async def snapshot(self, step: Step) -> None:
        self.snapshots[step["args"][0]] = await dump(self.redis)

    async def raw_command(self, step: Step) -> Any:
        return await raw(self.redis, step["args"])

    async def job_from_last(self, _step: Step) -> Any:
        return self.last_finish

    async def fetch_and_fail_deferred(self, step: Step) -> Any:
        worker = cast("Worker", self._target(step))
        job = await worker.get_next_job(step["args"][0], block=False)
        if job is None:
            return None
        if job.deferred_failure is None:
            return {"id": job.id}
        reason = job.deferred_failure
        await job.move_to_failed(Unrecoverable(reason), step["args"][0], stack=f"UnrecoverableError: {reason}")
        return {"id": job.id, "deferredFailure": reason}

    async def wait_for_children(self, step: Step) -> bool:
        token, *options = step["args"]
        job = cast("Job[Any]", self._target(step))
        child = options[0].get("child") if options else None
        if child is None:
            return await job.move_to_waiting_children(token)
        found = await self.queues[child["queue"].rpartition(":")[2]].get_job(child["id"])
        return await job.move_to_waiting_children(token, child=found)


_SPECIAL: Final[dict[str, Callable[[Replay, Step], Awaitable[Any]]]] = {
    "clock.advance": Replay.advance,
    "snapshot": Replay.snapshot,
    "raw": Replay.raw_command,
    "worker.jobFromLast": Replay.job_from_last,
    "worker.fetchAndFailDeferred": Replay.fetch_and_fail_deferred,
    "job.moveToWaitingChildren": Replay.wait_for_children,
}


async def raw(redis: Commands, command: list[Json]) -> Json:
    """Send one command and return its reply in the form of the fixtures."""
    reply = await redis.execute_command(*command)
    return "OK" if reply is True else described(reply)


async def _do_nothing(_job: Job[Any]) -> None:
    """Stand in for a handler: the scenarios process their jobs by hand."""


# ---- the verdict -------------------------------------------------------------------------------------------------


async def deviations(fixture: Fixture, expected: Fixture, url: str, redis: Commands) -> list[str]:
    """Run the steps of `fixture` and return where outcomes and keyspaces differ from those of `expected`."""
    await redis.execute_command("FLUSHALL")
    replay = Replay(fixture, url, redis)
    try:
        outcomes = await replay.run()
        keys = await dump(redis)
    finally:
        await replay.close()
    lines = [line for step, outcome in zip(expected.steps, outcomes, strict=True) for line in _judge(step, outcome)]
    for name, snapshot in expected.snapshots.items():
        lines += [f"snapshot {name}: {line}" for line in differences(snapshot, replay.snapshots[name])]
    return lines + differences(expected.keys, keys)


def _judge(step: Step, outcome: StepOutcome) -> list[str]:
    called = f"{step['op']} {step.get('on', '')} {step.get('args', [])}"
    if "error" in step:
        return [f"{called}: {line}" for line in _judge_error(step, outcome)]
    if outcome.error is not None:
        return [f"{called}: raised {outcome.error!r}"]
    return [f"{called}: {line}" for line in _judge_reply(step, outcome.reply)]


def _judge_error(step: Step, outcome: StepOutcome) -> list[str]:
    expected = step["error"]
    if outcome.error is None:
        return [f"expected the error {expected['message']!r}, returned {outcome.reply!r}"]
    if isinstance(outcome.error, ConfigurationError) and _is_refused_here(step):
        return []
    if "code" not in expected:
        return []
    code = outcome.error.code if isinstance(outcome.error, JobError) else None
    return [] if code == expected["code"] else [f"expected code {expected['code']}, raised {outcome.error!r}"]


def _is_refused_here(step: Step) -> bool:
    """Tell whether a step uses an option that is unknown here, so that no script can have come to its own code."""
    return any(unknown_job_options(given) for given in _options_in(step))


def _judge_reply(step: Step, reply: Any) -> list[str]:
    operation = OPERATIONS.get(step["op"])
    if "returns" not in step or (operation is not None and not operation.exists):
        return []
    ours = operation.ours(reply) if operation else described(reply)
    theirs = operation.theirs(step["returns"]) if operation else step["returns"]
    ours, theirs = rename_placeholders(number_uuids(ours)), rename_placeholders(theirs)
    if ours == theirs or (step.get("approx") and abs(ours - theirs) <= APPROXIMATE_MS):
        return []
    return [f"expected {theirs!r}, returned {ours!r}"]
