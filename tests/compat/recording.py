"""Record scenarios of our own with a real BullMQ, in the form of the golden fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.compat.node_peer import NodeError, NodePeer
from tests.golden.fixture import Fixture, Step
from tests.golden.keyspace import Commands, Json, dump
from tests.golden.replay import raw
from tests.golden.spelling import UNDEFINED

START_MS: Final = 1_700_000_000_000
QUEUE: Final = "golden"
OTHER: Final = "golden-b"


class Recording:
    """Do calls one by one with BullMQ on a clock that stands still, and keep them with their outcomes.

    The server is emptied at the start, and the peer's clock never goes again: give it a peer of its own.
    """

    def __init__(self, node: NodePeer, redis: Commands) -> None:
        self.node = node
        self.redis = redis
        self.steps: list[Step] = []
        self.queues: tuple[str, ...] = (QUEUE,)
        self.queue_options: dict[str, Json] = {}
        self.worker_options: dict[str, Json] = {}

    async def start(
        self,
        *,
        queues: tuple[str, ...] = (QUEUE,),
        queue: dict[str, Json] | None = None,
        worker: dict[str, Json] | None = None,
    ) -> None:
        """Empty the server and make queues and their workers with these options, in BullMQ's spelling."""
        self.queues, self.queue_options, self.worker_options = queues, queue or {}, worker or {}
        await self.redis.execute_command("FLUSHALL")
        options = {"queueOptions": self.queue_options, "workerOptions": self.worker_options}
        await self.node.request("record", queues=queues, start=START_MS, **options)

    async def do(self, op: str, *args: Json, on: str | None = None, alias: str | None = None) -> Json:
        """Do one call on a job by its alias, or on the queue or worker; return its result, None when it failed."""
        step: Step = {"op": op, "args": list(args)}
        if on:
            step["on"] = on
        if alias:
            step["as"] = alias
        if op == "queue.getRateLimitTtl":
            step["approx"] = True
        self.steps.append(step)
        try:
            step["returns"] = await self._send(step)
        except NodeError as error:
            code = {} if error.code is None else {"code": error.code}
            step["error"] = {"message": str(error), **code}
            return None
        return step["returns"]

    async def fixture(self, name: str) -> Fixture:
        """Return what was recorded, with the keyspace as it is now."""
        await self.node.request("stopRecording")
        return Fixture(
            path=Path(name),
            name=name,
            version=self.node.version,
            start_ms=START_MS,
            queues=list(self.queues),
            queue_options=self.queue_options,
            worker_options=self.worker_options,
            steps=self.steps,
            snapshots={},
            keys=await dump(self.redis),
        )

    async def _send(self, step: Step) -> Json:
        if step["op"] == "clock.advance":
            await self.node.request("advance", ms=step["args"][0])
            return UNDEFINED
        if step["op"] == "raw":
            return await raw(self.redis, step["args"])
        return await self.node.request("step", step=step)
