"""Add the jobs that the HTTP API is asked for: as the application's code would, where there is one."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from msgspec import UNSET, UnsetType, structs

from oxmq.app import Oxmq
from oxmq.client.queue import Queue
from oxmq.client.results import ResultReader
from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys
from oxmq.monitor.site import Site
from oxmq.ops import flows, jobs
from oxmq.ops.additions import follow, follow_flow
from oxmq.ops.drafts import JobDrafter
from oxmq.ops.flows import Drafted
from oxmq.ops.jobs import Ended, NewJob
from oxmq.ops.schedulers import NOT_FOR_TEMPLATES
from oxmq.options import JobOptions, Parent
from oxmq.schedules import Schedule
from oxmq.states import JobState
from oxmq.task import TaskCall
from oxmq.web.idempotency import Idempotency
from oxmq.web.problems import invalid
from oxmq.web.streams import is_server_stopping

#: For how long to wait before looking whether the server is to stop, in seconds.
_TURN = 1.0
#: What an error of a task's signature says of the field that it is about.
_ASTRAY = re.compile(r"(?:missing required|contains unknown) field `([^`]*)`")
_PLACE = re.compile(r"- at `([^`]*)`$")

#: How bodies call what errors of a schedule begin with.
_FIELDS = {
    "pattern": "cron", "tz": "time_zone", "interval": "every", "start": "start_at", "end": "end_at", "limit": "limit",
    "data": "data",
}  # fmt: skip

_Node = tuple[QueueKeys, NewJob]


@dataclass(frozen=True, slots=True)
class Order:
    """Hold one job that was asked for.

    Attributes:
        queue: its queue.
        name: its name.
        data: its payload; `UNSET` when not given.
        options: its options, those that were given.
        place: where in the request it is, for errors.
        children: the jobs that must end before it runs.
    """

    queue: str
    name: str
    data: object
    options: JobOptions
    place: tuple[str | int, ...] = ("body",)
    children: Sequence[Order] = ()


@dataclass(frozen=True, slots=True)
class Added:
    """Hold a job that is in Redis, and in which state it was."""

    queue: str
    id: str
    name: str
    state: str
    children: Sequence[Added] = ()


class Producer:
    """Add jobs on the connection of a site.

    Args:
        site: where.
        app: whose tasks say what arguments and options their jobs have; None for none.
    """

    def __init__(self, site: Site, app: Oxmq | None) -> None:
        self._site = site
        self._tasks = {} if app is None else app.tasks
        self._telemetry = None if app is None else app.telemetry
        self._drafter = JobDrafter(site.clock, None if app is None else app.default_job_options, "uuid")
        self._results: dict[str, ResultReader] = {}

    async def add(self, order: Order, idempotency: Idempotency | None) -> Added:
        """Add a job, or find the one that the same request has added before.

        Raises:
            RequestValidationError: something is not acceptable, or the request's key was used for another job.
        """
        keys = self._site.keys(order.queue)
        draft = self._draft(order, idempotency, 0)
        job_id = (await self._send(keys, [draft]))[0]
        if idempotency is not None:
            idempotency.check(await self._site.runner.run(jobs.get_options(keys, job_id)))
        return await self._added(Drafted(order, keys, draft, []), job_id, known=idempotency is not None)

    async def add_all(self, orders: Sequence[Order], idempotency: Idempotency | None) -> list[Added]:
        """Add jobs of one queue, all or none; as `add`."""
        keys = self._site.keys(orders[0].queue)
        drafted = [Drafted(order, keys, self._draft(order, idempotency, at), []) for at, order in enumerate(orders)]
        known = await self._are_known(drafted, idempotency)
        drafts = [node.job for node in drafted]
        ids = [draft.id for draft in drafts] if known else await self._send(keys, drafts)
        found = (self._added(node, job_id, known=known) for node, job_id in zip(drafted, ids, strict=True))
        return await asyncio.gather(*found)

    async def add_flow(self, root: Order, idempotency: Idempotency | None) -> Added:
        """Add a job and all below it, all or none; as `add`."""
        drafted = flows.draft_flow(root, lambda order: order.children, self._node_drafter(idempotency))
        known = await self._are_known(drafted, idempotency)
        ids = [node.job.id for node in drafted] if known else await self._send_flow(drafted)
        found = (self._added(node, job_id, known=known) for node, job_id in zip(drafted, ids, strict=True))
        return _tree(drafted, await asyncio.gather(*found), 0)

    async def _send(self, keys: QueueKeys, drafts: Sequence[NewJob]) -> list[str]:
        if self._telemetry is None:
            return await self._site.runner.run(jobs.add_bulk(keys, drafts))
        with follow(self._telemetry, keys.name, drafts) as following:
            ids = await self._site.runner.run(jobs.add_bulk(keys, following.jobs))
            following.added(ids)
        return ids

    async def _send_flow(self, drafted: list[Drafted[Order]]) -> list[str]:
        if self._telemetry is None:
            return await self._site.runner.run(flows.add_flow(drafted))
        following, flow = follow_flow(self._telemetry, drafted)
        with following:
            ids = await self._site.runner.run(flows.add_flow(flow))
            following.added(ids)
        return ids

    async def put_schedule(self, schedule_id: str, schedule: Schedule, order: Order) -> bool:
        """Make or change a schedule whose jobs are like `order`; return whether it has times left.

        Raises:
            RequestValidationError: something is not acceptable; nothing was changed.
            SchedulerSlotError: jobs of the next times exist already; nothing was changed.
        """
        options = self._task_options(order, order.options)
        given = {name: value for name, value in options.given().items() if name in order.options.given()}
        template = {name: value for name, value in options.given().items() if name not in NOT_FOR_TEMPLATES}
        queue = Queue.within(self._site.context(order.queue), self._drafter.defaults)
        try:
            job = await queue.upsert_job_scheduler(schedule_id, schedule, order.name, order.data, **(template | given))
        except ConfigurationError as error:
            raise invalid(str(error), *order.place, *schedule_field(str(error))) from None
        return job is not None

    async def wait(self, queue: str, job_id: str, timeout: float) -> Ended | None:
        """Return how a job ended; None when it has not after `timeout` seconds, or when the server is to stop."""
        reader = self._results.get(queue)
        if reader is None:
            reader = self._results[queue] = self._site.context(queue).results
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0 and not is_server_stopping():
            try:
                return await reader.wait(job_id, min(left, _TURN))
            except TimeoutError:
                continue
        return None

    async def close(self) -> None:
        """Wait for no job any more."""
        for reader in self._results.values():
            await reader.close()

    def _draft(
        self,
        order: Order,
        idempotency: Idempotency | None,
        position: int,
        parent: Parent | None = None,
        has_children: bool = False,
    ) -> NewJob:
        given = order.options
        if idempotency is not None:
            if not isinstance(given.job_id, UnsetType):
                raise invalid("job_id cannot be given together with an Idempotency-Key", *order.place, "options")
            given = structs.replace(given, job_id=idempotency.job_id(order.queue, position))
        options = self._task_options(order, given)
        try:
            draft = self._drafter.draft(order.name, order.data, options, parent=parent, has_children=has_children)
        except ConfigurationError as error:
            field = "data" if str(error).startswith("data of job") else "options"
            raise invalid(str(error), *order.place, field) from None
        return draft if idempotency is None else idempotency.mark(draft)

    def _task_options(self, order: Order, given: JobOptions) -> JobOptions:
        """Return the options over those of the job's task, when the task can be called so."""
        task = self._tasks.get((order.queue, order.name))
        if task is None:
            return given
        data = cast("dict[str, Any]", {} if order.data is UNSET else order.data)
        try:
            task.signature.from_data(data)
        except ConfigurationError as error:
            raise invalid(str(error), *order.place, "data", *_field_named_in(str(error))) from None
        return TaskCall(task, data, given).job_options

    def _node_drafter(self, idempotency: Idempotency | None) -> Callable[[Order, Parent | None, bool], _Node]:
        position = -1

        def draft(order: Order, parent: Parent | None, has_children: bool) -> _Node:
            nonlocal position
            position += 1
            return self._site.keys(order.queue), self._draft(order, idempotency, position, parent, has_children)

        return draft

    async def _are_known(self, drafted: Sequence[Drafted[Order]], idempotency: Idempotency | None) -> bool:
        """Tell whether the same request has added its jobs before: any of them that is still there proves it."""
        if idempotency is None:
            return False
        calls = [jobs.get_options(node.keys, node.job.id) for node in drafted]
        stored = await asyncio.gather(*map(self._site.runner.run, calls))
        there = [options for options in stored if options is not None]
        for options in there:
            idempotency.check(options)
        return bool(there)

    async def _added(self, node: Drafted[Order], job_id: str, *, known: bool) -> Added:
        """Return what became of a job; where it may be an earlier one that was found, its state is looked up."""
        state = _first_state(node)
        if known or node.job.deduplication_id or not isinstance(node.source.options.job_id, UnsetType):
            state = await self._site.runner.run(jobs.get_state(node.keys, job_id))
        return Added(node.source.queue, job_id, node.source.name, state)


def _first_state(node: Drafted[Order]) -> str:
    if node.children:
        return JobState.WAITING_CHILDREN
    if node.job.delay:
        return JobState.DELAYED
    return JobState.PRIORITIZED if node.job.priority else JobState.WAITING


def _tree(drafted: Sequence[Drafted[Order]], added: Sequence[Added], at: int) -> Added:
    return replace(added[at], children=[_tree(drafted, added, child) for child in drafted[at].children])


def schedule_field(message: str) -> list[str]:
    """Return which field of a body an error is about that the building or storing of a schedule has raised."""
    word = message.split(" ", 1)[0]
    if word in _FIELDS:
        return [_FIELDS[word]]
    return ["options"] if word in JobOptions.__struct_fields__ else []


def _field_named_in(message: str) -> list[str]:
    """Return the path of the field that an error of a task's signature is about, as far as it says."""
    place, astray = _PLACE.search(message), _ASTRAY.search(message)
    path = re.split(r"[.\[\]]+", place[1] if place else "")
    return [part for part in path if part not in ("", "$")] + ([astray[1]] if astray else [])
