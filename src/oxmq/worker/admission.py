"""Decide whether a job that was taken may be run."""

from __future__ import annotations

from collections.abc import Callable

from oxmq.client.context import QueueContext
from oxmq.client.iterations import advance
from oxmq.codec import read_options
from oxmq.errors import BackendError, ConfigurationError, Delay, OxmqError, Unrecoverable
from oxmq.ops import jobs
from oxmq.records import JobRecord

#: For how long a scheduler's job is put off when its successor cannot be made, in seconds.
_PUT_OFF = 30.0

_WHY_SKIPPED = {
    "missed": "not run: its time has passed, and that of the next one has come",
    "overlap": "not run: an earlier one of its scheduler has not ended",
}


class NotAdmitted(Unrecoverable):
    """Say that a job is failed without having been run: no code of the handler's had a part in it."""

    cause = "refused"


class Expired(NotAdmitted):
    """Say that a job had to be started earlier."""

    cause = "expired"


class Admission:
    """Admit jobs to being run: those of which there is something to decide.

    Args:
        report: told what went wrong without keeping the job from running, or keeping it for now.
    """

    def __init__(self, context: QueueContext, report: Callable[[Exception], None]) -> None:
        self._context = context
        self._report = report

    async def admit(self, record: JobRecord) -> bool:
        """Tell whether the job is to be run; False completes it without.

        Raises:
            NotAdmitted: it is to be failed instead.
            Delay: the next iteration could not be made; the job is to come again.
        """
        skipped = await self._advance(record) if record.scheduler_id is not None else None
        if record.deferred_failure is not None:
            raise NotAdmitted(record.deferred_failure)
        most = self._context.rules.max_started
        if most is not None and record.attempts_started > most:
            raise NotAdmitted("job started more than allowable limit")
        self._check_expiry(record)
        if skipped is not None:
            await self._note(record, _WHY_SKIPPED[skipped])
        return skipped is None

    async def _advance(self, record: JobRecord) -> str | None:
        """Make the scheduler's next job; return why this one is not to run, None when it is."""
        try:
            verdict = await advance(self._context, record)
        except (BackendError, ConfigurationError) as error:
            self._report(error)
            raise Delay(_PUT_OFF) from error
        if verdict.complaint:
            self._report(OxmqError(verdict.complaint))
        return verdict.skipped

    def _check_expiry(self, record: JobRecord) -> None:
        options = read_options(record.opts)
        # What has been started once is not waiting any more.
        if not options.expires or record.attempts_started > 1:
            return
        due = record.timestamp + int(options.delay or 0) if record.due_on is None else record.due_on
        if self._context.clock.now_ms() > due + options.expires:
            raise Expired(f"job expired: it was not started within {float(options.expires) / 1000:g} s")

    async def _note(self, record: JobRecord, why: str) -> None:
        # Without the note the job is skipped all the same.
        try:
            await self._context.runner.run(jobs.add_log(self._context.keys, record.id, why, None))
        except OxmqError:
            return
