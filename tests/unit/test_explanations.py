"""The words for why a job does not run, for every situation that there can be."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq.keys import QueueKeys
from oxmq.ops.explanations import explain
from oxmq.ops.situations import ChildSituation, QueueSituation, Situation
from oxmq.records import JobRecord

NOW = 1_700_000_000_000
KEYS = QueueKeys("q")
WORKER = "bull:cQ=="
ANYBODY = ["other", "bull:cQ==:qe", "bull:eHg=", "bull:cQ==x"]


def queue(**facts: Any) -> QueueSituation:
    known: dict[str, Any] = {
        "paused": False, "concurrency": None, "active": 0, "limit_max": None, "limit_ms": None, "started": None,
        "limited_ms": -2,
    }  # fmt: skip
    return QueueSituation(**known | facts)


def words(state: str, clients: list[str] | None = None, **facts: Any) -> str:
    """Return the explanation for a job in that state; fields of its record are given with ``job_`` before them."""
    record = {name.removeprefix("job_"): facts.pop(name) for name in list(facts) if name.startswith("job_")}
    known: dict[str, Any] = {
        "job": JobRecord("5", **record), "cancelled": False, "state": state, "ahead": 0, "better": 0, "score": 0.0,
        "lock_ms": -2, "processed": 0, "pending": 0, "ignored": 0, "unsuccessful": 0, "queue": queue(), "children": [],
    }  # fmt: skip
    return explain(Situation(**known | facts), KEYS, "5", [WORKER] if clients is None else clients, NOW)


def child(state: str, key: str = "bull:q:c", **facts: Any) -> ChildSituation:
    known: dict[str, Any] = {"name": "part", "failed_reason": "", "lock_ms": -2, "paused": False}
    return ChildSituation(key=key, state=state, **known | facts)


def test_no_such_job() -> None:
    said = "There is no job 5 in queue 'q': it was removed, or never added."
    assert explain(None, KEYS, "5", None, NOW) == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "Job 5 is waiting: it is the next to run. 1 worker is connected, and 0 jobs are active."),
        (
            {"ahead": 1, "clients": [WORKER, f"{WORKER}:w:b"], "queue": queue(active=1)},
            "Job 5 is waiting: 1 job runs before it. 2 workers are connected, and 1 job is active.",
        ),
        ({"ahead": 7, "queue": queue(paused=True)}, "Job 5 is waiting: 7 jobs run before it. The queue 'q' is paused."),
        ({"clients": ANYBODY}, "Job 5 is waiting: it is the next to run. No worker of queue 'q' is connected."),
        (
            {"queue": queue(concurrency=2, active=2)},
            "Job 5 is waiting: it is the next to run. "
            "As many jobs are active as the queue allows at once: 2 of 2.",
        ),
        (
            {"queue": queue(started=2**53 - 1, limited_ms=4200)},
            "Job 5 is waiting: it is the next to run. The queue is held back: no job starts for 4.2 s.",
        ),
        (
            {"queue": queue(started=10, limit_max=10, limit_ms=60_000, limited_ms=12_000)},
            "Job 5 is waiting: it is the next to run. "
            "The rate limit is used up (10 starts in 1 min): no job starts for 12 s.",
        ),
        (
            {"queue": queue(started=3, limited_ms=12_000)},
            "Job 5 is waiting: it is the next to run. "
            "A worker limits the rate: 3 jobs have started in the present window, which ends in 12 s.",
        ),
        (
            {"queue": queue(started=9, limit_max=10, limit_ms=60_000, limited_ms=12_000)},
            "Job 5 is waiting: it is the next to run. 1 worker is connected, and 0 jobs are active.",
        ),
        (
            {"job_deferred_failure": "child bull:q:c failed"},
            "Job 5 is waiting: it is the next to run. 1 worker is connected, and 0 jobs are active. "
            "When a worker takes it, it will be failed and not run: child bull:q:c failed.",
        ),
        (
            {"job_opts": b'{"expires":60000}', "job_timestamp": NOW - 10_000},
            "Job 5 is waiting: it is the next to run. 1 worker is connected, and 0 jobs are active. "
            "It expires when it has not started by 2023-11-14 22:14:10 UTC, in 50 s.",
        ),
        (
            {"job_opts": b'{"expires":5000}', "job_timestamp": NOW - 10_000},
            "Job 5 is waiting: it is the next to run. 1 worker is connected, and 0 jobs are active. "
            "It expired at 2023-11-14 22:13:15 UTC: it will be failed and not run.",
        ),
        (
            {"ahead": None},
            "Job 5 is waiting, in the middle of a very long line. 1 worker is connected, and 0 jobs are active.",
        ),
    ],
)  # fmt: skip
def test_waiting(facts: dict[str, Any], said: str) -> None:
    assert words("waiting", **facts) == said


def test_waiting_where_the_server_names_no_clients() -> None:
    situation = Situation(
        JobRecord("5"), False, "waiting", 0, 0, 0.0, -2, 0, 0, 0, 0, queue(), []
    )  # fmt: skip
    assert explain(situation, KEYS, "5", None, NOW) == "Job 5 is waiting: it is the next to run."


def test_prioritized() -> None:
    assert words("prioritized", ahead=5, better=3, job_priority=2, clients=[]).startswith(
        "Job 5 is waiting with priority 2: 5 jobs run before it, 3 of them because their priority is better or they "
        "have none. No worker of queue 'q' is connected."
    )
    assert words("prioritized", job_priority=2).startswith("Job 5 is waiting with priority 2: it is the next to run. ")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"due": NOW + 90_000}, "Job 5 is delayed until 2023-11-14 22:14:50 UTC, in 1 min 30 s."),
        (
            {"due": NOW + 90_000, "job_attempts_made": 2, "job_failed_reason": "no\nluck"},
            "Job 5 is delayed until 2023-11-14 22:14:50 UTC, in 1 min 30 s. "
            "It has failed twice and will be tried again. The latest reason: no luck.",
        ),
        (
            {"due": NOW + 90_000, "job_scheduler_id": "nightly", "clients": []},
            "Job 5 is delayed until 2023-11-14 22:14:50 UTC, in 1 min 30 s. "
            "It is the next run of scheduler 'nightly'. No worker of queue 'q' is connected.",
        ),
        (
            {"due": NOW + 90_000, "queue": queue(paused=True, started=2**53 - 1, limited_ms=4200)},
            "Job 5 is delayed until 2023-11-14 22:14:50 UTC, in 1 min 30 s. The queue 'q' is paused.",
        ),
        (
            {"due": NOW - 5_000, "queue": queue(concurrency=1, active=1)},
            "Job 5 was delayed until 2023-11-14 22:13:15 UTC, 5.0 s ago; a worker has to notice. "
            "As many jobs are active as the queue allows at once: 1 of 1.",
        ),
    ],
)  # fmt: skip
def test_delayed(facts: dict[str, Any], said: str) -> None:
    assert words("delayed", score=float(facts.pop("due") * 4096 + 3), **facts) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (child("waiting"), "Child bull:q:c (part) is waiting."),
        (child("waiting", name=""), "Child bull:q:c is waiting."),
        (child("waiting", paused=True), "Child bull:q:c (part) is waiting, and its queue 'q' is paused."),
        (
            child("delayed", "bull:far:c"),
            "Child bull:far:c (part) is delayed, and no worker of its queue 'far' is connected.",
        ),
        (child("waiting-children", "bull:far:c"), "Child bull:far:c (part) is waiting-children."),
        (child("active", lock_ms=5), "Child bull:q:c (part) is running."),
        (child("active"), "Child bull:q:c (part) is running, but its lock has run out."),
        (
            child("failed", failed_reason="no luck"),
            "Child bull:q:c (part) has failed and has no failure policy: retry or remove it. Its reason: no luck.",
        ),
        (
            child("gone", name=""),
            "Child bull:q:c is gone, and nobody told its parent: remove the dependency or the parent.",
        ),
        (child("unknown"), "Child bull:q:c (part) is in no state, so that no worker finds it: remove it."),
        (child("completed"), "Child bull:q:c (part) has completed, and nobody told its parent: remove that child."),
    ],
)
def test_waiting_for_a_child(found: ChildSituation, said: str) -> None:
    assert words("waiting-children", pending=1, children=[found]) == f"Job 5 waits for 1 of its 1 child. {said}"


def test_waiting_for_many_children() -> None:
    children = [child("waiting", f"bull:q:{number}") for number in range(8)] + [child("failed", "bull:q:bad")]
    told = words("waiting-children", pending=30, processed=10, ignored=1, unsuccessful=1, children=children)
    assert told.startswith("Job 5 waits for 30 of its 42 children. Child bull:q:bad (part) has failed")
    assert told.count("Child ") == 5
    assert told.endswith("25 more are not listed here.")


def test_waiting_for_nobody() -> None:
    assert "has none left to wait for: nobody released it" in words("waiting-children")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"lock_ms": 25_000, "job_processed_on": NOW - 3_700_000, "job_processed_by": "w1"},
            "Job 5 is running by worker 'w1' for 1 h 1 min, since 2023-11-14 21:11:40 UTC; it is run number 2. "
            "Its worker holds the lock for another 25 s, and renews it while it lives.",
        ),
        (
            {"lock_ms": -2},
            "Job 5 is running; it is run number 2. But its lock has run out: its worker is gone or hangs. Unless that "
            "worker ends it after all, another gives it back to the queue at its next look for stalled jobs.",
        ),
        (
            {"lock_ms": 25_000, "cancelled": True, "job_deferred_failure": "enough", "pending": 2},
            "Job 5 is running; it is run number 2. "
            "Its worker holds the lock for another 25 s, and renews it while it lives. It was asked to stop: enough. "
            "It cannot complete before 2 children have ended.",
        ),
    ],
)
def test_active(facts: dict[str, Any], said: str) -> None:
    assert words("active", job_attempts_started=2, **facts) == said


def test_active_and_nobody_there() -> None:
    assert words("active", clients=[]).endswith("No worker is connected that could.")


def test_ended() -> None:
    assert words("completed", score=float(NOW - 86_400_000 - 7_200_000)) == (
        "Job 5 completed at 2023-11-13 20:13:20 UTC, 1 d 2 h ago."
    )
    assert words("failed", score=float(NOW - 60_000), job_attempts_made=3, job_failed_reason="x" * 300) == (
        f"Job 5 failed after 3 attempts at 2023-11-14 22:12:20 UTC, 1 min ago: {'x' * 200}... "
        "It is not tried again unless somebody retries it."
    )
    assert "no reason is recorded." in words("failed", score=float(NOW))


def test_nowhere() -> None:
    assert words("unknown").startswith("Job 5 exists, but is in no state of queue 'q', so that no worker finds it")
