"""Serve the dashboard beside a Django project, to its staff."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.http import HttpRequest

from oxmq.errors import ConfigurationError
from oxmq.integrations.django import app

try:
    from oxmq.web import Access, Grant, Role, oxmq_web
except ModuleNotFoundError as error:
    raise ImportError('serving the dashboard needs FastAPI: pip install "oxmq[django,web]"') from error

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from oxmq.web.access import Guard

# Any, for that is what an ASGI scope and its messages hold.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application as ASGI servers call it."""


def with_dashboard(application: AsgiApp, path: str = "/oxmq", *, guard: Guard | None = None) -> AsgiApp:
    """Return an ASGI application that serves the dashboard and the HTTP API at `path`, and `application` elsewhere.

    Args:
        application: the project's, from ``get_asgi_application()``.
        path: where the dashboard is.
        guard: says who may come in; `staff_only` when not given.

    Raises:
        ConfigurationError: the path does not begin with a slash, or is the root.
    """
    base = path.rstrip("/")
    if not base.startswith("/"):
        raise ConfigurationError(f"path must begin with '/' and not be the root, not {path!r}")
    dashboard: Any = oxmq_web(app, access=Access(guard=guard or staff_only))  # typed for Starlette's scopes

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # Django has none
            await dashboard(scope, receive, send)
        elif scope["type"] == "http" and _is_below(base, scope):
            root = scope.get("root_path", "")
            await dashboard({**scope, "root_path": f"{root}{base}", "app_root_path": root}, receive, send)
        else:
            await application(scope, receive, send)

    return serve


async def staff_only(connection: HTTPConnection) -> Grant | None:
    """Let those in who are signed in to the project: superusers as admins, other staff as operators."""
    return await sync_to_async(_grant)(connection.cookies.get(settings.SESSION_COOKIE_NAME))


def _grant(session: str | None) -> Grant | None:
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session)
    try:
        user: Any = get_user(request)  # of the project's own class, which may know nothing of staff
        if not (user.is_active and getattr(user, "is_staff", False)):
            return None
        role = Role.ADMIN if getattr(user, "is_superuser", False) else Role.OPERATOR
        return Grant(role=role, user=user.get_username())
    finally:
        close_old_connections()  # no request of Django's does it


def _is_below(base: str, scope: Scope) -> bool:
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    return path == base or path.startswith(f"{base}/")
