"""Make oxmq a part of a FastAPI application: its lifespan, dependencies, the 202 answer, errors, the HTTP API."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Annotated, cast

from oxmq.app import DEFAULT_QUEUE, Oxmq
from oxmq.app_worker import AppWorker
from oxmq.client.queue import Queue
from oxmq.durations import Duration
from oxmq.errors import ConfigurationError
from oxmq.integrations.accepted import AddedJob, accepted_body, job_url

try:
    from fastapi import APIRouter, Depends, FastAPI
    from starlette.requests import HTTPConnection
    from starlette.responses import JSONResponse
    from starlette.routing import BaseRoute, Mount, NoMatchFound
except ModuleNotFoundError as error:
    raise ImportError('oxmq.integrations.fastapi needs FastAPI: pip install "oxmq[web]"') from error

from oxmq.web.access import Access
from oxmq.web.app import oxmq_web
from oxmq.web.context import WebContext
from oxmq.web.problems import tell_refusals

_log = logging.getLogger("oxmq.worker")

#: The name under which the HTTP API is found among an application's routes.
_NAME = "oxmq"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
"""What FastAPI takes as ``lifespan=``."""


def lifespan(
    app: Oxmq,
    *,
    worker: bool = False,
    queues: Iterable[str] | None = None,
    concurrency: int = 10,
    grace: Duration = "5s",
) -> Lifespan:
    """Return the lifespan of an application that uses `app`, for ``FastAPI(lifespan=lifespan(app))``.

    Redis is not asked before it is needed, so that the application starts without it. At the end the connections are
    closed, also those of a dashboard that is mounted. In a lifespan of your own, enter it:
    ``async with lifespan(app)(api): ...``.

    Args:
        app: what `get_oxmq` and `queue` give to routes.
        worker: whether to run jobs as well, in this process and on its event loop: for small deployments. With several
            server processes each of them does. In inline mode of tests there is nothing to run, and no worker.
        queues: the queues that the worker works; all of the app's when not given.
        concurrency: how many jobs of each queue may run at once.
        grace: how long running jobs may take at the end, before they go back to the queue.

    Raises:
        ConfigurationError: the app has no such queue, or an option is not acceptable: when the application starts.
    """

    @asynccontextmanager
    async def run(api: FastAPI) -> AsyncGenerator[None]:
        api.state.oxmq = app
        async with AsyncExitStack() as stack:
            stack.push_async_callback(app.close)
            for dashboard in _dashboards(api.routes):
                await stack.enter_async_context(dashboard.router.lifespan_context(dashboard))
            if worker and not app.is_inline:
                own = app.worker(queues, concurrency=concurrency, grace=grace)
                await stack.enter_async_context(_working(own))
            yield

    return run


async def get_oxmq(connection: HTTPConnection) -> Oxmq:
    """Return the application's `Oxmq`, as a dependency: ``Depends(get_oxmq)``; `CurrentOxmq` is short for it.

    Raises:
        ConfigurationError: the application's lifespan is not `lifespan`.
    """
    app = getattr(connection.app.state, "oxmq", None)
    if not isinstance(app, Oxmq):
        raise ConfigurationError(
            "the application does not know its Oxmq: make it FastAPI(lifespan=lifespan(app)); one that is mounted in "
            "another is told by mounted.state.oxmq = app"
        )
    return app


CurrentOxmq = Annotated[Oxmq, Depends(get_oxmq)]


def queue(name: str = DEFAULT_QUEUE) -> Callable[[Oxmq], Awaitable[Queue]]:
    """Return a dependency that gives a queue: ``mails: Annotated[Queue, Depends(queue("mails"))]``."""

    async def give(app: CurrentOxmq) -> Queue:
        return app.queue(name)

    return give


def accepted(job: AddedJob, connection: HTTPConnection, *, location: str | None = None) -> JSONResponse:
    """Return the answer to a request whose work is now a job: 202, its id and queue, and where it can be followed.

    Args:
        job: the job.
        connection: the request.
        location: where it can be followed; when not given, in the HTTP API that the application mounts or includes.

    Raises:
        ConfigurationError: the application has no such API, and no location is given.
    """
    where = location or job_url(_api_path(connection), job)
    return JSONResponse(accepted_body(job), 202, headers={"Location": where})


def tell_problems(api: FastAPI) -> None:
    """Have an application answer errors of oxmq as problem documents (RFC 9457).

    Redis that does not answer in time is 503 with ``Retry-After``; a job that is not there 404; what its state forbids
    409. Other errors stay as the application has them.
    """
    tell_refusals(api)


def api_router(app: Oxmq, *, access: Access | None = None) -> APIRouter:
    """Return the HTTP API without the dashboard, for ``api.include_router(api_router(app), prefix="/oxmq")``.

    Its connections are closed with the application's. It has its own OpenAPI document, at ``/oxmq/openapi.json``, and
    its own access: dependencies of the application's are not asked.

    Args:
        app: the application, whose tasks say what jobs may look like.
        access: who may come in: see `oxmq.web.oxmq_web`.
    """
    served = oxmq_web(app, access=access, dashboard=False)

    @asynccontextmanager
    async def run(_: object) -> AsyncGenerator[None]:
        async with served.router.lifespan_context(served):
            yield

    router = APIRouter(lifespan=run)
    router.mount("", served, name=_NAME)
    return router


@asynccontextmanager
async def _working(worker: AppWorker) -> AsyncGenerator[None]:
    running = asyncio.create_task(worker.run(handle_signals=False))
    running.add_done_callback(_tell_end)
    try:
        yield
    finally:
        await worker.close()
        await asyncio.wait({running})


def _tell_end(running: asyncio.Task[None]) -> None:
    """Say that jobs are not worked any more; the application goes on answering."""
    if not running.cancelled() and (error := running.exception()) is not None:
        _log.critical("the worker in this process has ended: %s", error, exc_info=error)


def _dashboards(routes: Iterable[BaseRoute]) -> Iterator[FastAPI]:
    """Find what `oxmq_web` made among the mounted applications. An included router looks after its own."""
    for route in routes:
        if isinstance(route, Mount) and _is_ours(route.app):
            yield cast("FastAPI", route.app)


def _is_ours(app: object) -> bool:
    return isinstance(getattr(getattr(app, "state", None), "web", None), WebContext)


def _api_path(connection: HTTPConnection) -> str:
    root = str(connection.scope.get("root_path", "")).rstrip("/")
    routes: list[BaseRoute] = connection.app.routes
    for route in routes:
        if isinstance(route, Mount) and _is_ours(route.app):
            return f"{root}{route.path}"
    try:
        return f"{root}{connection.app.url_path_for(_NAME, path='/')}"
    except NoMatchFound:
        raise ConfigurationError(
            "the application serves no HTTP API of oxmq that could tell of the job: mount oxmq_web(app), or give "
            "location="
        ) from None
