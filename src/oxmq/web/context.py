"""Give routes what they work with: the site, who asks, and where changes are written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, HTTPException, Request
from fastapi.routing import APIRoute

from oxmq.monitor.site import Site
from oxmq.web.access import Access, Grant, Role
from oxmq.web.audit import Audit
from oxmq.web.feed import Feed
from oxmq.web.gate import GRANT
from oxmq.web.job_events import JobEvents
from oxmq.web.limits import read_name
from oxmq.web.producer import Producer


@dataclass(frozen=True, slots=True)
class WebContext:
    """Hold what one application serves.

    Attributes:
        stand_in: gives what is served instead, while another server stands in for the application's own: for tests.
    """

    site: Site
    access: Access
    audit: Audit
    producer: Producer
    feed: Feed
    job_events: JobEvents
    stand_in: Callable[[], WebContext | None] = lambda: None

    async def close(self) -> None:
        """Close the connections. A later request opens new ones."""
        await self.feed.close()
        await self.job_events.close()
        await self.producer.close()
        await self.site.close()


def web_context(request: Request) -> WebContext:
    """Return the context of the application that a request came to."""
    own = cast("WebContext", request.app.state.web)
    return own.stand_in() or own


async def _site(request: Request) -> Site:
    return web_context(request).site


async def _producer(request: Request) -> Producer:
    return web_context(request).producer


async def _audit(request: Request) -> Audit:
    return web_context(request).audit


async def _feed(request: Request) -> Feed:
    return web_context(request).feed


async def _job_events(request: Request) -> JobEvents:
    return web_context(request).job_events


CurrentSite = Annotated[Site, Depends(_site)]
CurrentProducer = Annotated[Producer, Depends(_producer)]
CurrentAudit = Annotated[Audit, Depends(_audit)]
CurrentFeed = Annotated[Feed, Depends(_feed)]
CurrentJobEvents = Annotated[JobEvents, Depends(_job_events)]


class _Needs:
    """Let a request through whose sender may do what a role may."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Grant:
        grant = cast("Grant", request.scope[GRANT])
        if not grant.role.includes(self.role):
            raise HTTPException(403, f"This needs the role {self.role.value}; {grant.user} is {grant.role.value}.")
        queue = request.path_params.get("queue")
        if queue is not None and not grant.covers(read_name(queue)):
            raise HTTPException(403, f"{grant.user} may not see the queue {read_name(queue)!r}.")
        return grant


Viewer = Annotated[Grant, Depends(_Needs(Role.VIEWER))]
Operator = Annotated[Grant, Depends(_Needs(Role.OPERATOR))]
Admin = Annotated[Grant, Depends(_Needs(Role.ADMIN))]


def role_needed(route: APIRoute) -> Role | None:
    """Return the role that a route needs; None when anybody may ask."""
    calls = (dependency.call for dependency in route.dependant.dependencies)
    return next((call.role for call in calls if isinstance(call, _Needs)), None)
