"""Hold one row of an outbox: a job as it will be in Redis, and how often it was refused there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import msgspec
from msgspec import Struct, UnsetType

from oxmq.codec import WireOptions, decode_json
from oxmq.errors import ConfigurationError
from oxmq.ids import uuid7
from oxmq.keys import QueueKeys
from oxmq.ops.additions import follow
from oxmq.ops.drafts import JobDrafter
from oxmq.ops.jobs import NewJob
from oxmq.task import TaskCall

if TYPE_CHECKING:
    from oxmq.app import Oxmq

#: How long a prefix may be in an outbox's table, in characters.
MAX_PREFIX: Final = 255


class OutboxRow(Struct, frozen=True):
    """Hold one row. Its fields are the columns of the table.

    Attributes:
        id: names the row: a UUID of version 7, so that rows sort by when they were written.
        job_id: the job's id, made or checked when the row was written.
        prefix: with what the keys of the job's queue begin.
        queue: the job's queue.
        name: the job's name.
        data: its payload, as JSON text.
        opts: its options as they will be stored, as JSON text.
        relations: its parent and deduplication, as JSON text; empty for none.
        timestamp: when the job was made, in milliseconds since the epoch; a delay counts from here.
        created_ms: when the row was written.
        due_ms: not to be tried before, in milliseconds since the epoch; 0 until it was refused.
        attempts: how often Redis has refused it.
        last_error: why, the last time; empty for never.
    """

    id: str
    job_id: str
    prefix: str
    queue: str
    name: str
    data: str
    opts: str
    relations: str
    timestamp: int
    created_ms: int
    due_ms: int = 0
    attempts: int = 0
    last_error: str = ""

    @property
    def keys(self) -> QueueKeys:
        """Return the keys of the job's queue, or raise `ConfigurationError`: anybody may have changed the row."""
        return QueueKeys(self.queue, self.prefix)

    @property
    def job(self) -> NewJob:
        """Return the job to add.

        Raises:
            ConfigurationError: the row was changed, and is not one of ours any more.
        """
        try:
            decode_json(self.data)
            wire = msgspec.json.decode(self.opts, type=WireOptions)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"data or opts of the row is not the JSON that was written: {error}") from None
        parent = None if isinstance(wire.parent, UnsetType) else wire.parent
        return NewJob(
            id=self.job_id,
            name=self.name,
            data=self.data.encode(),
            opts=self.opts.encode(),
            timestamp=self.timestamp,
            delay=0 if isinstance(wire.delay, UnsetType) else int(wire.delay),
            priority=0 if isinstance(wire.priority, UnsetType) else int(wire.priority),
            next_up=wire.lifo is True,
            relations=self.relations.encode(),
            parent_key=f"{parent.queue}:{parent.id}" if parent else None,
            deduplication_id=None if isinstance(wire.de, UnsetType) else wire.de.id,
        )


class RowDrafter:
    """Draft the rows of an app's jobs, exactly as `Oxmq.enqueue` drafts the jobs.

    Raises:
        ConfigurationError: the app's prefix is too long for the table.
    """

    def __init__(self, app: Oxmq) -> None:
        if len(app.prefix) > MAX_PREFIX:
            raise ConfigurationError(
                f"prefix must be at most {MAX_PREFIX} characters for an outbox, not {app.prefix!r:.80}"
            )
        self._app = app

    def draft(self, call: TaskCall) -> OutboxRow:
        """Return the row of a task call.

        Raises:
            ConfigurationError: it is no task call of this app, its options are not acceptable, or it has children.
        """
        if not isinstance(cast("object", call), TaskCall):
            raise ConfigurationError(f"an outbox takes a call, as task.call(...) makes it, not {call!r:.80}")
        if call.task.app is not self._app:
            raise ConfigurationError(f"task {call.task.name!r} belongs to another app than this outbox")
        if call.children:
            raise ConfigurationError(f"task {call.task.name!r}: a flow cannot go through an outbox: add it from a job")
        job = self._draft_job(call)
        now = self._app.clock.now_ms()
        return OutboxRow(
            id=uuid7(now),
            job_id=job.id,
            prefix=self._app.prefix,
            queue=call.task.queue,
            name=job.name,
            data=job.data.decode(),
            opts=job.opts.decode(),
            relations=job.relations.decode(),
            timestamp=job.timestamp,
            created_ms=now,
        )

    def _draft_job(self, call: TaskCall) -> NewJob:
        app = self._app
        # A counter in Redis cannot be asked: whatever the app's ids are, those of an outbox are made here.
        drafter = JobDrafter(app.clock, app.default_job_options, "uuid")
        job = drafter.draft(call.task.name, call.data, call.job_options)
        if app.telemetry is None:
            return job
        with follow(app.telemetry, call.task.queue, [job]) as following:
            following.added([job.id])
            return following.jobs[0]
