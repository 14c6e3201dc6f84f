"""Show in the OpenAPI document what answers look like."""

from __future__ import annotations

from typing import Any, Final

_SUMMARY: Final[dict[str, object]] = {
    "name": "email",
    "counts": {
        "active": 3,
        "completed": 1000,
        "delayed": 12,
        "failed": 4,
        "prioritized": 0,
        "waiting": 7,
        "waiting-children": 0,
    },
    "paused": False,
    "held": ["at its limit: 3 of 3 run"],
    "latency": 1.25,
    "workers": 1,
    "slots": 10,
    "busy": 3,
    "completed_per_minute": 240,
    "failed_per_minute": 1,
    "added_per_minute": 251.5,
    "spark": [{"at": "2026-03-01T12:00:00Z", "completed": 240, "failed": 1}],
    "last_event": "1772366400000-0",
}
_ATTENTION: Final[dict[str, object]] = {
    "level": "critical",
    "kind": "stuck_worker",
    "text": "Worker web-1:7 of email is stuck. It has said nothing for 20 s.",
    "queue": "email",
    "link": {"screen": "workers", "state": None, "search": None, "job_id": None},
}

QUEUES: Final[dict[str, object]] = {"queues": [_SUMMARY], "complete": True}
OVERVIEW: Final[dict[str, object]] = {
    "at": "2026-03-01T12:00:05Z",
    "complete": True,
    "totals": {
        "added_per_second": 4.19,
        "finished_per_second": 4.02,
        "failed_per_minute": 1,
        "oldest_waiting": 1.25,
        "workers": 1,
        "busy": 3,
        "slots": 10,
        "unfinished": 22,
    },
    "server": {"name": "Valkey 9.0.0", "memory": 12_582_912, "max_memory": None, "latency": 0.0004},
    "attention": [_ATTENTION],
    "queues": {"email": _SUMMARY},
    "kubernetes": True,
}
QUEUE: Final[dict[str, object]] = {
    **_SUMMARY,
    "limits": {"concurrency": 3, "rate_max": 100, "rate_duration": 60, "held_for": 0},
    "version": "bullmq:5.66.5",
    "max_events": 10_000,
    "schedules": 1,
    "priorities": {"0": 7},
    "broken": [],
}
WORKERS: Final[dict[str, object]] = {
    "workers": [
        {
            "id": "0b6f3c8e",
            "queue": "email",
            "name": "web-1:7",
            "kind": "oxmq",
            "host": "web-1",
            "pid": 7,
            "version": "0.1.0",
            "address": "10.0.0.5:51234",
            "connected_for": 3600,
            "started_at": "2026-03-01T11:00:00Z",
            "slots": 10,
            "busy": 1,
            "jobs": [{"id": "42", "name": "send", "running_for": 0.4}],
            "health": "ok",
            "reason": "",
            "memory": 52_428_800,
            "loop_lag": 0.002,
            "last_fetch": 0.8,
            "completed": 12_000,
            "failed": 3,
        }
    ],
    "complete": True,
}
LOAD: Final[dict[str, object]] = {
    "load": 1.5,
    "active": 4,
    "due": 2,
    "capacity": 4,
    "queues": {"email": {"load": 1.5, "active": 4, "due": 2, "capacity": 4}},
}
METRICS: Final[dict[str, object]] = {
    "points": [
        {
            "at": "2026-03-01T12:00:00Z",
            "exact": True,
            "completed": 240,
            "failed": 1,
            "retried": 2,
            "waiting": 7,
            "active": 3,
            "run_p50": 0.2,
            "run_p95": 0.9,
            "run_p99": 1.4,
            "wait_p50": 0.01,
            "wait_p95": 0.3,
            "wait_p99": 1.1,
            "sampled": 240,
        }
    ],
    "recent": {
        "completed_run": {"p50": 0.2, "p95": 0.9, "p99": 1.4},
        "wait": {"p50": 0.01, "p95": 0.3, "p99": 1.1},
        "by_name": [{"name": "send", "count": 501, "failed": 1, "run_p50": 0.2, "run_p95": 0.9}],
    },
    "counted": {
        "completed": 240,
        "failed": 1,
        "retried": 2,
        "run": {"p50": 0.2, "p95": 0.9, "p99": 1.4},
        "wait": {"p50": 0.01, "p95": 0.3, "p99": 1.1},
    },
    "heat": {
        "step": 60,
        "bounds": [0.127, 0.255, 0.511, 1.023, 2.047],
        "columns": [{"at": "2026-03-01T12:00:00Z", "run": [0, 160, 60, 10, 10], "wait": [220, 11, 5, 3, 2]}],
    },
    "kept": {"completed": 91_204, "failed": 310, "minutes": 10_080},
}
SERVER: Final[dict[str, object]] = {
    "name": "Valkey",
    "version": "9.0.0",
    "address": "redis://redis:6379/0",
    "uptime": 86_400,
    "memory": {
        "used": 12_582_912,
        "limit": None,
        "share": None,
        "peak": 13_000_000,
        "resident": 20_000_000,
        "fragmentation": 1.59,
    },
    "persistence": "append-only file, flushed every second: a crash of the machine may lose the last 1 to 2 seconds",
    "eviction": "noeviction: the server throws no job away",
    "findings": [{"level": "ok", "subject": "server", "what": "Valkey 9.0.0", "why": "", "fix": []}],
    "clients": {"worker": 1, "events": 0, "other": 6},
    "latency": {"median": 0.0003, "worst": 0.0008, "samples": 10},
    "queues": [{"name": "email", "jobs": 1026, "memory_estimate": 1_048_576, "share": 1.0}],
    "slowlog": [{"at": "2026-03-01T11:59:00Z", "took": 0.012, "command": "oxmq obliterate"}],
}
HEAVY_JOBS: Final[dict[str, object]] = {
    "reconciled": True,
    "report": {
        "at": "2026-03-01T12:00:00Z",
        "leader": "scheduler-5d9c7:1",
        "term": 3,
        "silent_for": None,
        "owner": "8f14e45fceea167a",
        "address": "https://10.96.0.1:443",
        "namespaces": ["jobs"],
        "took": 0.043,
        "error": "",
        "counts": {"follow": 1},
        "runs": [
            {
                "namespace": "jobs",
                "name": "monthly-report-6e1f0a9c2b7d4835",
                "queue": "reports",
                "job_id": "42",
                "task": "monthly_report",
                "attempt": 1,
                "number": 1,
                "queue_says": "spawned",
                "cluster_says": "running",
                "action": "follow",
                "why": "whoever holds its job follows it",
                "since": "2026-03-01T11:40:30Z",
            }
        ],
        "repairs": [
            {
                "at": "2026-03-01T11:30:00Z",
                "namespace": "jobs",
                "name": "monthly-report-0c2d9f61e58b7a34",
                "queue": "reports",
                "job_id": "41",
                "action": "delete",
                "why": "its job was cancelled",
                "result": "done",
            }
        ],
    },
}


def shown(example: object) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of its answer, with an example."""
    return {200: {"content": {"application/json": {"example": example}}}}
