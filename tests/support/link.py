"""Carry one client's connection through the fault proxy, under the conditions that the test has set."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from tests.support.resp import FrameBuffer, command_words, is_push

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Verb = Literal["reset_before", "swallow_reply"]

_CHUNK = 65_536
#: Parts of a second in which a throttled link sends a packet.
_THROTTLE_TICK = 0.05
#: Seconds between cut packets, so that the receiver gets each by itself.
_PACKET_GAP = 0.001
_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger


class Conditions:
    """State what the network does at present, and count in `fired` what it did."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.bytes_per_second = 0.0
        self.packet = 0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.fired: Counter[str] = Counter()

    def calm(self) -> None:
        """Take every fault back."""
        self.latency = self.bytes_per_second = 0.0
        self.packet = 0
        self.flowing.set()

    async def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Write `data` as fast, and in such pieces, as the network allows."""
        for start in range(0, len(data), step := self._piece(len(data))):
            if not self.flowing.is_set():
                self.fired["stall"] += 1
                await self.flowing.wait()
            piece = data[start : start + step]
            writer.write(piece)
            await writer.drain()
            await self._pace(len(piece))

    def _piece(self, size: int) -> int:
        slow = int(self.bytes_per_second * _THROTTLE_TICK)
        return max(1, min(self.packet or size, slow if self.bytes_per_second else size))

    async def _pace(self, size: int) -> None:
        if self.packet:
            self.fired["split"] += 1
            await asyncio.sleep(_PACKET_GAP)
        if self.bytes_per_second:
            self.fired["throttle"] += 1
            await asyncio.sleep(size / self.bytes_per_second)


class Link:
    """One client's connection, and the one to the server that belongs to it.

    `verdict` says for the words of each command which fault it meets. Replies are told apart by their order, which
    holds for everything but the messages of a subscription in RESP2.
    """

    def __init__(self, conditions: Conditions, verdict: Callable[[Sequence[bytes]], Verb | None]) -> None:
        self.forgotten = False
        self._conditions = conditions
        self._verdict = verdict
        self._client: Stream | None = None
        self._server: Stream | None = None
        self._over = False
        self._carrying: list[asyncio.Task[None]] = []
        self._swallowed: deque[bool] = deque()  # for each command that awaits its reply: is that to be dropped?

    async def run(self, client: socket.socket, connect: Callable[[], Awaitable[Stream]]) -> None:
        """Carry both directions until either end closes or the link is reset."""
        self._client = await asyncio.open_connection(sock=client)
        try:
            self._server = await connect()
        except OSError:
            self._over = True
        if self._server and not self._over:
            pumps = (self._requests(self._client[0], self._server[1]), self._replies(self._server[0], self._client[1]))
            self._carrying = [asyncio.ensure_future(pump) for pump in pumps]
            await asyncio.wait(self._carrying, return_when=asyncio.FIRST_COMPLETED)
        if self._over:
            self.reset()  # again, for what was not connected yet
        await self._close()

    def reset(self) -> None:
        """End both connections at once; the client sees "connection reset by peer"."""
        self._over = True
        if self._client:
            with contextlib.suppress(OSError):  # closed by now
                self._client[1].get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            self._client[1].transport.abort()
        if self._server:
            self._server[1].transport.abort()
        for pump in self._carrying:
            pump.cancel()

    def forget(self) -> None:
        """Close the server's side only; what the client sends from now on goes nowhere."""
        self.forgotten = True
        if self._server:
            self._server[1].transport.abort()

    async def _requests(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        frames = FrameBuffer()
        with contextlib.suppress(ConnectionError):
            while data := await client.read(_CHUNK):
                await self._delay()
                for frame in frames.feed(data):
                    if self.forgotten:
                        continue
                    verdict = self._verdict(command_words(frame))
                    if verdict == "reset_before":
                        self._fire(verdict)
                        return
                    self._swallowed.append(verdict == "swallow_reply")
                    await self._conditions.send(server, frame)

    async def _replies(self, server: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        frames = FrameBuffer()
        with contextlib.suppress(ConnectionError):
            while data := await server.read(_CHUNK):
                for frame in frames.feed(data):
                    if not is_push(frame) and self._swallowed and self._swallowed.popleft():
                        self._fire("swallow_reply")
                        return
                    await self._conditions.send(client, frame)
        await self._conditions.flowing.wait()  # the end of the connection does not pass either
        if self.forgotten:
            await asyncio.Event().wait()  # until the link is reset or the client leaves

    async def _delay(self) -> None:
        if self._conditions.latency:
            self._conditions.fired["delay"] += 1
            await asyncio.sleep(self._conditions.latency)

    def _fire(self, verb: Verb) -> None:
        self._conditions.fired[verb] += 1
        self.reset()

    async def _close(self) -> None:
        for pump in self._carrying:
            pump.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        for stream in (self._client, self._server):
            if stream:
                stream[1].close()
                with contextlib.suppress(OSError):
                    await stream[1].wait_closed()
