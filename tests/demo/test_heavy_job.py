"""Ask a small server for the heavy job, which ends when the test says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from oxmq.demo.heavy_job import HeavyJob, do_heavy_job
from oxmq.demo.load import LoadError

Status = Callable[[int], dict[str, object]]


@asynccontextmanager
async def _client(heavy: Status, mail_status: int = 202) -> AsyncGenerator[httpx2.AsyncClient]:
    """Serve both operations; `heavy` says how the heavy job is, given how many mails are known to be sent."""
    sent: list[str] = []

    async def accept_report(_: Request) -> Response:
        return JSONResponse({"status_url": "/status/report"}, 202)

    async def accept_mail(_: Request) -> Response:
        return JSONResponse({"status_url": "/status/mail"}, mail_status)

    async def report_status(_: Request) -> Response:
        return JSONResponse(heavy(len(sent)))

    async def send_mail(_: Request) -> Response:
        sent.append("mail")
        return JSONResponse({"state": "completed", "attempts_made": 1})

    routes = [
        Route("/jobs/yearly-report", accept_report, methods=["POST"]),
        Route("/jobs/welcome-email", accept_mail, methods=["POST"]),
        Route("/status/report", report_status),
        Route("/status/mail", send_mail),
    ]
    transport = httpx2.ASGITransport(app=Starlette(routes=routes))
    async with httpx2.AsyncClient(transport=transport, base_url="http://demo.test") as client:
        yield client


async def test_the_job_is_followed_to_its_end_while_mails_are_sent() -> None:
    def heavy(mails: int) -> dict[str, object]:
        if mails < 3:
            return {"state": "active", "attempts_made": 1}
        return {"state": "completed", "attempts_made": 1, "result": {"pages": 300, "pid": 42}}

    async with _client(heavy) as client:
        job = await do_heavy_job(client, "a-year")
    assert job.mails >= 3
    assert job == HeavyJob("a-year", pages=300, pid=42, attempts=1, mails=job.mails)


async def test_a_heavy_job_that_failed_is_told() -> None:
    async with _client(lambda _: {"state": "failed", "failed_reason": "no ink"}) as client:
        with pytest.raises(LoadError, match=r"a-year.*failed: no ink"):
            await do_heavy_job(client, "a-year")


async def test_a_mail_that_was_not_accepted_ends_the_following() -> None:
    async with _client(lambda _: {"state": "active"}, mail_status=500) as client:
        with pytest.raises(LoadError, match="POST /jobs/welcome-email was answered with 500"):
            await do_heavy_job(client, "a-year")
