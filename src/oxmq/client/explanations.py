"""Say in words why a job does not run."""

from __future__ import annotations

from oxmq.client.context import QueueContext
from oxmq.errors import BackendError
from oxmq.ops import explanations, server
from oxmq.ops.situations import get_situation
from oxmq.states import JobState


async def explain(context: QueueContext, job_id: str) -> str:
    """Return a few sentences that say why a job is not running, what it waits for, or what has become of it."""
    run = context.runner.run
    situation = await run(get_situation(context.keys, job_id))
    clients: list[str] | None = None
    if situation is not None and situation.state not in (JobState.COMPLETED, JobState.FAILED):
        try:
            clients = await run(server.get_client_names())
        except BackendError:
            clients = None  # many hosted servers do not tell
    return explanations.explain(situation, context.keys, job_id, clients, context.clock.now_ms())
