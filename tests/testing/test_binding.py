"""An application is bound to another server for a while, with all that came from it, and then put back."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from flask import Flask

from oxmq import ConfigurationError, ManualClock, Oxmq
from oxmq.integrations.flask import OxmqFlask
from oxmq.web import oxmq_web
from tests.testing import shop


async def test_everything_goes_to_where_the_app_is_bound(
    redis_client: Any, redis_url: str, prefix: str, clock: ManualClock
) -> None:
    async with shop.app.bound_to(redis_url, prefix=prefix, clock=clock) as app:
        assert app is shop.app
        assert (app.prefix, app.clock, app.is_bound) == (prefix, clock, True)
        one = await shop.send_mail.enqueue(1)
        two = await asyncio.to_thread(shop.send_mail.enqueue_sync, 2)
        three = await shop.mail.add("send_mail", {"user": 3})
        assert {key.rpartition(":")[2] for key in redis_client.keys(f"{prefix}:mail:*-*")} == {
            job.id for job in (one, two, three)
        }
        assert one.timestamp == two.timestamp == three.timestamp == clock.now()
    assert (shop.app.prefix, shop.app.is_bound, shop.app.endpoint.source) == ("shop", False, "redis://127.0.0.1:1")


def test_what_came_from_the_app_follows_it_back(redis_url: str, prefix: str, clock: ManualClock) -> None:
    made: list[Any] = []
    with pytest.raises(ZeroDivisionError), shop.app.bound_to(redis_url, prefix=prefix, clock=clock):
        made += [shop.app.queue("made_meanwhile"), shop.send_mail.enqueue_sync(1)]
        _ = 1 / 0
    queue, job = made
    assert shop.mail.qualified_name == "shop:mail"
    assert queue.qualified_name == "shop:made_meanwhile"
    assert job.key == f"shop:mail:{job.id}"
    assert shop.app.clock is not clock


def test_an_app_that_is_moved_meanwhile_uses_its_other_server_afterwards(redis_url: str, prefix: str) -> None:
    app = Oxmq("redis://127.0.0.1:1")
    with app.bound_to(redis_url, prefix=prefix):
        OxmqFlask(Flask("shop"), app)
        configured = Flask("shop")
        configured.config["OXMQ_URL"] = "redis://127.0.0.1:2"
        OxmqFlask(configured, app)
        assert app.endpoint.source == redis_url
    assert app.endpoint.source == "redis://127.0.0.1:2"


def test_blocking_queues_follow_too(redis_url: str, prefix: str, clock: ManualClock) -> None:
    kept = shop.app.sync_queue("mail")
    with shop.app.bound_to(redis_url, prefix=prefix, clock=clock):
        job = shop.send_mail.enqueue_sync(1)
        assert [found.id for found in kept.get_jobs()] == [job.id]
        assert shop.app.sync_queue("mail").get_job_state(job.id) == "waiting"


async def test_a_dashboard_follows_the_app_that_it_was_made_for(
    redis_url: str, prefix: str, clock: ManualClock
) -> None:
    api = FastAPI()
    web = oxmq_web(shop.app)  # as a module does, before any test
    api.mount("/oxmq", web)
    transport = httpx2.ASGITransport(app=api, client=("127.0.0.1", 5000))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        for run in "ab":
            async with shop.app.bound_to(redis_url, prefix=f"{prefix}:{run}", clock=clock):
                job = await shop.send_mail.enqueue(1)
                shown = (await client.get(f"/oxmq/api/queues/mail/jobs/{job.id}")).json()
                assert (shown["state"], shown["data"]) == ("waiting", {"user": 1})
                added = await client.post("/oxmq/api/queues/mail/jobs", json={"name": "send_mail", "data": {"user": 2}})
                assert added.status_code == 202
                assert len(await shop.mail.get_jobs()) == 2
    assert web.state.web.stand_in() is None


def test_bindings_can_be_nested(redis_url: str, prefix: str) -> None:
    with shop.app.bound_to(redis_url, prefix=f"{prefix}:a"):
        with shop.app.bound_to(redis_url, prefix=f"{prefix}:b"):
            inner = shop.price.enqueue_sync("inner")
            assert inner.key.startswith(f"{prefix}:b:")
        outer = shop.price.enqueue_sync("outer")
        assert outer.key.startswith(f"{prefix}:a:")
    assert shop.app.prefix == "shop"


def test_each_loop_may_be_closed_before_the_next_one_begins(redis_url: str, prefix: str) -> None:
    async def enqueue() -> str:
        return (await shop.price.enqueue("loop")).id

    ids: set[str] = set()
    for _ in range(2):
        with shop.app.bound_to(redis_url, prefix=prefix):
            ids |= {asyncio.run(enqueue()), shop.price.enqueue_sync("afterwards").id}
        gc.collect()  # a connection that was left open would complain
    assert len(ids) == 4


def test_a_loop_that_is_still_open_is_used_to_close_its_connection(redis_url: str, prefix: str) -> None:
    with asyncio.Runner() as runner, shop.app.bound_to(redis_url, prefix=prefix) as app:
        runner.run(shop.price.enqueue("loop"))
        assert app.runner.loops
        bound = app.runner
        app.close_sync()
        assert not bound.loops


async def test_a_plain_with_in_a_coroutine_closes_its_connection_too(redis_url: str, prefix: str) -> None:
    with shop.app.bound_to(redis_url, prefix=prefix) as app:
        await shop.price.enqueue("loop")
        bound = app.runner
    await asyncio.sleep(0)
    assert not bound.loops


@pytest.mark.parametrize(("connection", "prefix"), [("nowhere", "p"), ("redis://localhost", "")])
def test_a_bad_binding_is_refused_at_the_door(connection: str, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"connection|prefix"):
        shop.app.bound_to(connection, prefix=prefix)


async def test_a_queue_of_the_app_writes_the_time_of_its_clock(app: Oxmq, clock: ManualClock) -> None:
    clock.advance("3h")
    assert (await shop.mail.add("send_mail", {"user": 1}, delay=60)).timestamp == clock.now()
