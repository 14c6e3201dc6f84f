"""Load an HTTP server from a process of its own: `python -m bench.web_load`, which prints what it measured as JSON.

It speaks just enough HTTP/1.1 to cost little itself. Times are seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

#: Connections that stay open.
CONNECTIONS: Final = 16


class Connection:
    """One connection that stays open from request to request."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self.reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> Connection:
        """Connect, and return the connection."""
        host, port = self._address.hostname, self._address.port
        self.reader, self._writer = await asyncio.open_connection(host, port, limit=16 * 1024 * 1024)
        return self

    async def send(self, method: str, path: str, body: bytes = b"", accept: str = "application/json") -> int:
        """Send a request and read the head of its answer; return the status."""
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: {self._address.netloc}",
            f"Accept: {accept}",
            "Accept-Encoding: br",
        ]
        if body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        self._length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or -1)
        return int(head[9:12])

    async def body(self) -> bytes:
        """Read the rest of the answer."""
        if self._length >= 0:
            return await self.reader.readexactly(self._length)
        return b"".join([chunk async for chunk in self.chunks()])

    async def chunks(self):  # noqa: ANN201 - an asynchronous generator of bytes
        """Yield the pieces of an answer of unknown length as they come."""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request; return the status and the body of its answer."""
        status = await self.send(method, path, body)
        return status, await self.body()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def add(url: str, queue: str, rate: float, seconds: float) -> dict[str, Any]:
    """Add jobs at a steady rate, whether or not earlier answers have come, as visitors do.

    A time counts from when the request was due, so that one that waits for others pays for it.
    """
    path, body = f"/api/queues/{queue}/jobs", json.dumps({"name": "job", "data": {"to": "a@b.c", "n": 1}}).encode()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        connection = await Connection(url).open()
        await connection.ask("POST", path, body)
        free.put_nowait(connection)
    times: list[float] = []

    async def one(due: float) -> None:
        connection = await free.get()
        status, answer = await connection.ask("POST", path, body)
        times.append(time.perf_counter() - due)
        free.put_nowait(connection)
        assert status == 202, (status, answer)

    begin = time.perf_counter() + 0.1
    running = set()
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.add(asyncio.ensure_future(one(due)))
    await asyncio.gather(*running)
    return {"times": times}


async def get(url: str, paths: list[str], rounds: int, pause: float = 0) -> dict[str, Any]:
    """Ask for each path in turn, one request at a time, with pauses between; the first round is told apart."""
    connection = await Connection(url).open()
    times: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            await asyncio.sleep(pause)
            begin = time.perf_counter()
            status, answer = await connection.ask("GET", path)
            times[path].append(time.perf_counter() - begin)
            assert status == 200, (status, path, answer[:500])
    return {path: {"first": taken[0], "times": taken[1:]} for path, taken in times.items()}


async def stream(url: str, path: str, count: int, queue: str, changes: int) -> dict[str, Any]:
    """Open event streams, then change something several times, and wait until each stream has told of each change."""
    connections = await asyncio.gather(*(Connection(url).open() for _ in range(count)))
    begin = time.perf_counter()
    heard = [0] * count
    news = asyncio.Event()

    async def listen(number: int, connection: Connection) -> None:
        assert await connection.send("GET", path, accept="text/event-stream") == 200
        async for chunk in connection.chunks():
            if b"data:" in chunk:
                heard[number] += 1
                news.set()

    listening = [asyncio.ensure_future(listen(*item)) for item in enumerate(connections)]
    opened = await until(lambda: all(heard), news) - begin
    other = await Connection(url).open()
    times: list[float] = []
    asked: list[float] = []
    for _ in range(changes):
        before = list(heard)
        begin = time.perf_counter()
        status, _ = await other.ask("POST", f"/api/queues/{queue}/jobs", b'{"name":"job"}')
        asked.append(time.perf_counter() - begin)
        assert status == 202
        times.append(await until(lambda before=before: all(map(int.__gt__, heard, before)), news) - begin)
    for task in listening:
        task.cancel()
    return {"opened": opened, "times": times, "asked": asked}


async def until(is_so: Callable[[], bool], news: asyncio.Event, patience: float = 60) -> float:
    """Wait until something is so; return when."""
    async with asyncio.timeout(patience):
        while not is_so():
            news.clear()
            await news.wait()
    return time.perf_counter()


def main() -> None:
    """Do what the command line says."""
    made = argparse.ArgumentParser(prog="python -m bench.web_load", description=__doc__)
    made.add_argument("url")
    made.add_argument("what", choices=["add", "get", "stream"])
    made.add_argument("arguments", help="the arguments of the function, as a JSON object")
    arguments = made.parse_args()
    functions: dict[str, Callable[..., Awaitable[dict[str, Any]]]] = {"add": add, "get": get, "stream": stream}
    result = asyncio.run(_run(functions[arguments.what], arguments.url, json.loads(arguments.arguments)))
    print(json.dumps(result))


async def _run(function: Callable[..., Awaitable[dict[str, Any]]], url: str, arguments: dict[str, Any]) -> Any:
    return await function(url, **arguments)


if __name__ == "__main__":
    main()
