"""Serve an ASGI application with uvicorn in the test's own loop, and hold clients of it for each role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
import uvicorn

from tests.integration.bed import Bed

#: Secrets of an application that is served with tokens, by role; `only-email` is an operator of the queue `email`.
TOKENS: Final = {
    "viewer": "secret-of-the-viewer",
    "operator": "secret-of-the-operator",
    "admin": "secret-of-the-admin",
    "only-email": "secret-of-the-mailer",
}


class Web:
    """Talk to one served application.

    Attributes:
        url: where it is served.
        app: the application.
        bed: makes queues and workers under the same prefix.
        client: sends requests without credentials.
    """

    def __init__(self, url: str, app: Any, bed: Bed) -> None:
        self.url = url
        self.app = app
        self.bed = bed
        self.client = httpx2.AsyncClient(base_url=url, timeout=10)
        self._clients = [self.client]

    def as_(self, who: str) -> httpx2.AsyncClient:
        """Return a client that sends the token of one of `TOKENS`."""
        client = httpx2.AsyncClient(base_url=self.url, timeout=10, headers={"Authorization": f"Bearer {TOKENS[who]}"})
        self._clients.append(client)
        return client

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        """Return the JSON of a GET without credentials, which must be answered with `status`."""
        answer = await self.client.get(path, params=params)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json()

    async def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """Return the JSON of a POST without credentials, which must be answered with `status`."""
        answer = await self.client.post(path, json={} if body is None else body, headers=headers)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
        return answer.json() if answer.content else None

    async def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            await client.aclose()


@asynccontextmanager
async def serving(app: Any) -> AsyncGenerator[str]:
    """Serve an application on a free port, and yield its address.

    It ends at once, and not in uvicorn's own time, which looks about ten times a second.
    """
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="on", timeout_keep_alive=60)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.shutdown()
        if tasks := set(server.server_state.tasks):
            _, lingering = await asyncio.wait(tasks, timeout=1)
            for task in lingering:
                task.cancel()
            await asyncio.gather(*lingering, return_exceptions=True)
        await server.lifespan.shutdown()
