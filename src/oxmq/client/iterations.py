"""Let the jobs of a scheduler follow one another."""

from __future__ import annotations

import contextlib

from oxmq.client.context import QueueContext
from oxmq.errors import BackendError, ConfigurationError, OxmqError
from oxmq.ops import iterations, lifecycle, outcomes
from oxmq.ops.iterations import Verdict
from oxmq.records import JobRecord


async def advance(context: QueueContext, record: JobRecord) -> Verdict:
    """Make the job that follows one that was taken, before that one runs; of a job without scheduler, none.

    It may be called again for the same job: a second job is not made, and what was said of the first stays.

    Raises:
        BackendError: it could not be made now; the job that was taken must not run before it is.
        ConfigurationError: what another library stored about the schedule cannot be read here; a worker of that
            library may be able to.
    """
    if record.scheduler_id is None:
        return Verdict()
    try:
        return await context.runner.run(iterations.advance(context.keys, record, context.clock.now_ms()))
    except (BackendError, ConfigurationError) as error:
        raise type(error)(f"Failed to add repeatable job for next iteration: {error}") from error


async def advance_by_hand(context: QueueContext, record: JobRecord, token: str) -> None:
    """Do as `advance` for a job that was taken to be processed by hand; when that fails, give it back to its queue."""
    try:
        await advance(context, record)
    except OxmqError:
        with contextlib.suppress(OxmqError):  # else it is recovered when its lock has run out
            back = outcomes.released(record, token)
            await context.runner.run(
                lifecycle.finish(context.keys, context.clock.now_ms(), (back,), 0, token, context.terms)
            )
        raise
