"""End the streams of events when the server is told to stop, which would else wait for their end for ever."""

from __future__ import annotations

import asyncio
import signal

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Seconds between two looks at whether the server is to stop, while streams are open.
_INTERVAL = 0.2


class EventStreams:
    """Let no stream of events outlive the order to stop. Browsers come back by themselves, to the next server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: set[asyncio.Task[object]] = set()
        self._ended: set[asyncio.Task[object]] = set()
        self._watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self._app(scope, receive, send)
            return

        async def send_noticing(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_stream(message):
                self._begin(task)
            await send(message)

        try:
            await self._app(scope, receive, send_noticing)
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._open.discard(task)
            self._ended.discard(task)

    def _begin(self, task: asyncio.Task[object]) -> None:
        self._open.add(task)
        loop = asyncio.get_running_loop()
        if self._watch is None or self._watch.get_loop() is not loop:
            self._watch = loop.create_task(self._end_all_in_time())

    async def _end_all_in_time(self) -> None:
        try:
            while self._open and not is_server_stopping():  # noqa: ASYNC110 - the server tells nobody of it
                await asyncio.sleep(_INTERVAL)
            for task in self._open:
                self._ended.add(task)
                task.cancel()
        finally:
            self._watch = None


def is_server_stopping() -> bool:
    """Tell whether the server in which this runs was told to stop, as far as can be known: uvicorn waits for streams.

    It says so to no application before all have ended; but it is the owner of the process's signal handlers.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        server = getattr(signal.getsignal(number), "__self__", None)
        if getattr(server, "should_exit", False) is True:
            return True
    return False


def _is_stream(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
