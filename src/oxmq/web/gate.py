"""Ask who sends a request before anything of it is read."""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from oxmq.web.access import Access, Grant, is_forged
from oxmq.web.problems import problem

#: Where the grant is kept in a request's scope.
GRANT: Final = "oxmq.grant"
_GUARDED: Final = ("/api/", "/metrics")
#: Signing in and out is for those who have not shown who they are.
_DOOR: Final = ("/api/session", frozenset({"POST", "DELETE"}))


class Gate:
    """Let requests for the API through from those who have shown who they are, and note what they may do."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_guarded(scope):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        grant = await self._access.grant(request)
        refusal = self._refusal(request, grant)
        await (refusal or self._app)({**scope, GRANT: grant}, receive, send)

    def _refusal(self, request: HTTPConnection, grant: Grant | None) -> Response | None:
        if grant is None:
            return _unknown_sender(self._access)
        if is_forged(request, grant):
            return problem(403, "This change was not sent by this site's own pages, nor with a bearer token.")
        return None


def _is_guarded(scope: Scope) -> bool:
    path = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    place, methods = _DOOR
    return path.startswith(_GUARDED) and not (path == place and scope["method"] in methods)


def _unknown_sender(access: Access) -> Response:
    if access.is_open:
        return problem(
            403,
            "Only programs on this computer may ask, under a name of this computer, because no way to sign in is "
            "set up: give tokens, logins or a guard.",
        )
    if access.is_hosted:
        return problem(403, "The application that this is a part of lets you see nothing here. Sign in there.")
    headers = {"WWW-Authenticate": ", ".join(access.challenges)}
    return problem(401, "Sign in: the request has no valid credentials.", headers)
