"""Keep requests small and answers harmless, whatever application stands behind."""

from __future__ import annotations

import logging
import re
from collections import deque
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oxmq.web.problems import problem

_log = logging.getLogger(__name__)

#: How large the body of a request may be, in bytes.
MAX_BODY = 1024 * 1024
#: A slash or a percent sign that was escaped in an address belongs to a name: it stays so until the name is read.
_ESCAPED = re.compile(r"%(2[Ff]|25)")
#: Methods whose requests bring nothing, unless they say that they do.
_BODILESS = ("GET", "HEAD", "OPTIONS")

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Limits:
    """Refuse bodies that are too large or no JSON, and tell browsers what a page may do."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            answer, receive = await _examined(scope, receive)
            await (answer or self._app)(_with_whole_names(scope), receive, send_guarded)
        except Exception as error:
            if started:
                raise
            _log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
            await problem(500, "Something went wrong here; the server's log says what.")(scope, receive, send_guarded)


def read_name(part: str) -> str:
    """Return the name that a part of a path stands for."""
    return unquote(part)


def _with_whole_names(scope: Scope) -> Scope:
    """Return the scope with escaped slashes still escaped, so that they part nothing."""
    raw: bytes | None = scope.get("raw_path")
    if raw is None or b"%" not in raw:
        return scope
    path = raw.split(b"?", 1)[0].decode("latin-1")
    if unquote(path) != scope["path"]:
        return scope  # somebody in between has changed the path, so that it is not the one that was sent
    return {**scope, "path": unquote(_ESCAPED.sub(r"%25\1", path), errors="replace")}


async def _examined(scope: Scope, receive: Receive) -> tuple[Response | None, Receive]:
    """Return the answer to a request that is refused, else None; and what to receive the body from."""
    headers = Headers(scope=scope)
    if scope["method"] in _BODILESS and "transfer-encoding" not in headers:
        return None, receive
    length = headers.get("content-length")
    if length is None:
        size, receive = await _read_ahead(receive)
    else:
        size = int(length) if length.isascii() and length.isdigit() else MAX_BODY + 1
    if size > MAX_BODY:
        return problem(413, f"The body must be at most {MAX_BODY} bytes."), receive
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if size and kind != "application/json":
        return problem(415, "The body must be JSON, sent as Content-Type: application/json."), receive
    return None, receive


async def _read_ahead(receive: Receive) -> tuple[int, Receive]:
    """Read a body whose length was not given, but no more than is acceptable; return what it has and gives again."""
    read: deque[Message] = deque()
    size, more = 0, True
    while more and size <= MAX_BODY:
        read.append(await receive())
        size += len(read[-1].get("body", b""))
        more = read[-1].get("more_body", False)

    async def receive_again() -> Message:
        return read.popleft() if read else await receive()

    return size, receive_again
