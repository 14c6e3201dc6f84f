"""Say what oxmq needs of the Redis client's connections: the few methods that it calls, with their types."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

import hiredis

from oxmq.ops.call import Reply, Word

#: How long making a connection may take, in seconds.
CONNECT_TIMEOUT = 2.0

# Its own annotation is of a command of one word. It takes a sixth of the time of the client's packer.
_pack_command = cast("Callable[[tuple[Word, ...]], bytes]", cast("Any", hiredis).pack_command)


def pack(words: Sequence[Word]) -> bytes:
    """Return a command as it goes over the wire."""
    return _pack_command(tuple(words))


class AsyncWire(Protocol):
    """Be one connection of an event loop."""

    async def connect(self) -> None: ...

    async def send_packed_command(self, command: bytes) -> None: ...

    async def read_response(self, disable_decoding: bool = False) -> Reply: ...

    async def disconnect(self, nowait: bool = False) -> None: ...


class SyncWire(Protocol):
    """Be one blocking connection."""

    def send_command(self, *words: Word) -> None: ...

    def read_response(self, disable_decoding: bool = False) -> Reply: ...

    def disconnect(self) -> None: ...


class SyncWires(Protocol):
    """Be a pool of blocking connections, safe across threads and forks."""

    def get_connection(self) -> SyncWire: ...

    def release(self, connection: SyncWire) -> None: ...

    def disconnect(self) -> None: ...


ClockReading = Callable[[Reply], int]
"""Return how many milliseconds the server's clock is ahead, given its answer to TIME."""


def clock_reading() -> ClockReading:
    """Begin to compare clocks: ask TIME next, and call what this returns with the answer."""
    before = time.time()

    def offset_ms(reply: Reply) -> int:
        seconds, micros = reply
        here = (before + time.time()) / 2
        return round((int(seconds) + int(micros) / 1e6 - here) * 1000)

    return offset_ms
