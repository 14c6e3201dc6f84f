"""Every change is written down: who, what, where, and what came of it."""

from __future__ import annotations

from typing import Any

import pytest

from oxmq import Job, every
from tests.support.waiting import eventually
from tests.web.serving import Web

#: Operations that change something and of which no entry is written: the jobs tell of themselves, and nobody changes
#: a queue by signing in.
EXEMPT = {"add_job", "add_jobs", "add_flow", "sign_in", "sign_out"}

#: Bodies of the operations that need one.
BODIES: dict[str, Any] = {
    "change_limits": {"concurrency": 3},
    "clean_queue": {"state": "failed", "older_than": 0},
    "put_schedule": {"every": 60},
    "act_on_jobs": {"action": "cancel", "ids": ["act_on_jobs"]},
    "change_job": {"priority": 3},
}
#: The jobs that operations can be done to; others have the operation's name.
JOBS = {"retry_job": "failed-1", "promote_job": "delayed-1", "duplicate_job": "failed-2"}
#: What ends the queue comes last.
LAST = (
    "retry_failed_jobs",
    "promote_delayed_jobs",
    "clean_queue",
    "remove_schedule",
    "drain_queue",
    "obliterate_queue",
)


async def _stage(web: Web) -> None:
    async def work(job: Job[Any]) -> None:
        raise ValueError("no")

    queue = web.bed.queue("email")
    worker = web.bed.working(work, "email")
    for at in (1, 2):
        await queue.add("x", job_id=f"failed-{at}")
    await eventually(lambda: _failed(queue))
    await worker.close()
    for name in ("act_on_jobs", "cancel_job", "change_job", "delete_job"):
        await queue.add("x", job_id=name)
    await queue.add("x", job_id="delayed-1", delay=60)
    await queue.upsert_job_scheduler("hourly", every("1h"))


async def _failed(queue: Any) -> bool:
    return bool(await queue.get_job_count_by_types("failed") == 2)


def _changes(document: Any) -> list[tuple[str, str, str]]:
    changes = [
        (operation["operationId"], method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method != "get"
    ]
    return sorted(changes, key=lambda change: LAST.index(change[0]) if change[0] in LAST else -1)


async def test_every_change_is_written_down(web: Web) -> None:
    await _stage(web)
    changes = _changes((await web.client.get("/openapi.json")).json())
    assert {name for name, _, _ in changes} >= EXEMPT
    for name, method, path in changes:
        if name in EXEMPT:
            continue
        place = path.format(queue="email", schedule_id="hourly", job_id=JOBS.get(name, name))
        before = (await web.get("/api/audit", limit=1))["entries"]
        body = BODIES.get(name)
        answer = await web.client.request(method, place, json=body)
        assert answer.status_code < 300, (name, answer.text)
        (entry,) = (await web.get("/api/audit", limit=1))["entries"]
        assert [entry] != before, f"{name} wrote no entry"
        assert (entry["user"], entry["role"], entry["queue"]) == ("local", "admin", "email"), name
        assert entry["action"]
        assert entry["scope"]
        assert not entry["result"].startswith("failed"), (name, entry)


async def test_what_was_refused_is_written_down_too(guarded_web: Web) -> None:
    admin = guarded_web.as_("admin")
    assert (await admin.post("/api/queues/email/schedules/none:run")).status_code == 404
    (entry,) = (await admin.get("/api/audit")).json()["entries"]
    assert (entry["user"], entry["action"], entry["scope"]) == ("admin", "run schedule", "schedule none")
    assert entry["result"].startswith("failed: ")


async def test_entries_come_page_by_page_and_by_queue(guarded_web: Web, redis_client: Any, prefix: str) -> None:
    admin = guarded_web.as_("admin")
    for number in range(5):
        name = "email" if number % 2 else "reports"
        await guarded_web.bed.queue(name).add("x")
        await admin.post(f"/api/queues/{name}:{'pause' if number < 3 else 'resume'}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await admin.get("/api/audit", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [entry["queue"] for entry in page["entries"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == ["reports", "email", "reports", "email", "reports"]
    for wrong in ("x", "1", "1-1-1"):
        assert (await admin.get("/api/audit", params={"cursor": wrong})).status_code == 422
    redis_client.xadd(f"{prefix}:oxmq-audit", {b"\xff": b"\xfe", "user": "x" * 10})
    entry = (await admin.get("/api/audit", params={"limit": 1})).json()["entries"][0]
    assert (entry["user"], entry["action"]) == ("x" * 10, "")


@pytest.mark.parametrize("path", ["/api/queues/email:drain", "/api/queues/email:retry-failed"])
async def test_a_dry_run_changes_nothing_and_is_not_written_down(web: Web, path: str) -> None:
    await web.bed.queue("email").add("x")
    await web.post(path, {"dry_run": True})
    assert (await web.get("/api/audit"))["entries"] == []
