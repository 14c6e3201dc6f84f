"""Send requests to a small server that answers as the demo's API server may."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oxmq.demo.load import Load, LoadError, Measurement
from oxmq.demo.operations import PDF_REPORT

Handler = Callable[[Request], Awaitable[Response]]

KEYS = [f"key-{number}" for number in range(10)]


@asynccontextmanager
async def _client(post: Handler, status: Handler | None = None) -> AsyncGenerator[httpx2.AsyncClient]:
    routes = [Route(f"/{way}/pdf-report", post, methods=["POST"]) for way in ("inline", "jobs")]
    app = Starlette(routes=[*routes, Route("/status/{key}", status or post)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://demo.test") as client:
        yield client


async def _accept(request: Request) -> Response:
    key = (await request.json())["key"]
    return JSONResponse({"status_url": f"/status/{key}"}, 202)


async def test_every_key_is_sent_once_inline() -> None:
    seen: Counter[str] = Counter()
    advanced: list[None] = []

    async def post(request: Request) -> Response:
        seen[(await request.json())["key"]] += 1
        return JSONResponse({})

    async with _client(post) as client:
        measurement = await Load(client, PDF_REPORT, "inline").run(KEYS, lambda: advanced.append(None))
    assert seen == Counter(KEYS)
    assert (len(measurement.waits), len(advanced), measurement.attempts) == (10, 10, {})
    assert measurement.results == {}


async def test_queued_work_is_followed_until_it_is_done() -> None:
    asked: Counter[str] = Counter()

    async def status(request: Request) -> Response:
        key = request.path_params["key"]
        asked[key] += 1
        state = "completed" if asked[key] > 1 else "active"
        return JSONResponse({"state": state, "attempts_made": asked[key], "result": [key]})

    async with _client(_accept, status) as client:
        measurement = await Load(client, PDF_REPORT, "queued").run(KEYS)
    assert measurement.attempts == dict.fromkeys(KEYS, 2)
    assert measurement.results == {key: [key] for key in KEYS}
    assert measurement.elapsed >= max(measurement.waits)


async def test_another_answer_than_success_ends_the_load() -> None:
    async def post(_: Request) -> Response:
        return Response("out of paper", 500)

    async with _client(post) as client:
        with pytest.raises(LoadError, match="POST /inline/pdf-report was answered with 500: out of paper"):
            await Load(client, PDF_REPORT, "inline").run(KEYS)


async def test_a_broken_connection_ends_the_load() -> None:
    async with httpx2.AsyncClient(base_url="http://127.0.0.1:1") as client:
        with pytest.raises(LoadError, match="POST /jobs/pdf-report was not answered: ConnectError"):
            await Load(client, PDF_REPORT, "queued").run(KEYS)


async def test_a_job_that_cannot_be_found_ends_the_load() -> None:
    async def status(_: Request) -> Response:
        return Response("no job", 404)

    async with _client(_accept, status) as client:
        with pytest.raises(LoadError, match=r"GET /status/key-0 was answered with 404: no job"):
            await Load(client, PDF_REPORT, "queued").run(KEYS[:1])


async def test_a_failed_job_ends_the_load() -> None:
    async def status(_: Request) -> Response:
        return JSONResponse({"state": "failed", "failed_reason": "no ink"})

    async with _client(_accept, status) as client:
        with pytest.raises(LoadError, match="failed: no ink"):
            await Load(client, PDF_REPORT, "queued").run(KEYS[:1])


@pytest.mark.parametrize("percent, wait", [(50, 5), (90, 9), (99, 10), (100, 10), (1, 1)])
def test_percentiles_are_of_the_nearest_rank(percent: float, wait: float) -> None:
    assert Measurement([], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 0).percentile(percent) == wait
