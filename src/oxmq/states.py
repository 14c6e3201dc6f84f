"""Name the states of a job and the containers that hold its id.

A job's state is *where its id is*: every id is in exactly one container. The containers' names are
the last part of their Redis key.
"""

from __future__ import annotations

from enum import StrEnum

from oxmq.errors import ConfigurationError


class JobState(StrEnum):
    """Name the state of a job, as BullMQ spells it."""

    WAITING = "waiting"
    PRIORITIZED = "prioritized"
    DELAYED = "delayed"
    ACTIVE = "active"
    WAITING_CHILDREN = "waiting-children"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"


CONTAINERS: dict[str, tuple[str, ...]] = {
    JobState.ACTIVE: ("active",),
    JobState.COMPLETED: ("completed",),
    JobState.DELAYED: ("delayed",),
    JobState.FAILED: ("failed",),
    JobState.PRIORITIZED: ("prioritized",),
    # An older peer parks the waiting jobs of a paused queue in a list of their own.
    JobState.WAITING: ("wait", "paused"),
    JobState.WAITING_CHILDREN: ("waiting-children",),
}
"""The containers of each state that a queue can list and count."""


def listed_state(name: str) -> str:
    """Return the state called `name`; raise `ConfigurationError` when there is none to list."""
    if name not in CONTAINERS:
        known = ", ".join(CONTAINERS)
        raise ConfigurationError(f"state {name!r} is not one of: {known}")
    return name


def cleanable_containers(name: str) -> tuple[str, ...]:
    """Return the containers of the state called `name`, which may be ``wait`` or ``paused`` as well."""
    if name in ("wait", "paused"):
        return CONTAINERS[JobState.WAITING] if name == "wait" else (name,)
    return CONTAINERS[listed_state(name)]
