"""When Redis is slow or gone, callers are told within seconds, and when to come back."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from oxmq.web import oxmq_web
from tests.integration.bed import Bed
from tests.support.proxy import FaultProxy
from tests.support.waiting import TIME_SCALE, eventually
from tests.web.serving import Web, serving

CALLS = (
    ("GET", "/api/overview", None),
    ("GET", "/api/queues/email", None),
    ("GET", "/api/schedules", None),
    ("GET", "/api/audit", None),
    ("POST", "/api/queues/email/jobs", {"name": "x"}),
    ("POST", "/api/queues/email:pause", None),
    ("POST", "/api/queues/email:drain", None),
)


async def _assert_told(web: Web, method: str, path: str, body: Any) -> None:
    started = time.monotonic()
    answer = await web.client.request(method, path, json=body)
    assert answer.status_code == 503, (path, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert time.monotonic() - started < 5 * TIME_SCALE, path


async def test_callers_are_told_when_redis_is_gone_or_silent(redis_url: str, prefix: str) -> None:
    async with FaultProxy(redis_url) as proxy, serving(oxmq_web(proxy.url, prefix=prefix)) as url:
        bed = Bed(redis_url, prefix)
        web = Web(url, None, bed)
        await web.post("/api/queues/email/jobs", {"name": "x"}, 202)
        proxy.refuse()
        await asyncio.gather(*(_assert_told(web, *call) for call in CALLS))
        proxy.heal()
        await eventually(lambda: _works(web))
        proxy.stall()
        await asyncio.gather(*(_assert_told(web, *call) for call in CALLS))
        proxy.heal()
        await eventually(lambda: _works(web))
        await web.close()
        await bed.close()


async def test_an_answer_that_was_lost_is_said_to_be_unknown(redis_url: str, prefix: str) -> None:
    async with FaultProxy(redis_url) as proxy, serving(oxmq_web(proxy.url, prefix=prefix)) as url:
        bed = Bed(redis_url, prefix)
        web = Web(url, None, bed)
        await bed.queue("email").add("x")
        await web.get("/api/queues/email")
        added = asyncio.create_task(web.client.post("/api/queues/email/jobs", json={"name": "y"}))
        proxy.swallow_reply("EVALSHA")
        # The id is made by the client: the add is repeated, and there is one job all the same.
        assert (await added).status_code == 202
        assert await bed.queue("email").count() == 2
        await web.close()
        await bed.close()


async def _works(web: Web) -> bool:
    return bool((await web.client.get("/api/queues/email")).status_code == 200)
