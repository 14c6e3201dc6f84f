"""Talk to a Kubernetes API in plain JSON: what the tests and their node agent use, and the library does not."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

#: An object of Kubernetes. Any, because its depth is that of the API's own types.
Json = dict[str, Any]

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"

#: What a call fails with while the server is away.
UNREACHABLE = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)

#: Seconds: one call; between two tries; one watch; and without a word on it, after which it counts as dead.
CALL_TIMEOUT = 30.0
PAUSE = 0.2
WATCH_SECONDS = 60
SILENCE = 75.0
_PATIENCE = aiohttp.ClientTimeout(total=CALL_TIMEOUT)


class ApiError(Exception):
    """Say what the server refused, and why.

    Attributes:
        status: the HTTP status.
        reason: one word, such as ``AlreadyExists``; empty where the server gave none.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason


class Api:
    """A connection to an API server; use it in ``async with``, in one event loop.

    Args:
        server: its address, ``https://host:port``.
        token: the bearer token of the user.
        authority: the file of the certificate that signed the server's.
    """

    def __init__(self, server: str, token: str, authority: Path) -> None:
        self._server = server
        self._token = token
        self._authority = authority
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._opened = aiohttp.ClientSession(
            self._server,
            headers={"Authorization": f"Bearer {self._token}"},
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(self._authority)), limit=0),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened:
            await self._opened.close()
            # Connections that were cut are gone one turn of the loop later.
            await asyncio.sleep(0)

    async def get(self, path: str, **parameters: str) -> Json:
        """Return an object or a list."""
        return await self.call("GET", path, parameters=parameters)

    async def post(self, path: str, body: Json) -> Json:
        """Create an object and return it as the server keeps it."""
        return await self.call("POST", path, body)

    async def patch(self, path: str, body: Json, kind: str = MERGE) -> Json:
        """Change an object and return it."""
        return await self.call("PATCH", path, body, kind=kind)

    async def delete(self, path: str, options: Json | None = None) -> Json:
        """Delete an object; `options` are those of Kubernetes, such as ``propagationPolicy``."""
        return await self.call("DELETE", path, options)

    async def text(self, path: str, **parameters: str) -> str:
        """Return what is no JSON, such as a log."""
        async with self._answer("GET", path, parameters=parameters) as answer:
            return await answer.text()

    async def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        kind: str = "application/json",
        parameters: Mapping[str, str] | None = None,
    ) -> Json:
        """Make one call.

        Raises:
            ApiError: the server refused it.
            aiohttp.ClientError: the server is away.
        """
        async with self._answer(method, path, body, kind=kind, parameters=parameters) as answer:
            answered: Json = await answer.json()
            return answered

    async def watch(self, path: str, version: str, **parameters: str) -> AsyncGenerator[tuple[str, Json], None]:
        """Yield the type and object of every event after a resourceVersion, until the server ends the watch.

        Raises:
            ApiError: the server refused it, with an answer or with an event; 410 where the version is too old.
        """
        asked = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_SECONDS), **parameters}
        patience = aiohttp.ClientTimeout(total=None, sock_read=SILENCE, sock_connect=CALL_TIMEOUT)
        async with self._answer("GET", path, parameters=asked, timeout=patience) as answer:
            async for line in _lines(answer.content):
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    raise _refused(event["object"])
                yield event["type"], event["object"]

    async def follow(self, path: str, **parameters: str) -> AsyncGenerator[tuple[str, Json], None]:
        """Yield what there is and whatever happens to it, for ever: over restarts of the server and lost history.

        Yields:
            ``ADDED``, ``MODIFIED`` or ``DELETED`` and the object; the same state may come twice.
        """
        known: dict[str, Json] = {}
        while True:
            try:
                listed = await self.get(path, **parameters)
                for event in _differences(known, listed):
                    yield event
                async for kind, changed in self.watch(path, listed["metadata"]["resourceVersion"], **parameters):
                    _remember(known, kind, changed)
                    yield kind, changed
            except (ApiError, *UNREACHABLE):
                await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        kind: str = "application/json",
        parameters: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout = _PATIENCE,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        assert self._opened, "use it in async with"
        data = None if body is None else json.dumps(body)
        async with self._opened.request(
            method, path, data=data, params=parameters, headers={"Content-Type": kind}, timeout=timeout
        ) as answer:
            if answer.status >= 400:
                raise _refusal(answer.status, await answer.text())
            try:
                yield answer
            finally:
                _cut(answer)


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Cut the connection of an unfinished answer, such as a watch: a farewell might outlast the event loop."""
    if answer.connection and answer.connection.transport:
        answer.connection.transport.abort()


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Yield whole lines of any length; the stream's own iteration refuses long ones."""
    rest = b""
    async for part in stream.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line


def _differences(known: dict[str, Json], listed: Json) -> list[tuple[str, Json]]:
    present = {item["metadata"]["uid"]: item for item in listed["items"]}
    gone = [("DELETED", known[uid]) for uid in known.keys() - present.keys()]
    known.clear()
    known.update(present)
    return [*gone, *(("MODIFIED", item) for item in present.values())]


def _remember(known: dict[str, Json], kind: str, changed: Json) -> None:
    if kind == "DELETED":
        known.pop(changed["metadata"]["uid"], None)
    else:
        known[changed["metadata"]["uid"]] = changed


def _refusal(status: int, text: str) -> ApiError:
    try:
        return _refused(json.loads(text))
    except (ValueError, AttributeError):
        return ApiError(status, "", text)


def _refused(status: Json) -> ApiError:
    return ApiError(status.get("code", 0), status.get("reason") or "", status.get("message") or "")
