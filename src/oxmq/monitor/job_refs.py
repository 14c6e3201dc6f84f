"""Name jobs by their keys, as parents and children name each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oxmq.errors import ConfigurationError
from oxmq.keys import QueueKeys, split_job_key

#: How long a key may be to be taken for a job's, in characters.
_MAX_KEY = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRef:
    """Name a job, perhaps of another prefix.

    Attributes:
        queue: its queue.
        id: its id in that queue.
        prefix: with what the queue's keys begin.
    """

    queue: str
    id: str
    prefix: str

    @property
    def key(self) -> str:
        """Return the key of the job's hash."""
        return f"{self.prefix}:{self.queue}:{self.id}"

    @property
    def keys(self) -> QueueKeys:
        """Return the keys of the job's queue."""
        return QueueKeys(self.queue, self.prefix)


MaySee = Callable[[JobRef], bool]
"""Tell whether somebody may see more of a job than its id."""


def see_all(ref: JobRef) -> bool:
    """Let everything be seen."""
    return True


def read_ref(key: str | None, prefix: str) -> JobRef | None:
    """Return the job that a key names; None when it names none.

    Ids may have colons in them. So a key of the given prefix is read from its beginning, where nothing else has any.
    """
    if not key or len(key) > _MAX_KEY:
        return None
    queue, _, job_id = key.removeprefix(f"{prefix}:").partition(":")
    if key.startswith(f"{prefix}:") and queue and job_id:
        return JobRef(queue=queue, id=job_id, prefix=prefix)
    try:
        keys, job_id = split_job_key(key)
    except ConfigurationError:
        return None
    return JobRef(queue=keys.name, id=job_id, prefix=keys.prefix) if job_id else None
