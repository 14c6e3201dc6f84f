"""Receive webhooks over HTTP, refuse some of them with 500 as a busy partner would, and keep the accepted bodies."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from oxmq.demo.signature import is_authentic

#: How long the receiver works on a delivery, in seconds.
_THINK = 0.08


def refusals(event_id: str) -> int:
    """Return how many deliveries of an event are answered with 500 before one is accepted.

    One event in eight is refused twice, another one in eight once, chosen by the number that the id ends in.
    """
    match = re.search(r"\d+$", event_id)
    number = int(match[0]) if match else 1
    return 2 if number % 8 == 0 else 1 if number % 4 == 0 else 0


class WebhookReceiver:
    """Accept signed webhooks; `refused` counts the 500s per event id.

    `async with WebhookReceiver(folder, secret) as receiver` listens on a free port, at `receiver.url`.
    An accepted body is kept as `<event id>.<how many times accepted>.json`.
    """

    def __init__(self, folder: Path, secret: str) -> None:
        self.refused: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self._folder = folder
        self._secret = secret
        self._socket = socket.socket()

    @property
    def url(self) -> str:
        """Return where webhooks are to be posted."""
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/webhooks"

    async def __aenter__(self) -> Self:
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        app = Starlette(routes=[Route("/webhooks", self._receive, methods=["POST"])])
        self._server = _QuietServer(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        await self._serving
        self._socket.close()

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        if not is_authentic(self._secret, request.headers, body):
            return PlainTextResponse("bad signature", 401)
        await asyncio.sleep(_THINK)
        return self._judge(request.headers["webhook-id"], body)

    def _judge(self, event_id: str, body: bytes) -> Response:
        if not re.fullmatch(r"[\w-]{1,100}", event_id):
            return PlainTextResponse("bad event id", 400)
        if self.refused[event_id] < refusals(event_id):
            self.refused[event_id] += 1
            return PlainTextResponse("busy, try again", 500)
        self.accepted[event_id] += 1
        (self._folder / f"{event_id}.{self.accepted[event_id]}.json").write_bytes(body)
        return PlainTextResponse("thank you")


class _QuietServer(uvicorn.Server):
    """Leave the signals to the program that the server runs in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
