"""Send the requests as a handful of clients would, and measure what they wait for."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from oxmq.demo.operations import Operation, Way

#: How many clients send requests at the same time, each one after the other.
CLIENTS = 4

#: How long, in seconds, one request or one job may take before the demo gives up.
PATIENCE = 60

_POLL = 0.05
_EXPECTED: dict[Way, int] = {"inline": 200, "queued": 202}


class LoadError(Exception):
    """Say which request was not answered as it should have been, or which job did not complete."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold what one operation cost in one way.

    Attributes:
        keys: The keys of the requests, which name what came out of each.
        waits: How long each client waited for its HTTP answer, in seconds.
        elapsed: From the first request until all of the work was done, in seconds.
        attempts: How many attempts each job took, by the request's key; empty for inline.
        results: What each job returned, as decoded JSON, by the request's key; empty for inline.
    """

    keys: list[str]
    waits: list[float]
    elapsed: float
    attempts: dict[str, int] = field(default_factory=dict[str, int])
    results: dict[str, Any] = field(default_factory=dict[str, Any])

    def percentile(self, percent: float) -> float:
        """Return the wait, in seconds, that `percent` of the clients did not exceed (nearest rank)."""
        return sorted(self.waits)[max(0, math.ceil(len(self.waits) * percent / 100) - 1)]


class Load:
    """Send the requests of one operation, in one way, to the API server."""

    def __init__(self, client: httpx2.AsyncClient, operation: Operation, way: Way) -> None:
        self._client = client
        self._operation = operation
        self._way: Way = way
        self._waits: dict[str, float] = {}
        self._status_urls: dict[str, str] = {}

    async def run(self, keys: list[str], advance: Callable[[], None] = lambda: None) -> Measurement:
        """Send one request for each key and wait until all of the work is done.

        `advance` is called whenever one more piece of the work is known to be done.

        Raises:
            LoadError: A request was not answered with success, or a job failed or did not finish in time.
        """
        waiting = iter(keys)
        started = time.perf_counter()
        await asyncio.gather(*(self._be_a_client(waiting, advance) for _ in range(CLIENTS)))
        ends = {key: await self._end_of(key, advance) for key in self._status_urls}
        elapsed = time.perf_counter() - started
        attempts = {key: int(status["attempts_made"]) for key, status in ends.items()}
        results = {key: status.get("result") for key, status in ends.items()}
        return Measurement(keys, list(self._waits.values()), elapsed, attempts, results)

    async def _be_a_client(self, waiting: Iterator[str], advance: Callable[[], None]) -> None:
        for key in waiting:
            answer = await self._send(key)
            if self._way == "inline":
                advance()
            else:
                self._status_urls[key] = answer.json()["status_url"]

    async def _send(self, key: str) -> httpx2.Response:
        path = self._operation.path(self._way)
        started = time.perf_counter()
        answer = await self._ask("POST", path, _EXPECTED[self._way], self._operation.body(key))
        self._waits[key] = time.perf_counter() - started
        return answer

    async def _ask(self, method: str, path: str, expected: int, body: object = None) -> httpx2.Response:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx2.HTTPError as error:
            raise LoadError(f"{method} {path} was not answered: {error!r}") from error
        if answer.status_code != expected:
            raise LoadError(f"{method} {path} was answered with {answer.status_code}: {answer.text[:500]}")
        return answer

    async def _end_of(self, key: str, advance: Callable[[], None]) -> dict[str, Any]:
        """Follow the job until it has completed and return its status then, as the API server tells it."""
        url = self._status_urls[key]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            status: dict[str, Any] = (await self._ask("GET", url, 200)).json()
            if status["state"] == "completed":
                advance()
                return status
            if status["state"] == "failed":
                raise LoadError(f"The job of {key}, {url}, failed: {status['failed_reason']}")
            await asyncio.sleep(_POLL)
        raise LoadError(f"The job of {key}, {url}, was not done after {PATIENCE} s")
