"""Describe the operations on a job's children."""

from __future__ import annotations

from oxmq.errors import ConfigurationError, job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, command, number, run_script, text, texts
from oxmq.records import ChildKind

#: Where a parent keeps its children of each kind, and how such a key is read a part at a time.
_KEPT: dict[ChildKind, tuple[str, str]] = {
    "processed": ("processed", "HSCAN"),
    "unprocessed": ("dependencies", "SSCAN"),
    "ignored": ("failed", "HSCAN"),
    "failed": ("unsuccessful", "ZSCAN"),
}

_Page = tuple[dict[str, bytes | None], int]


def get_values(job_key: str, part: str) -> Call[dict[str, bytes]]:
    """Read the hash of results (``processed``) or of reasons (``failed``) of a parent, by the child's key."""
    return command("HGETALL", f"{job_key}:{part}", decode=_pairs)


def get_pending(job_key: str) -> Call[list[str]]:
    """Read the keys of the children that have not ended."""
    return command("SMEMBERS", f"{job_key}:dependencies", decode=lambda reply: sorted(texts(reply)))


def get_unsuccessful(job_key: str) -> Call[list[str]]:
    """Read the keys of the children that fail their parent, in the order of their ends."""
    return command("ZRANGE", f"{job_key}:unsuccessful", 0, -1, decode=texts)


def get_page(job_key: str, kind: ChildKind, cursor: int, count: int) -> Call[_Page]:
    """Read some of the children of one kind, with result or reason where one is kept, and the next cursor."""
    if kind not in _KEPT:
        raise ConfigurationError(f"kind must be one of {', '.join(_KEPT)}, not {kind!r}")
    part, scan = _KEPT[kind]

    def decode(reply: Reply) -> _Page:
        following, found = reply
        if scan == "SSCAN":
            return dict.fromkeys(texts(found)), int(following)
        values = _pairs(found)
        return (dict.fromkeys(values) if scan == "ZSCAN" else {**values}), int(following)

    return command(scan, f"{job_key}:{part}", cursor, "COUNT", count, decode=decode)


def count(keys: QueueKeys, job_id: str) -> Call[dict[str, int]]:
    """Count the children of each kind, all at one moment."""
    return run_script(
        "count_children", keys.base, job_id, decode=lambda reply: dict(zip(_KEPT, map(number, reply), strict=True))
    )


def remove_dependency(keys: QueueKeys, job_id: str, parent_key: str) -> Call[bool]:
    """Cut the tie between a child and its parent; the result says whether there was one."""

    def decode(reply: Reply) -> bool:
        if reply < 0:
            raise job_error(
                reply, job_id=job_id, queue=keys.name, operation="remove_child_dependency", parent=parent_key
            )
        return bool(reply == 0)

    return run_script("remove_dependency", keys.base, job_id, parent_key, decode=decode)


def remove_unprocessed(keys: QueueKeys, job_id: str, cursor: int) -> Call[int | None]:
    """Remove some of the children that have not begun, from `cursor` on, which is 0 at first.

    The result is where to go on, which may be there again; None when all is done.
    """

    def decode(reply: Reply) -> int | None:
        if isinstance(reply, int):
            raise job_error(reply, job_id=job_id, queue=keys.name, operation="remove_unprocessed_children")
        return int(reply) if reply else None

    return run_script("remove_children", keys.base, job_id, cursor, decode=decode)


def move_to_waiting_children(keys: QueueKeys, job_id: str, token: str, now_ms: int, child_key: str) -> Call[bool]:
    """Park an active job until its children have ended; the result says whether there was anything to wait for."""

    def decode(reply: Reply) -> bool:
        if reply < 0:
            raise job_error(reply, job_id=job_id, queue=keys.name, operation="move_to_waiting_children")
        return bool(reply == 0)

    return run_script("move_to_waiting_children", keys.base, job_id, token, now_ms, child_key, decode=decode)


def _pairs(reply: Reply) -> dict[str, bytes]:
    return {text(reply[i]): reply[i + 1] for i in range(0, len(reply), 2)}
