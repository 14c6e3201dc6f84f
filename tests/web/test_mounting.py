"""The application works wherever it is mounted: links, cookies and pages know their place."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from oxmq.web import Access, Role, Token, oxmq_web
from oxmq.web.context import WebContext
from tests.web.serving import serving

SECRET = "secret-of-the-admin"
BEARER = {"Authorization": f"Bearer {SECRET}"}


@asynccontextmanager
async def _client(app: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    async with serving(app) as url, httpx2.AsyncClient(base_url=url, timeout=10) as client:
        yield client


def _guarded(redis_url: str, prefix: str) -> FastAPI:
    return oxmq_web(redis_url, prefix=prefix, access=Access(tokens=[Token(secret=SECRET, role=Role.ADMIN)]))


async def _check(client: httpx2.AsyncClient, base: str, sent_to: str | None = None) -> None:
    """Check an application that is shown at `base` and reached at `sent_to`."""
    at = base if sent_to is None else sent_to
    added = await client.post(f"{at}/api/queues/email/jobs", json={"name": "x"}, headers=BEARER)
    assert added.status_code == 202, added.text
    assert added.headers["location"] == added.json()["url"]
    assert added.json()["url"].startswith(f"{base}/api/queues/email/jobs/")
    signed_in = await client.post(f"{at}/api/session", json={"token": SECRET})
    assert f"Path={base or '/'};" in signed_in.headers["set-cookie"] + ";"
    assert (await client.get(f"{at}/api/nothing", headers=BEARER)).headers["content-type"] == "application/problem+json"
    assert (await client.get(f"{at}/api/queues/a%2Fb", headers=BEARER)).status_code == 404
    page = await client.get(f"{at}/queues/email")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    if "<base" in page.text:
        assert f'<base href="{base}/"' in page.text


@pytest.mark.parametrize("base", ["", "/oxmq", "/a/b"])
@pytest.mark.parametrize("kind", ["fastapi", "starlette"])
async def test_it_may_be_mounted_anywhere(redis_url: str, prefix: str, kind: str, base: str) -> None:
    web = _guarded(redis_url, prefix)
    if kind == "fastapi":
        host: Any = FastAPI()
        host.add_api_route("/own", _own)
        host.mount(base, web)
    else:
        host = Starlette(routes=[Mount(base, web)])
    async with _client(host) as client:
        await _check(client, base)
        if kind == "fastapi":
            assert (await client.get("/own")).json() == "own"
            assert "content-security-policy" not in (await client.get("/own")).headers
    await _close(web)


async def test_it_may_be_behind_a_proxy_that_takes_a_path_off(redis_url: str, prefix: str) -> None:
    host = Starlette(routes=[Mount("/oxmq", web := _guarded(redis_url, prefix))])

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        """Be what a server does that is told of the path."""
        if scope["type"] == "http":
            raw = b"/behind" + scope["raw_path"]
            scope = {**scope, "root_path": "/behind", "path": f"/behind{scope['path']}", "raw_path": raw}
        await host(scope, receive, send)

    async with _client(behind) as client:
        await _check(client, "/behind/oxmq", "/oxmq")
    await _close(web)


async def test_a_host_without_a_lifespan_needs_none(redis_url: str, prefix: str) -> None:
    web = _guarded(redis_url, prefix)
    transport = httpx2.ASGITransport(app=web)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        await _check(client, "")
    await _close(web)


async def _own() -> str:
    return "own"


async def _close(web: FastAPI) -> None:
    # What is mounted is not told of the end.
    context: WebContext = web.state.web
    await context.producer.close()
    await context.site.close()
