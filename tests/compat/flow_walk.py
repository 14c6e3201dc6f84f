"""Walk over flows in two queues: trees of jobs whose children end in every way there is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tests.compat.wandering import ON_JOBS, Choices, Walk
from tests.golden.keyspace import Json

#: The client would make a Python set of the reply to the plain command.
IN_ORDER: Final = "return redis.call('SMEMBERS', KEYS[1])"

#: A flow has at most so many levels.
DEPTH: Final = 3


class FlowWalk(Walk):
    """Add flows and children, work on them, and take them apart."""

    def calls(self) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        return [
            (5, self.add_flow),
            (1, self.add_flows),
            (3, self.add_child),
            (1, self.add),
            (10, self.fetch),
            (3, self.fail_deferred),
            (8, self.complete),
            (7, self.fail),
            (2, self.wait_for_children),
            (2, self.on_family),
            (2, self.remove_tree),
            (1, self.remove_unprocessed),
            (1, self.cut_relation),
            (2, self.on_some_job),
            (1, self.lose_lock_and_check),
            (3, self.advance),
            (0.5, self.pause),
            (2, self.resume),
            (2, self.drop_marker),
            (0.5, self.clean),
        ]

    def job_options(self) -> dict[str, Json]:
        return self.options(NODE_OPTIONS)

    def on_jobs(self) -> Sequence[list[Json]]:
        return [call for call in ON_JOBS if call != ["job.remove"]]

    # ---- adding ----------------------------------------------------------------------------------------------------

    def node(self, depth: int, queue: str = "") -> dict[str, Json]:
        """Make a tree up."""
        number = self.next_number()
        node: dict[str, Json] = {
            "name": f"n{number}",
            "queueName": queue or self.queue(),
            "data": {"n": number},
            "opts": {"jobId": f"f{number}"} | self.options(NODE_OPTIONS),
        }
        children = self.random.randint(1, 3) if depth == 1 else self.random.randint(0, 2)
        if depth < DEPTH and children:
            node["children"] = [self.child(depth + 1) for _ in range(children)]
        return node

    def child(self, depth: int) -> dict[str, Json]:
        """Make a subtree up, with or without a rule for its failure."""
        node = self.node(depth)
        node["opts"] |= self.policy()
        return node

    def policy(self) -> dict[str, Json]:
        """Choose what a child's failure does to its parent."""
        name = self.random.choice(POLICIES)
        return {name: True} if name else {}

    async def add_flow(self) -> None:
        node = self.node(1)
        await self.recording.do("flow.add", node)
        await self._remember(node)

    async def add_flows(self) -> None:
        # BullMQ mixes the jobs of flows that are added together; here they share no queue, so that it does not show.
        nodes = [self.node(DEPTH, queue) for queue in self.recording.queues]
        await self.recording.do("flow.addBulk", nodes)
        for node in nodes:
            await self._remember(node)

    async def _remember(self, node: dict[str, Json]) -> None:
        """Get one of a tree's jobs, to do something to it later."""
        while node.get("children") and self.random.random() < 0.6:
            node = self.random.choice(node["children"])
        await self.get(node["queueName"], node["opts"]["jobId"])

    async def get(self, queue: str, job_id: str) -> str | None:
        """Get a job anew, and return its alias if it exists."""
        alias = f"g{self.next_number()}"
        found = await self.recording.do("queue.getJob", job_id, on=f"queue:{queue}", alias=alias)
        if found is None or "$job" not in found:
            return None
        self.added.append(alias)
        return alias

    async def add_child(self) -> None:
        """Add a job under one that is there, or was."""
        parent = await self.some_key()
        if parent is None:
            return
        options = self.options(NODE_OPTIONS) | self.policy()
        options["parent"] = {"id": parent[1], "queue": f"bull:{parent[0]}"}
        queue, known = self.queue(), f"f{self.random.randint(1, self.numbers)}"
        if self.random.random() < 0.3 and (queue, known) != parent and await self._is_adoptable(queue, known):
            options["jobId"] = known
        await self.recording.do("queue.add", "child", {}, options, on=f"queue:{queue}")

    async def _is_adoptable(self, queue: str, job_id: str) -> bool:
        """Tell whether a job can be made a child: it must have no children, lest it became its own ancestor.

        For one that has failed BullMQ's parent waits; ours is told of the failure.
        """
        kinds = ("dependencies", "processed", "failed", "unsuccessful")
        if await self.peek("EXISTS", *(f"bull:{queue}:{job_id}:{kind}" for kind in kinds)):
            return False
        return not await self.peek("HEXISTS", f"bull:{queue}:{job_id}", "failedReason")

    async def some_key(self) -> tuple[str, str] | None:
        """Choose a job that was added: its queue and its id."""
        if not self.added:
            return None
        alias = self.random.choice(self.added)
        made = next(step for step in self.recording.steps if step.get("as") == alias)
        return made["on"].partition(":")[2], made["returns"]["$job"]

    # ---- working ---------------------------------------------------------------------------------------------------

    async def wait_for_children(self) -> None:
        running = self.running()
        if running is None:
            return
        alias, held = running
        waits = await self.recording.do("job.moveToWaitingChildren", held.token, {}, on=alias)
        if not waits:
            self.held[alias] = held

    async def on_family(self) -> None:
        """Look at the children of some job."""
        chosen = await self.some_key()
        alias = await self.get(*chosen) if chosen else None
        if alias is not None:
            await self.recording.do(self.random.choice(FAMILY), on=alias)

    async def remove_tree(self) -> None:
        """Remove a job with its children or without, or only those of them that have not begun."""
        chosen = await self.some_key()
        if chosen is None or not await self._is_ordered(*chosen):
            return
        queue, job_id = chosen
        options = self.options([(0.5, "removeChildren", [True, False])])
        await self.recording.do("queue.remove", job_id, options, on=f"queue:{queue}")

    async def remove_unprocessed(self) -> None:
        chosen = await self.some_key()
        if chosen is None or not await self._is_ordered(*chosen):
            return
        alias = await self.get(*chosen)
        if alias is not None:
            await self.recording.do("job.removeUnprocessedChildren", on=alias)

    async def _is_ordered(self, queue: str, job_id: str) -> bool:
        """Tell whether a tree's children stand in the order of their keys.

        BullMQ goes through them in the order that the server happens to give, we in this one.
        """
        job_key = f"bull:{queue}:{job_id}"
        pending = await self.peek("EVAL", IN_ORDER, 1, f"{job_key}:dependencies")
        ended = [*await self.peek("HKEYS", f"{job_key}:processed"), *await self.peek("HKEYS", f"{job_key}:failed")]
        ended += await self.peek("ZRANGE", f"{job_key}:unsuccessful", 0, -1)
        below = [key.split(":", 2)[1:] for key in [*pending, *ended]]
        return pending == sorted(pending) and all([await self._is_ordered(*child) for child in below])

    async def cut_relation(self) -> None:
        chosen = await self.some_key()
        if chosen is None or not await self.peek("HEXISTS", f"bull:{chosen[0]}:{chosen[1]}", "parentKey"):
            return
        alias = await self.get(*chosen)
        await self.recording.do("job.removeChildDependency", on=alias)

    # ---- steering --------------------------------------------------------------------------------------------------

    async def clean(self) -> None:
        queue, state = self.queue(), self.random.choice(["completed", "failed", "wait", "delayed", "prioritized"])
        # BullMQ cleans a list beginning with what runs last, which shows in the order in which parents become ready.
        if state != "wait" or len(await self.peek("LRANGE", f"bull:{queue}:wait", 0, -1)) == 1:
            await self.recording.do("queue.clean", 0, 0, state, on=f"queue:{queue}")


POLICIES: Final = [
    "",
    "",
    "failParentOnFailure",
    "failParentOnFailure",
    "continueParentOnFailure",
    "ignoreDependencyOnFailure",
    "removeDependencyOnFailure",
]

NODE_OPTIONS: Final[Choices] = [
    (0.15, "delay", [1, 1000]),
    (0.2, "priority", [1, 2]),
    (0.2, "attempts", [2]),
    (0.1, "backoff", [{"type": "fixed", "delay": 1000}]),
    (0.2, "removeOnComplete", [True, 1]),
    # A number would remove older children, too; BullMQ tells their parents first and we last of all.
    (0.2, "removeOnFail", [True]),
    (0.1, "lifo", [True]),
]

FAMILY: Final = [
    "job.getChildrenValues",
    "job.getIgnoredChildrenFailures",
    "job.getDependencies",
    "job.getDependenciesCount",
]
