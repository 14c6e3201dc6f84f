"""Read a queue from outside: its jobs at the end, and whether its keys agree with each other."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from oxmq.doctor.queues import dump_keys, find_queues
from oxmq.invariants import Knowledge, violations
from oxmq.transport.connect import Endpoint
from oxmq.transport.runner import AsyncRunner
from tests.support.checker import Seen

PREFIX = "bull"
LISTS = ("wait", "paused", "active")
SETS = ("delayed", "prioritized", "waiting-children", "completed", "failed")
#: How many keys and members of keys a test may leave at most.
MOST = 1_000_000


class Keyspace:
    """Look at the queue `name` through a redis client of the test's own."""

    def __init__(self, client: Any, url: str, name: str, max_stalled: int = 1) -> None:
        self._client = client
        self._url = url
        self._name = name
        self._base = f"{PREFIX}:{name}:"
        self._max_stalled = max_stalled

    def count(self, *states: str) -> int:
        """Return how many jobs are in the states."""
        return sum(len(self._ids(state)) for state in states)

    def state_of(self, job_id: str) -> str:
        """Return the state that holds a job; empty when none does."""
        return next((state for state in (*LISTS, *SETS) if job_id in self._ids(state)), "")

    def field(self, job_id: str, name: str) -> str | None:
        """Return a field of a job's hash."""
        found: str | None = self._client.hget(self._base + job_id, name)
        return found

    def jobs(self) -> list[Seen]:
        """Return every job that some state holds, with the ends that the event stream tells of."""
        endings = Counter(
            entry["jobId"]
            for _, entry in self._client.xrange(self._base + "events")
            if entry["event"] in ("completed", "failed")
        )
        return [self._seen(job_id, state, endings[job_id]) for state in (*LISTS, *SETS) for job_id in self._ids(state)]

    def keep_all_events(self) -> None:
        """Let the event stream grow, so that it still tells of every job at the end."""
        self._client.hset(self._base + "meta", "opts.maxLenEvents", 1_000_000)

    def contradictions(self) -> list[str]:
        """Return the rules that the keys of a queue at rest break; empty when all is well."""
        return asyncio.run(broken_rules(self._url, self._name, self._max_stalled))

    def _ids(self, state: str) -> list[str]:
        read = self._client.lrange if state in LISTS else self._client.zrange
        ids: list[str] = read(self._base + state, 0, -1)
        return ids

    def _seen(self, job_id: str, state: str, endings: int) -> Seen:
        names = ("data", "opts", "atm", "ats", "stc")
        data, opts, made, started, stalled = self._client.hmget(self._base + job_id, names)
        attempts = max(1, json.loads(opts or "{}").get("attempts", 1))
        return Seen(
            key=json.loads(data or "{}").get("key", ""),
            job_id=job_id,
            state=state,
            endings=endings,
            attempts_made=int(made or 0),
            attempts_started=int(started or 0),
            stalled=int(stalled or 0),
            allowed=attempts + self._max_stalled,
        )


async def broken_rules(url: str, queue: str, max_stalled: int = 1) -> list[str]:
    """Return the rules of the keyspace that a queue at rest breaks; empty when all is well."""
    runner = AsyncRunner(Endpoint(url))
    try:
        keys = (await find_queues(runner, PREFIX, (queue,), MOST)).get(queue, set())
        dump = await dump_keys(runner, keys, MOST)
    finally:
        await runner.close()
    found = violations(dump, f"{PREFIX}:{queue}:", Knowledge(at_rest=True, max_stalled_count=max_stalled))
    return [f"{violation.rule}: {violation.key}: {violation.words}" for violation in found]
