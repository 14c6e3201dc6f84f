"""Schedules are looked at, changed, held and run over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from oxmq import every
from tests.compat.node_peer import NodePeer
from tests.support.waiting import eventually
from tests.web.serving import Web

NIGHTLY = "/api/queues/email/schedules/nightly"
BODY = {"cron": "0 9 * * *", "time_zone": "Europe/Berlin", "name": "digest", "data": {"to": "all"}}


async def _put(web: Web, body: Any = BODY, path: str = NIGHTLY, status: int = 200) -> Any:
    answer = await web.client.put(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_a_schedule_is_made_shown_changed_and_removed(web: Web) -> None:
    made = await _put(web)
    assert made["words"] == "Every day at 09:00 (Europe/Berlin)"
    assert (made["queue"], made["id"], made["name"], made["cron"]) == ("email", "nightly", "digest", "0 9 * * *")
    assert len(made["next_five"]) == 5
    assert made["next_at"] == made["next_five"][0]
    assert (made["paused"], made["declared"], made["legacy"], made["late"]) == (False, False, False, False)
    assert await web.get(NIGHTLY) == made
    page = await web.get("/api/queues/email/schedules")
    assert page == {"schedules": [made], "cursor": None}
    everywhere = await web.get("/api/schedules")
    assert everywhere["schedules"] == [made]

    changed = await _put(web, {"every": "15m", "options": {"attempts": 3, "priority": 2}, "limit": 7})
    assert (changed["words"], changed["every"], changed["cron"], changed["limit"]) == ("Every 15 minutes", 900, None, 7)
    assert (changed["name"], changed["data"], changed["options"]["attempts"]) == ("nightly", {}, 3)
    assert changed["runs_made"] == 0

    assert (await web.client.delete(NIGHTLY)).status_code == 204
    assert (await web.client.delete(NIGHTLY)).status_code == 404
    await web.get(NIGHTLY, 404)


FAULTS: list[tuple[Any, str]] = [
    ({}, "body"),
    ({"cron": "* * * * *", "every": 5}, "body"),
    ({"cron": "61 * * * *"}, "body.cron"),
    ({"cron": "* * * * *", "time_zone": "Mars/Olympus"}, "body.time_zone"),
    ({"every": 5, "time_zone": "UTC"}, "body"),
    ({"every": 0}, "body.every"),
    ({"every": "soon"}, "body.every"),
    ({"every": 5, "start_at": "2030-01-01T00:00:00"}, "body.start_at"),
    ({"every": 5, "end_at": "2020-01-01T00:00:00Z"}, "body.end_at"),
    ({"every": 5, "missed": "some"}, "body.missed"),
    ({"every": 5, "limit": 0}, "body.limit"),
    ({"every": 5, "options": {"delay": 4}}, "body.options"),
    ({"every": 5, "options": {"attempts": "x"}}, "body.options.attempts"),
    ({"every": 5, "data": {"x": "\ud800"}}, "body.data"),
    ({"every": 5, "nope": 1}, "body.nope"),
]


async def test_what_is_not_acceptable_is_named(web: Web) -> None:
    for body, field in FAULTS:
        answer = await web.client.put(NIGHTLY, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert await web.bed.queue("email").get_job_schedulers_count() == 0


async def test_ids_that_no_schedule_may_have_are_refused(web: Web) -> None:
    await _put(web, path="/api/queues/email/schedules/a%3Ab", status=422)
    await _put(web, path="/api/queues/b%20ad/schedules/x", status=422)
    await web.get("/api/queues/email/schedules/a%3Ab", 404)


async def test_a_schedule_is_paused_resumed_and_run(web: Web) -> None:
    await _put(web)
    paused = await web.post(f"{NIGHTLY}:pause")
    assert (paused["paused"], paused["next_at"], paused["next_five"]) == (True, None, [])
    resumed = await web.post(f"{NIGHTLY}:resume")
    assert (resumed["paused"], len(resumed["next_five"])) == (False, 5)
    answer = await web.client.post(f"{NIGHTLY}:run")
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["url"]
    job = await web.bed.queue("email").get_job(answer.json()["id"])
    assert job is not None
    assert (job.name, job.data) == ("digest", {"to": "all"})
    for verb in ("pause", "resume", "run"):
        await web.post(f"/api/queues/email/schedules/none:{verb}", status=404)


async def test_last_runs_are_shown(web: Web) -> None:
    async def work(_: Any) -> None: ...

    web.bed.working(work, "email")
    await _put(web, {"every": 3600})

    async def runs() -> Any:
        return (await web.get(NIGHTLY))["last_runs"]

    (run,) = await eventually(runs)
    assert run["state"] in ("active", "completed")
    assert run["job_id"].startswith("repeat:nightly:")


async def test_what_was_shown_redacted_stays_as_it_is_stored(web: Web) -> None:
    await _put(web, {"every": 3600, "data": {"password": "geheim", "to": "ada"}})
    seen = await web.get(NIGHTLY)
    assert seen["data"] == {"password": "[redacted]", "to": "ada"}
    await _put(web, {"every": 3600, "data": {**seen["data"], "to": "bob"}})
    stored = await web.bed.queue("email").get_job_scheduler("nightly")
    assert stored is not None
    assert stored.data == {"password": "geheim", "to": "bob"}


async def test_pages_go_through_all(web: Web) -> None:
    queue = web.bed.queue("email")
    start = datetime.now(UTC) + timedelta(days=1)
    for number in range(7):
        await queue.upsert_job_scheduler(f"s{number}", every("1h", start=start + timedelta(minutes=number)))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params: dict[str, Any] = {"limit": 3} if cursor is None else {"limit": 3, "cursor": cursor}
        page = await web.get("/api/queues/email/schedules", **params)
        seen += [schedule["id"] for schedule in page["schedules"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert seen == [f"s{number}" for number in range(7)]
    await web.get("/api/queues/email/schedules", 422, cursor="nonsense")


async def test_tokens_limited_to_queues_see_no_others(guarded_web: Web) -> None:
    for name in ("email", "reports"):
        await guarded_web.bed.queue(name).upsert_job_scheduler("s", every("1h"))
    seen = await guarded_web.as_("only-email").get("/api/schedules")
    assert [schedule["queue"] for schedule in seen.json()["schedules"]] == ["email"]


async def test_what_bullmq_made_is_shown(web: Web, node: NodePeer) -> None:
    repeat = {"pattern": "0 30 9 * * 1-5", "tz": "Europe/Berlin"}
    await node.request("upsertScheduler", queue="email", scheduler="theirs", repeat=repeat, template={"name": "x"})
    shown = await web.get("/api/queues/email/schedules/theirs")
    assert shown["words"] == "At 09:30, Monday through Friday (Europe/Berlin)"


async def test_broken_records_are_shown_all_the_same(web: Web, redis_client: Any, prefix: str) -> None:
    await web.bed.queue("email").add("x")
    base = f"{prefix}:email:repeat"
    redis_client.zadd(base, {b"\xff\xfe": 1e300, "half": -5, "huge": 1})
    redis_client.hset(f"{base}:half", mapping={"ic": "x", "every": "soon", "opts": "5", "data": "{"})
    redis_client.hset(f"{base}:huge", mapping={"ic": 1, "pattern": "* " * 50_000, "data": b"\xff", "endDate": "1e300"})
    page = await web.get("/api/queues/email/schedules")
    assert len(page["schedules"]) == 3
    await web.get("/api/schedules")
