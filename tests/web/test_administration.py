"""Queues are emptied and put in order over HTTP, step by step."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from oxmq import Job, every
from tests.support.waiting import eventually
from tests.web.serving import Web

EMAIL = "/api/queues/email"


async def _fill(web: Web, count: int = 3, **options: Any) -> None:
    await web.bed.queue("email").add_bulk([("x", {"n": at}, options) for at in range(count)])


async def _end_all(web: Web, fail: bool = False) -> None:
    async def work(_: Job[Any]) -> None:
        if fail:
            raise ValueError("no")

    queue = web.bed.queue("email")
    worker = web.bed.working(work, "email")
    await eventually(lambda: _is_empty(queue))
    await worker.close()


async def _nothing(_: Job[Any]) -> None: ...


async def _is_empty(queue: Any) -> bool:
    return not await queue.get_job_count_by_types("waiting", "active", "prioritized")


async def _counts(web: Web, *states: str) -> list[int]:
    counts = await web.bed.queue("email").get_job_counts(*states)
    return [counts[state] for state in states]


async def test_drain_deletes_what_has_not_begun(web: Web) -> None:
    await _fill(web, 3)
    await _fill(web, 2, priority=1)
    await _fill(web, 4, delay=60)
    assert await web.post(f"{EMAIL}:drain", {"dry_run": True}) == {"count": 5, "dry_run": True, "more": False}
    assert await web.post(f"{EMAIL}:drain") == {"count": 5, "dry_run": False, "more": False}
    assert await _counts(web, "waiting", "prioritized", "delayed") == [0, 0, 4]
    assert (await web.post(f"{EMAIL}:drain", {"delayed": True}))["count"] == 4


async def test_steps_are_bounded_and_go_on(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oxmq.monitor.emptying._MOST", 200)
    await _fill(web, 600)
    await web.bed.queue("email").upsert_job_scheduler("s", every("1h"))
    counts: list[int] = []
    while (step := await web.post(f"{EMAIL}:drain"))["more"]:
        counts.append(step["count"])
    assert sum(counts) + step["count"] == 600
    assert len(counts) == 2
    assert await _counts(web, "waiting", "delayed") in ([1, 0], [0, 1])  # the next job of the schedule stays


async def test_clean_deletes_old_jobs_of_a_state(web: Web) -> None:
    await _fill(web, 5)
    await _end_all(web)
    assert (await web.post(f"{EMAIL}:clean", {"state": "completed", "older_than": "1h"}))["count"] == 0
    dry = await web.post(f"{EMAIL}:clean", {"state": "completed", "older_than": 0, "dry_run": True})
    assert dry == {"count": 5, "dry_run": True, "more": False}
    some = await web.post(f"{EMAIL}:clean", {"state": "completed", "older_than": 0, "limit": 2})
    assert some == {"count": 2, "dry_run": False, "more": False}
    assert (await web.post(f"{EMAIL}:clean", {"state": "completed", "older_than": 0}))["count"] == 3
    await _fill(web, 2)
    await _fill(web, 3, delay=60)
    for state, count in (("waiting", 2), ("delayed", 3), ("prioritized", 0), ("active", 0)):
        for dry_run in (True, False):
            body = {"state": state, "older_than": 0, "dry_run": dry_run}
            assert (await web.post(f"{EMAIL}:clean", body))["count"] == count, (state, dry_run)


async def test_obliterate_deletes_the_queue_unless_jobs_run(web: Web, redis_client: Any, prefix: str) -> None:
    await _fill(web, 3)
    job = await web.bed.queue("email").get_waiting(0, 0)
    assert (await web.post(f"{EMAIL}:obliterate", {"dry_run": True}))["count"] == 3
    worker = web.bed.worker(_nothing, "email")
    taken = await worker.get_next_job("token")
    assert taken is not None
    assert job
    refused = await web.post(f"{EMAIL}:obliterate", status=409)
    assert "active jobs" in refused["detail"]
    assert (await web.post(f"{EMAIL}:obliterate", {"force": True})) == {"count": 3, "dry_run": False, "more": False}
    assert not redis_client.keys(f"{prefix}:email:*")
    await web.post(f"{EMAIL}:obliterate", status=404)


async def test_failed_jobs_are_retried_and_delayed_ones_promoted(web: Web) -> None:
    await _fill(web, 4)
    await _end_all(web, fail=True)
    await _fill(web, 2, delay=60)
    assert (await web.post(f"{EMAIL}:retry-failed", {"dry_run": True}))["count"] == 4
    long_ago = {"failed_before": datetime(2020, 1, 1, tzinfo=UTC).isoformat()}
    assert (await web.post(f"{EMAIL}:retry-failed", long_ago))["count"] == 0
    assert await web.post(f"{EMAIL}:retry-failed") == {"count": 4, "dry_run": False, "more": False}
    assert (await web.post(f"{EMAIL}:promote-delayed", {"dry_run": True}))["count"] == 2
    assert await web.post(f"{EMAIL}:promote-delayed") == {"count": 2, "dry_run": False, "more": False}
    assert await _counts(web, "waiting", "failed", "delayed") == [6, 0, 0]


FAULTS: list[tuple[str, Any, str]] = [
    ("drain", {"delayed": "yes"}, "body.delayed"),
    ("clean", {}, "body.state"),
    ("clean", {"state": "gone", "older_than": 0}, "body.state"),
    ("clean", {"state": "failed", "older_than": -1}, "body.older_than"),
    ("clean", {"state": "failed", "older_than": 0, "limit": 0}, "body.limit"),
    ("obliterate", {"forced": True}, "body.forced"),
    ("retry-failed", {"failed_before": "2030-01-01T00:00:00"}, "body.failed_before"),
]


async def test_what_is_not_acceptable_is_named(web: Web) -> None:
    for verb, body, field in FAULTS:
        refused = await web.post(f"{EMAIL}:{verb}", body, 422)
        assert field in [error["field"] for error in refused["errors"]]


async def test_a_queue_that_is_not_there_is_not_made(web: Web, redis_client: Any, prefix: str) -> None:
    for verb in ("drain", "obliterate", "retry-failed", "promote-delayed"):
        await web.post(f"/api/queues/none:{verb}", status=404)
    assert not redis_client.keys(f"{prefix}:none:*")


async def test_a_body_may_be_left_out(web: Web) -> None:
    await _fill(web, 1)
    answer = await web.client.post(f"{EMAIL}:drain")
    assert (answer.status_code, answer.json()["count"]) == (200, 1)
