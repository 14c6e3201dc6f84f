"""Tell from the names of keys which jobs might be in no container at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from oxmq.keys import QueueKeys

#: The containers in which a job cannot be found at once, so that they are read beforehand.
LISTS: Final = ("active", "wait", "paused")
#: How many entries of a list are read at a time.
LISTED_AT_ONCE: Final = 1_000
#: How many jobs are asked about at a time.
ASKED_AT_ONCE: Final = 250

_PARTS: Final = (":lock", ":logs", ":dependencies", ":processed", ":failed", ":unsuccessful")
#: The queue's own keys, and the first parts of more of them.
_OWN: Final = frozenset({
    "meta", "id", "wait", "paused", "prioritized", "pc", "active", "delayed", "waiting-children", "completed", "failed",
    "stalled", "stalled-check", "limiter", "marker", "events", "repeat", "delay", "priority", "metrics", "de", "dn",
})  # fmt: skip
_FAMILIES: Final = ("metrics:", "de:", "dn:", "repeat:", "oxmq:")


def pattern(keys: QueueKeys) -> str:
    """Return the glob pattern of all keys of a queue."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^" else letter for letter in keys.base) + "*"


def candidates(keys: QueueKeys, found: Iterable[str]) -> set[str]:
    """Return the ids of the jobs that keys of a queue belong to. Those of job schedulers are left alone."""
    ids = {_id_in(key.removeprefix(keys.base)) for key in found if key.startswith(keys.base)}
    return {job_id for job_id in ids if job_id and job_id not in _OWN and not job_id.startswith(_FAMILIES)}


def _id_in(name: str) -> str:
    for part in _PARTS:
        if name.endswith(part):
            return name.removesuffix(part)
    return name
