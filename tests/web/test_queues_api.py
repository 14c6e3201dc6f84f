"""Queues over HTTP: looked at, held, limited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from oxmq import Job
from oxmq.ops import audit
from tests.compat.node_peer import NodePeer
from tests.integration.bed import Bed, reaches
from tests.support.waiting import eventually
from tests.web.serving import Web


async def fail(job: Job[Any]) -> None:
    raise ValueError("no")


async def double(job: Job[Any]) -> int:
    return 2 * int(job.data["n"])


async def test_an_empty_site(web: Web) -> None:
    assert await web.get("/api/queues") == {"queues": [], "complete": True}
    overview = await web.get("/api/overview")
    assert (overview["queues"], overview["complete"]) == ({}, True)
    assert overview["totals"]["oldest_waiting"] is None
    assert overview["server"]["name"].split()[0] in ("Valkey", "Redis")
    assert overview["server"]["memory"] > 0


async def test_queues_are_listed_with_their_counts(web: Web, bed: Bed) -> None:
    await bed.queue("email").add_bulk([("send", {}), ("send", {}, {"delay": 600}), ("send", {}, {"priority": 3})])
    await bed.queue("images").add("resize", {})
    found = {queue["name"]: queue for queue in (await web.get("/api/queues"))["queues"]}
    assert list(found) == ["email", "images"]
    email = found["email"]
    assert {state: count for state, count in email["counts"].items() if count} == {
        "waiting": 1, "delayed": 1, "prioritized": 1,
    }  # fmt: skip
    assert (email["workers"], email["slots"], email["busy"], email["held"]) == (0, 0, 0, [])
    assert email["latency"] >= 0
    assert email["last_event"] != "0-0"


async def test_what_ended_and_who_works(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    done = await queue.add("double", {"n": 2})
    worker = bed.working(double, "email", concurrency=7)
    await reaches(done, "completed")

    async def is_listed() -> Any:
        found = await web.get("/api/queues/email")
        return found if found["workers"] == 1 and found["slots"] == 7 else None

    email = await eventually(is_listed)
    assert (email["completed_per_minute"], email["failed_per_minute"]) == (1, 0)
    assert email["counts"]["completed"] == 1
    await worker.close(grace=0)


async def test_the_overview_says_what_needs_attention(web: Web, bed: Bed) -> None:
    await bed.queue("email").add("send", {})
    overview = await web.get("/api/overview")
    assert overview["totals"]["unfinished"] == 1
    assert overview["totals"]["oldest_waiting"] >= 0
    kinds = {item["kind"]: item for item in overview["attention"]}
    assert kinds["no_worker"]["text"] == "No worker runs email: 1 job waits."
    assert kinds["no_worker"]["link"]["screen"] == "workers"
    assert kinds["persistence"]["queue"] is None  # the server of the tests writes nothing to disk


async def test_one_queue_in_detail(web: Web, bed: Bed) -> None:
    await bed.queue("email").add_bulk([("send", {}), ("send", {}, {"priority": 3}), ("send", {}, {"priority": 3})])
    email = await web.get("/api/queues/email")
    assert email["limits"] == {"concurrency": None, "rate_max": None, "rate_duration": None, "held_for": 0}
    assert email["priorities"] == {"0": 1, "3": 2}
    assert (email["schedules"], email["max_events"]) == (0, 10_000)
    assert "There is no queue 'nope'" in (await web.get("/api/queues/nope", 404))["detail"]


async def test_a_queue_is_paused_and_resumed(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.add("send", {})
    paused = await web.post("/api/queues/email:pause")
    assert (paused["paused"], paused["held"]) == (True, ["paused"])
    assert await queue.is_paused()
    assert (await web.post("/api/queues/email:resume"))["paused"] is False
    assert not await queue.is_paused()
    await web.post("/api/queues/nope:pause", status=404)
    entries = (await web.app.state.web.site.runner.run(audit.get_page(bed.prefix, None, 10))).entries
    assert [(entry.fields["action"], entry.fields["result"]) for entry in entries] == [
        ("resume", "done"),
        ("pause", "done"),
    ]


async def test_limits_are_changed_one_by_one(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.add("send", {})

    async def patch(body: dict[str, Any], status: int = 200) -> Any:
        answer = await web.client.patch("/api/queues/email", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    limits = (await patch({"concurrency": 3, "rate_limit": {"max": 10, "duration": 2.5}}))["limits"]
    assert limits == {"concurrency": 3, "rate_max": 10, "rate_duration": 2.5, "held_for": 0}
    assert (await patch({"concurrency": None}))["limits"]["rate_max"] == 10
    assert await queue.get_global_concurrency() is None
    assert (await patch({"rate_limit": None}))["limits"]["rate_max"] is None
    for bad, field in (
        ({"concurrency": 0}, "body.concurrency"),
        ({"rate_limit": {"max": 1}}, "body.rate_limit.duration"),
        ({"speed": 1}, "body.speed"),
    ):
        assert (await patch(bad, 422))["errors"][0]["field"] == field


async def hang(job: Job[Any]) -> None:
    await asyncio.Event().wait()


async def test_a_queue_at_its_limit_and_one_that_is_held_say_so(web: Web, bed: Bed) -> None:
    queue = bed.queue("email")
    await queue.set_global_concurrency(1)
    await queue.add("send", {})
    bed.working(hang, "email")

    async def held() -> Any:
        return (await web.get("/api/queues/email"))["held"]

    assert await eventually(held) == ["at its limit: 1 of 1 run"]
    await queue.rate_limit(600)
    assert (await held())[0] == "rate-limited for 10 min"


async def test_who_is_limited_to_a_queue_sees_no_other(guarded_web: Web, bed: Bed) -> None:
    for name in ("email", "images"):
        await bed.queue(name).add("x", {})
    client = guarded_web.as_("only-email")
    assert [queue["name"] for queue in (await client.get("/api/queues")).json()["queues"]] == ["email"]
    overview = (await client.get("/api/overview")).json()
    assert list(overview["queues"]) == ["email"]
    assert overview["totals"]["unfinished"] == 1
    assert {item["queue"] for item in overview["attention"]} <= {"email", None}
    for path in ("/api/queues/images", "/api/metrics/images", "/api/workers?queue=images", "/api/load?queue=images"):
        assert (await client.get(path)).status_code == 403, path
    assert list((await client.get("/api/load")).json()["queues"]) == ["email"]
    assert 'queue="images"' not in (await client.get("/metrics")).text
    assert [queue["name"] for queue in (await client.get("/api/server")).json()["queues"]] == ["email"]


@pytest.mark.parametrize(
    ("who", "status"), [("viewer", {"pause": 403, "limit": 403}), ("operator", {"pause": 200, "limit": 403})]
)
async def test_roles(guarded_web: Web, bed: Bed, who: str, status: dict[str, int]) -> None:
    await bed.queue("email").add("x", {})
    client = guarded_web.as_(who)
    assert (await client.get("/api/queues/email")).status_code == 200
    assert (await client.post("/api/queues/email:pause", json={})).status_code == status["pause"]
    assert (await client.patch("/api/queues/email", json={"concurrency": 1})).status_code == status["limit"]


async def test_nobody_sees_anything_without_a_token(guarded_web: Web) -> None:
    for path in ("queues", "overview", "queues/x", "workers", "load", "metrics/x", "server", "events?topics=overview"):
        assert (await guarded_web.client.get(f"/api/{path}")).status_code == 401, path
    assert (await guarded_web.client.get("/metrics")).status_code == 401


async def test_a_queue_of_bullmq_on_node_with_a_worker_there(web: Web, bed: Bed, node: NodePeer) -> None:
    await node.start_worker("nodes", name="n1")
    await node.add("nodes", "sleep", {"ms": 60_000})

    async def running() -> Any:
        found = (await web.get("/api/workers", queue="nodes"))["workers"]
        return found[0] if found and found[0]["jobs"] else None

    worker = await eventually(running, timeout=8)
    assert (worker["kind"], worker["name"], worker["health"], worker["busy"]) == ("other", "n1", "unknown", 1)
    assert worker["jobs"][0]["name"] == "sleep"
    queue = await web.get("/api/queues/nodes")
    assert (queue["workers"], queue["busy"], queue["version"].split(":")[0]) == (1, 1, "bullmq")
    await node.start_worker("idle")  # which writes nothing

    async def is_found() -> bool:
        return "idle" in (await web.get("/api/overview"))["queues"]

    await eventually(is_found, timeout=8)


async def test_hostile_keys_are_no_queues_and_break_nothing(web: Web, bed: Bed, redis_client: Any) -> None:
    for part, value in (
        ("wait", "x"),
        ("oxmq:workers", "x"),
        ("oxmq:history", "x"),
        ("oxmq:counts", "x"),
        ("repeat", "x"),
        ("active", "x"),
        ("metrics:failed", "x"),
    ):
        redis_client.set(f"{bed.prefix}:broken:{part}", value)
    redis_client.hset(f"{bed.prefix}:broken:meta", mapping={"concurrency": "many", "version": b"\xff"})
    redis_client.hset(f"{bed.prefix}:a:b:meta", mapping={"x": 1})  # a job called meta, or whatever
    redis_client.set(f"{bed.prefix}::meta", "x")
    odd = f"{bed.prefix}:\x00\xff<b>:meta".encode("latin-1")
    redis_client.hset(odd, mapping={"version": "1"})
    overview = await web.get("/api/overview")
    assert set(overview["queues"]) >= {"broken"}
    assert not any(":" in name for name in overview["queues"])
    broken = await web.get("/api/queues/broken")
    assert broken["version"] == "\\xff"
    assert "wait" in broken["broken"]
    for path in ("/api/workers", "/api/load", "/api/server", "/api/metrics/broken", "/metrics"):
        answer = await web.client.get(path)
        assert answer.status_code == 200, (path, answer.text)
    redis_client.delete(odd)
