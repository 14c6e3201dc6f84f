"""A FastAPI application accepts work, tells where it can be followed, and closes what it opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request, Response

from oxmq import BackendError, ConfigurationError, OutcomeUnknownError, Oxmq, UnavailableError
from oxmq.integrations.fastapi import CurrentOxmq, accepted, api_router, lifespan, tell_problems
from oxmq.web import Access, Role, Token, oxmq_web
from tests.frameworks.django_site import PATIENCE, answers
from tests.support.processes import Processes
from tests.support.servers import RedisServer, free_port
from tests.support.waiting import eventually, eventually_sync
from tests.web.serving import serving

SECRET = "secret-of-the-admin"


def _application(app: Oxmq, **options: Any) -> FastAPI:
    """Return an application with one task, `double`, and one route, which adds a job of it."""
    api = FastAPI(lifespan=lifespan(app, **options))
    tell_problems(api)

    @app.task
    async def double(number: int) -> int:
        return 2 * number

    @api.post("/double/{number}", status_code=202)
    async def order(number: int, request: Request) -> Response:
        return accepted(await double.enqueue(number), request)

    return api


@asynccontextmanager
async def _served(api: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    async with serving(api) as url, httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        yield client


async def _result(client: httpx2.AsyncClient, location: str, headers: dict[str, str] | None = None) -> object:
    async def ended() -> bool:
        job = (await client.get(location, headers=headers)).json()
        return bool(job["state"] == "completed")

    await eventually(ended, PATIENCE, "the job does not complete")
    return (await client.get(location, headers=headers)).json()["result"]


def _result_from(client: httpx2.Client, location: str) -> object:
    return eventually_sync(lambda: client.get(location).json().get("result"), PATIENCE, "there is no result")


def test_work_is_accepted_here_and_done_by_a_worker_process(own_server: RedisServer, tmp_path: Path) -> None:
    with Processes(tmp_path, {"OXMQ_URL": own_server.url}) as processes:
        port = free_port()
        served = processes.start(
            "uvicorn", "tests.frameworks.fastapi_shop:api", "--port", str(port), "--log-level", "warning"
        )
        worker = processes.start("oxmq", "worker", "tests.frameworks.fastapi_shop:app", "--grace", "1s")
        eventually_sync(lambda: answers(f"http://127.0.0.1:{port}", served), PATIENCE, "the server does not answer")
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
            for path, month in (("/reports/3", 3), ("/reports", 1)):
                answer = client.post(path)
                assert (answer.status_code, answer.json()["queue"]) == (202, "reports")
                location = answer.headers["location"]
                assert location == f"/jobs/api/queues/reports/jobs/{answer.json()['id']}"
                assert _result_from(client, location) == f"report of month {month}"
            assert client.get("/tasks").json() == ["write_report"]
            assert client.get("/jobs/openapi.json").json()["info"]["title"] == "oxmq"
            assert client.get("/jobs/").status_code == 404  # no dashboard
        for process in (served, worker):
            process.terminate()
            process.wait(PATIENCE)
            process.assert_careful()


async def test_a_worker_in_the_process_runs_jobs_and_leaves_no_connection(own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)
    api = _application(app, worker=True)
    api.mount("/oxmq", oxmq_web(app))
    with own_server.client() as redis:
        before = len(redis.client_list())
        async with _served(api) as client:
            answer = await client.post("/double/21")
            assert await _result(client, answer.headers["location"]) == 42
            assert (await client.get("/oxmq/api/overview")).status_code == 200
        await eventually(lambda: len(redis.client_list()) == before, PATIENCE, "connections are left open")


async def test_it_may_end_as_soon_as_it_has_started(own_server: RedisServer) -> None:
    api = _application(Oxmq(own_server.url), worker=True)
    async with asyncio.timeout(PATIENCE), api.router.lifespan_context(api):
        pass


async def test_a_location_is_found_wherever_the_api_is(own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)
    api = _application(app, worker=True)
    access = Access(tokens=[Token(secret=SECRET, role=Role.ADMIN)])
    api.include_router(api_router(app, access=access), prefix="/v1/work")
    outer = FastAPI(lifespan=api.router.lifespan_context)
    outer.mount("/outer", api)
    async with _served(outer) as client:
        location = (await client.post("/outer/double/4")).headers["location"]
        assert location.startswith("/outer/v1/work/api/queues/default/jobs/")
        assert (await client.get(location)).status_code == 401
        assert await _result(client, location, {"Authorization": f"Bearer {SECRET}"}) == 8


async def test_without_an_api_a_location_must_be_given(own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)
    api = _application(app)

    @app.task
    async def halve(number: int) -> float:
        return number / 2

    @api.post("/halve/{number}")
    async def order(number: int, request: Request) -> Response:
        job = await halve.enqueue(number)
        return accepted(job, request, location=f"/jobs/{job.id}")

    transport = httpx2.ASGITransport(app=api)
    async with api.router.lifespan_context(api), httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        answer = await client.post("/halve/4")
        assert answer.headers["location"] == f"/jobs/{answer.json()['id']}"
        with pytest.raises(ConfigurationError, match=r"mount oxmq_web\(app\), or give location="):
            await client.post("/double/4")


@pytest.mark.parametrize(
    ("error", "outcome"), [(UnavailableError("no answer"), None), (OutcomeUnknownError("no answer"), "unknown")]
)
async def test_an_error_of_the_backend_is_503(error: BackendError, outcome: str | None) -> None:
    api = _application(Oxmq("redis://localhost"))

    @api.post("/")
    async def fail() -> None:
        raise error

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://a") as client:
        answer = await client.post("/")
    assert (answer.status_code, answer.json().get("outcome")) == (503, outcome)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


async def test_redis_that_is_not_there_is_503() -> None:
    async with Oxmq(f"redis://127.0.0.1:{free_port()}") as app:
        api = _application(app)

        @api.post("/")
        async def add() -> str:
            return (await app.queue("mail").add("send")).id

        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api), base_url="http://a") as client:
            answer = await client.post("/")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


async def test_what_a_state_forbids_is_409_and_what_is_gone_404(own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)
    api = _application(app)

    @api.post("/jobs/{job_id}/retry")
    async def retry(job_id: str, current: CurrentOxmq) -> None:
        job = await current.queue("later").get_job(job_id)
        assert job is not None
        if job.name == "gone":
            await job.remove()
        await job.retry()

    async with _served(api) as client:
        waiting, gone = await app.queue("later").add("wait", {}), await app.queue("later").add("gone", {})
        answers = [await client.post(f"/jobs/{job.id}/retry") for job in (waiting, gone)]
    assert [answer.status_code for answer in answers] == [409, 404]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)


async def test_a_dependency_without_the_lifespan_says_what_is_missing() -> None:
    app, mounted = Oxmq("redis://localhost", prefix="shop"), FastAPI()
    api = FastAPI(lifespan=lifespan(app))
    api.mount("/mounted", mounted)

    @mounted.get("/")
    async def tell(current: CurrentOxmq) -> str:
        return current.prefix

    transport = httpx2.ASGITransport(app=api)
    async with api.router.lifespan_context(api), httpx2.AsyncClient(transport=transport, base_url="http://a") as client:
        with pytest.raises(ConfigurationError, match="lifespan"):
            await client.get("/mounted/")
        mounted.state.oxmq = app
        assert (await client.get("/mounted/")).json() == "shop"


async def test_a_startup_that_fails_leaves_nothing_behind(own_server: RedisServer) -> None:
    app = Oxmq(own_server.url)

    @app.task
    async def double(number: int) -> int:
        return 2 * number

    @asynccontextmanager
    async def own_lifespan(api: FastAPI) -> AsyncGenerator[None]:
        async with lifespan(app, worker=True)(api):
            await double.enqueue(1)
            find_database()
            yield

    def find_database() -> None:
        raise LookupError("no database")

    api = FastAPI(lifespan=own_lifespan)
    with own_server.client() as redis:
        before = len(redis.client_list())
        with pytest.raises(LookupError, match="no database"):
            async with api.router.lifespan_context(api):
                pass
        await eventually(lambda: len(redis.client_list()) == before, PATIENCE, "connections are left open")
