"""The lists of jobs: pages, searches, suggestions, groups of failures, and acts on many."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from oxmq import Job, Queue
from oxmq.monitor.bulk import Action, Order, act_on_matching
from oxmq.monitor.jobs_page import get_jobs_page
from oxmq.monitor.site import Site
from tests.web.jobs import ignore
from tests.web.serving import Web

EMAIL = "/api/queues/email"


@pytest.fixture
def queue(web: Web) -> Queue:
    return web.bed.queue("email")


async def add(queue: Queue, count: int, name: str = "send", **options: Any) -> list[Job[Any]]:
    return await queue.add_bulk([(name, {"number": number}, options) for number in range(count)])


async def fail_all(web: Web, queue: Queue, reason: str = "no such host", stack: str | None = None) -> None:
    """Fail all jobs that wait, for good."""
    worker = web.bed.worker(ignore, "email")
    while (job := await worker.get_next_job("token")) is not None:
        await job.move_to_failed(reason, "token", stack=stack)


async def all_ids(web: Web, **params: Any) -> list[str]:
    """Return the ids on all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = await web.get(f"{EMAIL}/jobs", **params, **({"cursor": cursor} if cursor else {}))
        found += [job["id"] for job in page["jobs"]]
        cursor = page["cursor"]
        if cursor is None:
            return found


async def act(web: Web, **body: Any) -> dict[str, int]:
    """Send an order again and again until it is done; return the sums."""
    sums = {"matched": 0, "changed": 0, "skipped_count": 0, "steps": 0}
    cursor = None
    while True:
        step = await web.post(f"{EMAIL}/jobs:act", {**body, "cursor": cursor})
        sums = {name: value + step.get(name, 1) for name, value in sums.items()}
        cursor = step["cursor"]
        if cursor is None:
            return sums


# ---- pages -----------------------------------------------------------------------------------------------------------


async def test_a_row_tells_what_is_known_of_a_job(web: Web, queue: Queue) -> None:
    job = await queue.add("send", {"to": "ada", "password": "hush"}, attempts=3, delay=60)
    (row,) = (await web.get(f"{EMAIL}/jobs", state="delayed"))["jobs"]
    assert (row["id"], row["name"], row["state"], row["queue"]) == (job.id, "send", "delayed", "email")
    assert (row["attempts_made"], row["attempts_allowed"], row["delay"]) == (0, 3, 60)
    assert row["data_preview"] == '{"to":"ada","password":"[redacted]"}'
    assert row["due_at"] > row["added_at"]
    assert row["started_at"] is row["finished_at"] is row["parent"] is row["progress"] is None


async def test_pages_show_each_job_once_in_order(web: Web, queue: Queue) -> None:
    ids = [job.id for job in await add(queue, 25)]
    assert await all_ids(web, state="waiting", order="oldest", limit=10) == ids
    assert await all_ids(web, state="waiting", order="newest", limit=10) == ids[::-1]


async def test_an_empty_queue_has_an_empty_page(web: Web) -> None:
    page = await web.get(f"{EMAIL}/jobs", state="failed")
    assert (page["jobs"], page["cursor"], page["total"], page["scanned"], page["matched"]) == ([], None, 0, 0, 0)


async def test_a_cursor_that_nobody_gave_out_is_refused(web: Web) -> None:
    for cursor in ("x", "%%%", "e30", "eyJzIjoxfQ", "A" * 4000, "W10", "bnVsbA"):
        problem = await web.get(f"{EMAIL}/jobs", 422, state="waiting", cursor=cursor)
        assert "cursor" in problem["errors"][0]["field"]


async def test_a_cursor_belongs_to_its_list(web: Web, queue: Queue) -> None:
    await add(queue, 3)
    cursor = (await web.get(f"{EMAIL}/jobs", state="waiting", limit=1))["cursor"]
    await web.get(f"{EMAIL}/jobs", 422, state="failed", cursor=cursor)
    await web.get(f"{EMAIL}/jobs", 422, state="waiting", order="oldest", cursor=cursor)


async def test_parameters_are_checked(web: Web) -> None:
    wrong: list[dict[str, Any]] = [
        {}, {"state": "lost"}, {"state": "waiting", "limit": 101}, {"state": "waiting", "order": "best"},
    ]  # fmt: skip
    for params in wrong:
        problem = await web.get(f"{EMAIL}/jobs", 422, **params)
        assert problem["errors"][0]["field"].startswith("query.")


# ---- search ----------------------------------------------------------------------------------------------------------


async def test_a_search_finds_and_tells_what_it_cost(web: Web, queue: Queue) -> None:
    await add(queue, 30)
    await add(queue, 2, "receive")
    page = await web.get(f"{EMAIL}/jobs", state="waiting", search="name:receive data.number:1")
    assert [job["data_preview"] for job in page["jobs"]] == ['{"number":1}']
    assert (page["total"], page["scanned"], page["matched"], page["cursor"]) == (32, 32, 1, None)


async def test_a_search_goes_on_page_by_page(web: Web, queue: Queue) -> None:
    jobs = await add(queue, 250)
    assert await all_ids(web, state="waiting", search="send", limit=40, order="oldest") == [job.id for job in jobs]
    wanted = [job.id for job in jobs if job.data["number"] > 90 and job.data["number"] < 130]
    search = "data.number:>90 data.number:<130"
    for limit in (1, 7, 100):
        assert await all_ids(web, state="waiting", search=search, limit=limit, order="oldest") == wanted


async def test_a_search_looks_at_so_many_jobs_only(web: Web, queue: Queue) -> None:
    await add(queue, 2_300)
    page = await web.get(f"{EMAIL}/jobs", state="waiting", search="nothing")
    assert 0 < page["scanned"] <= 2_000
    assert (page["jobs"], page["matched"], page["total"]) == ([], 0, 2_300)
    assert page["cursor"] is not None


async def test_a_job_is_found_by_its_id_at_once(web: Web, queue: Queue) -> None:
    job = (await add(queue, 10))[4]
    page = await web.get(f"{EMAIL}/jobs", state="waiting", search=f"id:{job.id}")
    assert ([row["id"] for row in page["jobs"]], page["scanned"], page["total"]) == ([job.id], 1, 10)
    assert (await web.get(f"{EMAIL}/jobs", state="failed", search=f"id:{job.id}"))["jobs"] == []


async def test_a_search_that_is_not_understood_says_what_is(web: Web) -> None:
    problem = await web.get(f"{EMAIL}/jobs", 422, state="waiting", search="colour:red")
    assert "there are name:" in problem["detail"]


async def test_suggestions_come_from_the_newest_jobs(web: Web, queue: Queue) -> None:
    await queue.add("send", {"user": {"id": 1, "token": "x"}, "a b": 1, "items": [{"sku": 1}]})
    found = await web.get(f"{EMAIL}/suggestions", state="waiting")
    assert found["names"] == ["send"]
    assert set(found["data_keys"]) == {"user.id", "user.token", '"a b"', "items.sku"}


async def test_a_page_of_a_very_long_queue_takes_no_longer(web: Web, queue: Queue, redis_client: Any) -> None:
    await add(queue, 60)
    ids = [f"x{number}" for number in range(100_000)]
    prefix = web.bed.prefix
    for start in range(0, len(ids), 20_000):
        redis_client.rpush(f"{prefix}:email:wait", *ids[start : start + 20_000])
    redis_client.zadd(f"{prefix}:email:completed", {job_id: number for number, job_id in enumerate(ids)})
    began = time.monotonic()
    page = await web.get(f"{EMAIL}/jobs", state="waiting", limit=100)
    cursor = (await web.get(f"{EMAIL}/jobs", state="completed"))["cursor"]
    await web.get(f"{EMAIL}/jobs", state="completed", cursor=cursor)
    assert time.monotonic() - began < 3
    assert (len(page["jobs"]), page["total"]) == (60, 100_060)


# ---- failures --------------------------------------------------------------------------------------------------------


async def test_failures_are_grouped_by_their_cause(web: Web, queue: Queue) -> None:
    stack = 'Traceback (most recent call last):\n  File "/app/tasks.py", line 12, in send\nConnectionError: x'
    await add(queue, 5)
    await fail_all(web, queue, "host 42 not found", stack)
    await add(queue, 2, "receive")
    await fail_all(web, queue, "quota of 7 used up")
    found = await web.get(f"{EMAIL}/failures")
    first, second = found["groups"]
    assert (first["count"], first["error"], first["frame"]) == (5, "ConnectionError", "tasks.py:12 in send")
    assert (first["message"], first["names"], sum(first["trend"])) == ("host <n> not found", {"send": 5}, 5)
    assert (second["count"], second["error"], second["frame"], second["names"]) == (2, "Error", None, {"receive": 2})
    assert (found["scanned"], found["total"], found["complete"]) == (7, 7, True)
    page = await web.get(f"{EMAIL}/jobs", state="failed", search=f"fingerprint:{first['fingerprint']}")
    assert page["matched"] == 5
    assert first["sample_id"] in [job["id"] for job in page["jobs"]]
    job = await web.get(f"{EMAIL}/jobs/{first['sample_id']}")
    assert (job["similar_failures"], job["fingerprint"]) == (4, first["fingerprint"])


# ---- acts on many ----------------------------------------------------------------------------------------------------


async def test_all_that_match_are_retried_once(web: Web, queue: Queue) -> None:
    await add(queue, 1_130)
    await fail_all(web, queue)
    await add(queue, 20, "receive")
    await fail_all(web, queue)
    sums = await act(web, action="retry", match={"state": "failed", "search": "name:send"})
    assert (sums["matched"], sums["changed"], sums["skipped_count"]) == (1_130, 1_130, 0)
    assert sums["steps"] >= 3
    assert await queue.get_job_counts("waiting", "failed") == {"waiting": 1_130, "failed": 20}


async def test_jobs_that_fail_again_at_once_are_left_alone(web: Web, queue: Queue) -> None:
    await add(queue, 620)
    await fail_all(web, queue)

    def process(job: Job[Any]) -> None:
        raise ValueError("again")

    web.bed.working(process, "email", concurrency=20)
    sums = await act(web, action="retry", match={"state": "failed"})
    assert (sums["matched"], sums["changed"]) == (620, 620)


async def test_waiting_jobs_are_cancelled_all_of_them(web: Web, queue: Queue) -> None:
    await add(queue, 620)
    sums = await act(web, action="cancel", match={"state": "waiting"}, reason="not needed")
    assert (sums["matched"], sums["changed"]) == (620, 620)
    assert await queue.get_job_counts("waiting", "failed") == {"waiting": 0, "failed": 620}


async def test_priorities_are_changed(web: Web, queue: Queue) -> None:
    await add(queue, 250, priority=9)
    sums = await act(web, action="change_priority", match={"state": "prioritized"}, priority=2)
    assert sums["changed"] == 250
    assert set((await queue.get_counts_per_priority([2, 9])).values()) == {250, 0}


async def test_a_dry_run_only_counts(web: Web, queue: Queue) -> None:
    await add(queue, 30, delay=60)
    for body in ({"match": {"state": "delayed"}}, {"ids": [job.id for job in await queue.get_delayed()]}):
        sums = await act(web, action="promote", dry_run=True, **body)
        assert (sums["matched"], sums["changed"]) == (30, 30)
    assert await queue.get_delayed_count() == 30


async def test_jobs_in_another_state_are_skipped_with_a_reason(web: Web, queue: Queue) -> None:
    waiting, delayed = await queue.add("send"), await queue.add("send", {}, delay=60)
    step = await web.post(f"{EMAIL}/jobs:act", {"action": "promote", "ids": [waiting.id, delayed.id, "gone"]})
    assert (step["matched"], step["changed"], step["skipped_count"], step["cursor"]) == (2, 1, 2, None)
    assert step["skipped"] == [
        {"id": waiting.id, "reason": "it is waiting"},
        {"id": "gone", "reason": "there is no such job"},
    ]
    again = await web.post(f"{EMAIL}/jobs:act", {"action": "promote", "ids": [waiting.id, delayed.id, "gone"]})
    assert (again["changed"], again["skipped_count"]) == (0, 3)


async def test_many_ids_take_several_steps(web: Web, queue: Queue) -> None:
    ids = [job.id for job in await add(queue, 700)]
    sums = await act(web, action="remove", ids=ids)
    assert (sums["matched"], sums["changed"], sums["steps"]) == (700, 700, 2)
    assert await queue.get_waiting_count() == 0


async def test_a_running_job_is_not_removed(web: Web, queue: Queue) -> None:
    job = await queue.add("send")
    await web.bed.worker(ignore, "email").get_next_job("token")
    step = await web.post(f"{EMAIL}/jobs:act", {"action": "remove", "match": {"state": "active"}})
    assert (step["matched"], step["changed"], step["skipped"][0]["id"]) == (1, 0, job.id)
    assert "locked" in step["skipped"][0]["reason"]


async def test_orders_are_checked(web: Web) -> None:
    wrong: list[dict[str, Any]] = [
        {"action": "retry"},
        {"action": "retry", "ids": ["1"], "match": {"state": "failed"}},
        {"action": "retry", "ids": []},
        {"action": "retry", "ids": ["x"] * 1_001},
        {"action": "explode", "ids": ["1"]},
        {"action": "change_priority", "ids": ["1"]},
        {"action": "retry", "match": {"state": "waiting"}},
        {"action": "retry", "match": {"state": "failed", "search": "colour:red"}},
        {"action": "retry", "match": {"state": "failed"}, "cursor": "x"},
        {"action": "retry", "ids": ["1"], "unknown": 1},
    ]
    for body in wrong:
        await web.post(f"{EMAIL}/jobs:act", body, 422)


async def test_a_cursor_belongs_to_its_order(web: Web, queue: Queue) -> None:
    await add(queue, 620)
    order = {"action": "cancel", "match": {"state": "waiting"}}
    cursor = (await web.post(f"{EMAIL}/jobs:act", order))["cursor"]
    await web.post(f"{EMAIL}/jobs:act", {**order, "reason": "another", "cursor": cursor}, 422)


async def test_roles(guarded_web: Web) -> None:
    queue = guarded_web.bed.queue("email")
    job = await queue.add("send")
    body = {"action": "remove", "ids": [job.id]}
    for who, status in (("viewer", 403), ("operator", 403), ("only-email", 403), ("admin", 200)):
        answer = await guarded_web.as_(who).post(f"{EMAIL}/jobs:act", json=body)
        assert answer.status_code == status
    answer = await guarded_web.as_("only-email").get("/api/queues/other/jobs", params={"state": "waiting"})
    assert answer.status_code == 403


async def test_steps_are_audited_but_not_dry_runs(web: Web, queue: Queue, redis_client: Any) -> None:
    await add(queue, 3)
    for dry_run in (True, False):
        await act(web, action="cancel", match={"state": "waiting", "search": "send"}, dry_run=dry_run)
    ((_, entry),) = redis_client.xrange(f"{web.bed.prefix}:oxmq-audit")
    assert entry["action"] == "cancel"
    assert (entry["scope"], entry["result"]) == ("waiting jobs that match send", "3 of 3 jobs")


# ---- without HTTP ----------------------------------------------------------------------------------------------------


async def test_jobs_added_meanwhile_do_not_keep_an_order_going(web: Web, queue: Queue, redis_url: str) -> None:
    await add(queue, 300)
    async with Site(redis_url, prefix=web.bed.prefix) as site:
        cursor, changed, steps = None, 0, 0
        order = Order(action=Action.CANCEL)
        while True:
            step = await act_on_matching(site, "email", order, "waiting", cursor=cursor)
            await add(queue, 200)
            cursor, changed, steps = step.cursor, changed + step.changed, steps + 1
            if cursor is None:
                break
    assert changed == 300
    assert steps < 5


async def test_the_command_line_sees_what_is_redacted_here(web: Web, queue: Queue, redis_url: str) -> None:
    await queue.add("send", {"password": "hush"})
    async with Site(redis_url, prefix=web.bed.prefix) as site:
        page = await get_jobs_page(site, "email", "waiting", search="hush")
    assert json.loads(page.jobs[0].data_preview) == {"password": "hush"}
