"""Gather the facts of a server that the checks judge."""

from __future__ import annotations

import re
import time
from typing import TypeVar

from msgspec import Struct

from oxmq.errors import BackendError
from oxmq.ops import server
from oxmq.ops.call import Call
from oxmq.transport.runner import AsyncRunner

T = TypeVar("T")

#: How many round trips are measured.
_TRIPS = 20
_NUMBER = re.compile(r"\d+")
_SETTINGS = ("appendfsync", "save", "min-replicas-to-write")


class ServerFacts(Struct, frozen=True, kw_only=True):
    """Hold what a server says of itself, and what was measured on the way to it.

    Attributes:
        address: where it is, without the password.
        info: what INFO says; empty when the server forbids it.
        config: the settings that could be read.
        unread: what could not be read, and why.
        client_names: under what names clients are connected; None when that could not be read.
        trips_ms: how long single round trips took, in milliseconds.
        ahead_s: by how many seconds the server's clock is ahead of this host's.
    """

    address: str
    info: dict[str, str]
    config: dict[str, str]
    unread: tuple[str, ...]
    client_names: list[str] | None
    trips_ms: tuple[float, ...]
    ahead_s: float

    @property
    def kind(self) -> str:
        """Return the server's make."""
        if "dragonfly_version" in self.info:
            return "Dragonfly"
        if self.info.get("server_name") == "valkey" or "valkey_version" in self.info:
            return "Valkey"
        return "Redis"

    @property
    def version(self) -> str:
        """Return the server's own version; empty when it is not known."""
        return self.info.get(f"{self.kind.lower()}_version", "")

    @property
    def version_numbers(self) -> tuple[int, ...]:
        """Return the version's numbers, for comparing."""
        return tuple(int(number) for number in _NUMBER.findall(self.version)[:3])

    def number(self, name: str) -> int:
        """Return a figure of INFO; 0 when it is not known."""
        value = self.info.get(name, "")
        return int(value) if value.isdigit() else 0

    def command(self, *words: str) -> str:
        """Return what an operator types to send a command to this server."""
        return " ".join((*_client_for(self.address), *words))


async def gather_facts(runner: AsyncRunner, trips: int = _TRIPS) -> ServerFacts:
    """Ask the server for everything that it will tell.

    Args:
        trips: how many round trips to measure.

    Raises:
        UnavailableError: it does not answer at all.
    """
    await runner.run(server.ping())
    reader = _Reader(runner)
    timed = [await _timed(runner) for _ in range(trips)]
    client_names: list[str] | None = await reader.read("CLIENT LIST", server.get_client_names())
    return ServerFacts(
        address=runner.endpoint.address,
        info=await reader.read("INFO", server.get_info()) or {},
        config=await reader.read_settings(),
        client_names=client_names,
        unread=tuple(reader.unread),
        trips_ms=tuple(trip for trip, _ in timed),
        # The quickest round trip leaves the least room for error.
        ahead_s=min(timed)[1],
    )


class _Reader:
    """Read what the server permits, and note what it does not."""

    def __init__(self, runner: AsyncRunner) -> None:
        self._runner = runner
        self.unread: list[str] = []

    async def read(self, what: str, call: Call[T]) -> T | None:
        try:
            return await self._runner.run(call)
        except BackendError as error:
            self.unread.append(f"{what} ({error})")
            return None

    async def read_settings(self) -> dict[str, str]:
        settings: dict[str, str] = {}
        for name in _SETTINGS:
            value = await self.read("CONFIG GET", server.get_config(name))
            if value is None:
                break
            settings[name] = value
        return settings


async def _timed(runner: AsyncRunner) -> tuple[float, float]:
    """Return how long a round trip took in ms, and how far ahead the server's clock was in it."""
    before, started = time.time(), time.perf_counter()
    there = await runner.run(server.get_time())
    took = time.perf_counter() - started
    return took * 1000, there - (before + took / 2)


def _client_for(address: str) -> tuple[str, ...]:
    scheme, _, rest = address.partition("://")
    if scheme in ("redis", "rediss"):
        return ("redis-cli", "-u", address)
    return ("redis-cli", "-s", rest) if scheme == "unix" else ("redis-cli",)
