"""Describe the changes of a job's place among the others."""

from __future__ import annotations

from collections.abc import Callable

from oxmq.errors import job_error
from oxmq.keys import QueueKeys
from oxmq.ops.call import Call, Reply, run_script


def change_delay(keys: QueueKeys, job_id: str, now_ms: int, delay_ms: int) -> Call[None]:
    """Let a delayed job be due `delay_ms` from now."""
    decode = _refusing(keys, job_id, "change_delay", "delayed")
    return run_script("change_delay", keys.base, job_id, now_ms, delay_ms, decode=decode)


def change_priority(keys: QueueKeys, job_id: str, priority: int, *, lifo: bool) -> Call[None]:
    """Give a job another priority, and its place by it if it is ready; with `lifo` before the others of the same."""
    decode = _refusing(keys, job_id, "change_priority", "waiting")
    return run_script("change_priority", keys.base, job_id, priority, "1" if lifo else "", decode=decode)


def _refusing(keys: QueueKeys, job_id: str, operation: str, state: str) -> Callable[[Reply], None]:
    """Return what raises the error that a negative code stands for."""

    def decode(reply: Reply) -> None:
        if reply < 0:
            raise job_error(reply, job_id=job_id, queue=keys.name, operation=operation, state=state)

    return decode
