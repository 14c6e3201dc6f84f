"""Build the ASGI application: the HTTP API and the dashboard."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.routing import APIRoute

from oxmq.app import Oxmq
from oxmq.keys import DEFAULT_PREFIX
from oxmq.monitor.site import Redact, Site
from oxmq.web.access import Access
from oxmq.web.audit import Audit
from oxmq.web.context import WebContext, role_needed
from oxmq.web.feed import Feed
from oxmq.web.gate import Gate
from oxmq.web.job_events import JobEvents
from oxmq.web.limits import Limits
from oxmq.web.pages import serve_pages
from oxmq.web.params import refuse_unknown_parameters
from oxmq.web.problems import RESPONSES, tell_problems
from oxmq.web.producer import Producer
from oxmq.web.redaction import Redaction
from oxmq.web.routes import routers
from oxmq.web.streams import EventStreams

#: How long Redis may take to answer before a client is told to come back, in seconds.
_PATIENCE = 2.5
#: From how many bytes on an answer is compressed: quickly, for the overview of many queues would else be slow to send.
_WORTH_PACKING = 8_192


def oxmq_web(
    source: object = None,
    *,
    prefix: str | None = None,
    access: Access | None = None,
    redact: Redact | None = None,
    dashboard: bool = True,
) -> FastAPI:
    """Return the application that serves the HTTP API and the dashboard, to be served alone or mounted.

    It may be mounted at any path: ``api.mount("/oxmq", oxmq_web(app))``. It connects with the first request. A host
    tells what it mounts nothing of its own end: to leave Redis in good order there, enter
    ``web.router.lifespan_context(web)`` in the host's lifespan.

    Args:
        source: an `Oxmq`, which is followed to where tests bind it; or the address of any server that BullMQ uses;
            None for ``$OXMQ_URL``, else the embedded one.
        prefix: with what all keys begin; the app's, else ``bull``.
        access: who may come in; without it, only programs on this computer.
        redact: what is done to payloads before anybody sees them; by default values are redacted whose keys look
            like secrets: see `Redaction`.
        dashboard: whether to serve the dashboard as well.

    Raises:
        ConfigurationError: an argument is not acceptable.
    """
    access = access or Access()
    redact = redact or Redaction()
    app = source if isinstance(source, Oxmq) else None
    stand_in = _StandIn(app, access, redact)
    context = _context(_site(source, prefix, redact), app, access, stand_in.current)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await stand_in.close()
        await context.close()

    api = _Api(
        title="oxmq",
        version=version("oxmq"),
        description="Add jobs, follow them, and look after the queues of one server.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=RESPONSES,
        dependencies=[Depends(refuse_unknown_parameters)],
        generate_unique_id_function=lambda route: route.name,
    )
    api.state.web = context
    api.add_middleware(GZipMiddleware, minimum_size=_WORTH_PACKING, compresslevel=1)
    api.add_middleware(EventStreams)
    api.add_middleware(Gate, access=access)
    api.add_middleware(Limits)
    tell_problems(api)
    for router in routers():
        api.include_router(router)
    if dashboard:
        serve_pages(api)
    return api


class _StandIn:
    """Serve from what stands in for an application's own server, while something does: from its own connection.

    Args:
        app: the application; None for none.
        access: who may come in.
        redact: what is done to payloads before anybody sees them.
    """

    def __init__(self, app: Oxmq | None, access: Access, redact: Redact) -> None:
        self._app = app
        self._access = access
        self._redact = redact
        self._made: WebContext | None = None

    def current(self) -> WebContext | None:
        """Return what is served instead of the application's own server; None when that is to be served."""
        app = self._app
        if app is None or not app.is_bound:
            return None
        if self._made is None or self._made.site.runner is not app.runner:
            site = Site(
                prefix=app.prefix, known=app.queue_names, redact=self._redact, clock=app.clock, runner=app.runner
            )
            self._made = _context(site, app, self._access, lambda: None)
        return self._made

    async def close(self) -> None:
        made, self._made = self._made, None
        # What was made for an earlier test has lost its connection together with that test's event loop.
        if made is not None and self._app is not None and made.site.runner is self._app.runner:
            await made.close()


def _context(site: Site, app: Oxmq | None, access: Access, stand_in: Callable[[], WebContext | None]) -> WebContext:
    return WebContext(site, access, Audit(site), Producer(site, app), Feed(site), JobEvents(site), stand_in)


def _site(source: object, prefix: str | None, redact: Redact) -> Site:
    if isinstance(source, Oxmq):
        return Site(
            source.endpoint,
            prefix=prefix or source.prefix,
            known=source.queue_names,
            redact=redact,
            timeout=_PATIENCE,
            clock=source.clock,
        )
    return Site(source, prefix=prefix or DEFAULT_PREFIX, redact=redact, timeout=_PATIENCE)


class _Api(FastAPI):
    """Say in the OpenAPI document how to sign in, too, and which role each call needs: ``x-role``."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            document["components"]["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "login": {"type": "http", "scheme": "basic"},
            }
            document["security"] = [{"token": []}, {"login": []}]
            for router in routers():
                for route in router.routes:
                    if isinstance(route, APIRoute):
                        _say_role(document["paths"][route.path_format], route)
        return super().openapi()


def _say_role(calls: dict[str, Any], route: APIRoute) -> None:
    role = role_needed(route)
    said: dict[str, object] = {"security": []} if role is None else {"x-role": role.value}
    for method in route.methods or ():
        calls[method.lower()] |= said
