"""Add jobs to a queue, look at them, and steer the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, Unpack, cast

from msgspec import UNSET

from oxmq.client.context import QueueContext, open_context
from oxmq.client.job import Job
from oxmq.client.queue_administration import QueueAdministration
from oxmq.client.queue_getters import QueueGetters
from oxmq.client.queue_schedulers import QueueSchedulers
from oxmq.clock import Clock
from oxmq.errors import ConfigurationError
from oxmq.keys import DEFAULT_PREFIX, check_queue_name
from oxmq.ops import jobs
from oxmq.ops.additions import begin, follow
from oxmq.ops.drafts import IdKind, JobDrafter
from oxmq.ops.jobs import NewJob
from oxmq.options import JobOptionArgs, JobOptions
from oxmq.tracing import Telemetry

NewJobArgs = tuple[str, object] | tuple[str, object, Mapping[str, Any]]
"""A job for `Queue.add_bulk`: its name, its data and, if it has any, its options."""


class Queue(QueueGetters, QueueAdministration, QueueSchedulers):
    """Stand for a queue in Redis. Building one connects to nothing; the first call does::

        async with Queue("images", "redis://localhost:6379") as queue:
            job = await queue.add("resize", {"path": "a.png"}, delay="5s", attempts=3)
            print(await queue.get_job_counts())

    Args:
        name: 1 to 128 of the characters ``A-Z a-z 0-9 . _ -``. Queues of other names can be read, not added to.
        connection: a URL, a redis-py client, or None for ``$OXMQ_URL``, else the embedded server in ``./.oxmq``.
        prefix: with what all keys begin. Use a hash tag such as ``{bull}`` on a cluster.
        default_job_options: options under those of each job added here.
        ids: ``"uuid"`` (made by the client: an add can be repeated safely) or ``"counter"`` (BullMQ's numbers).
        clock: gives the time; a `ManualClock` holds it still.
        telemetry: follows the jobs that are added: `oxmq.telemetry.OpenTelemetry`; None for nothing.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """

    def __init__(
        self,
        name: str,
        connection: object = None,
        *,
        prefix: str = DEFAULT_PREFIX,
        default_job_options: JobOptions | None = None,
        ids: IdKind = "uuid",
        clock: Clock | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._attach(open_context(name, connection, prefix, clock, telemetry=telemetry), default_job_options, ids)

    @classmethod
    def within(cls, context: QueueContext, defaults: JobOptions | None = None, ids: IdKind = "uuid") -> Self:
        """Return a queue on the connection of `context`, which whoever made the context closes."""
        queue = cls.__new__(cls)
        queue._attach(context, defaults, ids)
        return queue

    def _attach(self, context: QueueContext, defaults: JobOptions | None, ids: IdKind) -> None:
        self._context = context
        self._drafter = JobDrafter(context.clock, defaults, ids)
        self._may_be_added_to = False

    async def add(self, name: str, data: object = UNSET, /, **options: Unpack[JobOptionArgs]) -> Job[Any]:
        """Add a job and return it. When this returns, the job is in Redis.

        Adds of one turn of the event loop travel together. Adding a `job_id` that exists adds nothing.

        Args:
            name: says what kind of job it is.
            data: any value that JSON can carry; ``{}`` when not given. At most 1 MiB, or `size_limit`.
            options: the fields of `JobOptions`.

        Raises:
            ConfigurationError: something is not acceptable; nothing was sent.
            UnavailableError: the job was not added.
            OutcomeUnknownError: it may have been added; adding it again with the same `job_id` is safe.
        """
        draft = self._draft(name, data, options)
        if self._context.telemetry is not None:
            return await self._add_followed(self._context.telemetry, draft)
        job_id = await self._context.runner.run(jobs.add(self._context.keys, draft))
        return Job(self._context, draft.record(job_id))

    async def add_bulk(self, new_jobs: Iterable[NewJobArgs]) -> list[Job[Any]]:
        """Add many jobs in few round trips, and return them in order.

        All are checked before any is sent. They are added in chunks of 250, each as a whole: after an error some
        chunks may be in Redis.
        """
        drafts = [self._draft(*_name_data_options(args)) for args in new_jobs]
        if self._context.telemetry is not None:
            return await self._add_all_followed(self._context.telemetry, drafts)
        return await self._add_all(drafts)

    async def _add_followed(self, telemetry: Telemetry, draft: NewJob) -> Job[Any]:
        addition = begin(telemetry, self._context.keys.name, draft)
        try:
            job_id = await self._context.runner.run(jobs.add(self._context.keys, draft))
        except BaseException as error:
            addition.failed(error)
            raise
        addition.added((job_id,))
        return Job(self._context, draft.record(job_id))

    async def _add_all_followed(self, telemetry: Telemetry, drafts: Sequence[NewJob]) -> list[Job[Any]]:
        with follow(telemetry, self.name, drafts) as following:
            added = await self._add_all(following.jobs)
            following.added([job.id for job in added])
        return added

    async def _add_all(self, drafts: Sequence[NewJob]) -> list[Job[Any]]:
        added = await self._context.runner.run_all(jobs.add_in_chunks(self._context.keys, drafts))
        ids = (job_id for chunk in added for job_id in chunk)
        return [Job(self._context, draft.record(job_id)) for draft, job_id in zip(drafts, ids, strict=True)]

    def _draft(self, name: str, data: object, options: Mapping[str, Any]) -> NewJob:
        if not self._may_be_added_to:
            check_queue_name(self.name)
            self._may_be_added_to = True
        # The context may have been given another clock: see `AppBinding.take_over`.
        self._drafter.clock = self._context.clock
        return self._drafter.draft(name, data, options)


def _name_data_options(args: NewJobArgs) -> tuple[str, object, Mapping[str, Any]]:
    if not isinstance(cast("object", args), tuple | list) or not 2 <= len(args) <= 3:
        raise ConfigurationError(f"a job for add_bulk is (name, data) or (name, data, options), not {args!r:.80}")
    return (args[0], args[1], args[2] if len(args) == 3 else {})
