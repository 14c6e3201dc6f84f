"""Say whether a worker makes progress, which is more than being alive."""

from __future__ import annotations

from msgspec import Struct


class WorkerHealth(Struct, frozen=True, kw_only=True):
    """Hold how a worker is.

    Attributes:
        queue: the queue that it works.
        healthy: whether it exchanged jobs with Redis, or waited for some, as lately as it should have.
        reason: why it is not healthy; empty when it is.
        running: how many jobs it is running.
        concurrency: how many it may run at once.
        unconfirmed: how many outcomes Redis has not confirmed yet.
        since_cycle: seconds since Redis last answered a fetch or a wait.
        since_renewal: seconds since the locks were last renewed.
        abandoned: how many handlers did not stop when they were told to, and still take up a thread or task.
    """

    queue: str
    healthy: bool
    reason: str
    running: int
    concurrency: int
    unconfirmed: int
    since_cycle: float
    since_renewal: float
    abandoned: int


def verdict(since_cycle: float, cycle_limit: float, since_renewal: float, renewal_limit: float) -> str:
    """Return why a worker with these figures is not healthy; empty when it is."""
    if since_cycle > cycle_limit:
        return f"no answer from Redis for {since_cycle:.1f} s (at most {cycle_limit:.1f} s are usual)"
    if since_renewal > renewal_limit:
        return f"locks not renewed for {since_renewal:.1f} s (at most {renewal_limit:.1f} s are usual)"
    return ""
