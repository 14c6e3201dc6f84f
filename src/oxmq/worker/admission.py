"""Decide whether a job that was taken may be run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from oxmq.client.context import QueueContext
from oxmq.codec import WireOptions, read_options
from oxmq.errors import OxmqError, Unrecoverable
from oxmq.ops import jobs
from oxmq.records import JobRecord

Advance = Callable[[JobRecord], Awaitable[str]]
"""Make the next iteration of a scheduler's job; return why this one is not to be run, empty when it is."""


class Admission:
    """Admit jobs to being run.

    Args:
        advance: makes the next iteration of a scheduler's job.
    """

    def __init__(self, context: QueueContext, advance: Advance) -> None:
        self._context = context
        self._advance = advance

    def is_needed(self, record: JobRecord, options: WireOptions) -> bool:
        """Tell whether there is anything to decide; of most jobs there is not."""
        return (
            record.scheduler_id is not None
            or record.deferred_failure is not None
            or self._context.rules.max_started is not None
            or bool(options.expires)
        )

    async def admit(self, record: JobRecord) -> bool:
        """Tell whether the job is to be run; False completes it without.

        Raises:
            Unrecoverable: it is to be failed instead.
            Delay: the next iteration could not be made; the job is to come again.
        """
        skipped = await self._advance(record) if record.scheduler_id is not None else ""
        if record.deferred_failure is not None:
            raise Unrecoverable(record.deferred_failure)
        most = self._context.rules.max_started
        if most is not None and record.attempts_started > most:
            raise Unrecoverable("job started more than allowable limit")
        self._check_expiry(record)
        if skipped:
            await self._note(record, skipped)
        return not skipped

    def _check_expiry(self, record: JobRecord) -> None:
        options = read_options(record.opts)
        # What has been started once is not waiting any more.
        if not options.expires or record.attempts_started > 1:
            return
        due = record.timestamp + int(options.delay or 0)
        if self._context.clock.now_ms() > due + options.expires:
            raise Unrecoverable(f"job expired: it was not started within {float(options.expires) / 1000:g} s")

    async def _note(self, record: JobRecord, why: str) -> None:
        # Without the note the job is skipped all the same.
        try:
            await self._context.runner.run(jobs.add_log(self._context.keys, record.id, why, None))
        except OxmqError:
            return
