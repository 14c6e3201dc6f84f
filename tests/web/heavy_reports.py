"""Make reports of the reconciler of heavy jobs by hand, as one would write them."""

from __future__ import annotations

import time
from typing import Any

from oxmq.ops.reconciling import Repair, Report, SeenRun


def seen_run(**fields: Any) -> SeenRun:
    """Return a run that a worker follows, but for what is given."""
    usual: dict[str, Any] = {
        "namespace": "jobs", "name": "report-1", "queue": "email", "job_id": "1", "task": "report", "attempt": 1,
        "number": 1, "queue_says": "spawned", "cluster_says": "running", "action": "follow",
        "why": "whoever holds its job follows it", "since_ms": _ago(60),
    }  # fmt: skip
    return SeenRun(**{**usual, **fields})


def repair(**fields: Any) -> Repair:
    """Return a deletion that was done, but for what is given."""
    usual: dict[str, Any] = {
        "at_ms": _ago(30), "namespace": "jobs", "name": "report-0", "queue": "email", "job_id": "0",
        "action": "delete", "why": "its job was cancelled", "result": "done",
    }  # fmt: skip
    return Repair(**{**usual, **fields})


def report(*runs: SeenRun, age: float = 5, **fields: Any) -> Report:
    """Return a report of so many seconds ago on some runs, but for what is given."""
    counts: dict[str, int] = {}
    for run in runs:
        counts[run.action] = counts.get(run.action, 0) + 1
    usual: dict[str, Any] = {
        "at_ms": _ago(age), "worker": "scheduler-1:7", "term": 3, "owner": "abc", "address": "https://10.96.0.1:443",
        "namespaces": ["jobs"], "seconds": 0.043, "error": "", "counts": counts, "runs": list(runs), "repairs": [],
    }  # fmt: skip
    return Report(**{**usual, **fields})


def _ago(seconds: float) -> int:
    return int((time.time() - seconds) * 1000)
