"""Know how the Jobs of a namespace are, with one watch for all of them.

The watch only makes news come soon. What counts is the list that begins each round: a change that no watch told of is
in the next one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Final

from oxmq.kubernetes.cluster import Cluster, ClusterError, ClusterUnavailableError, ExpiredError, Object

_log = logging.getLogger("oxmq.kubernetes")

#: How long a watch goes on before everything is listed again, in seconds.
_ROUND: Final = 30.0
#: How long to wait after a failure, at first and at most, in seconds.
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0


class Followed:
    """Hold what is known of one Job: its latest state, and whether it is missing from the cluster."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.since_round: int | None = None
        self.job: Object | None = None
        self.missing = False
        self._news = asyncio.Event()

    def tell(self, job: Object | None) -> None:
        """Note the Job's state; None for a Job that is gone."""
        self.missing = job is None
        self.job = self.job if job is None else job
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Wait for news, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()


class JobWatch:
    """Follow any number of a namespace's Jobs with one watch. Only of those that are followed anything is kept."""

    def __init__(self, cluster: Cluster, namespace: str, selector: str, *, round_seconds: float = _ROUND) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._selector = selector
        self._round_seconds = round_seconds
        self._followed: dict[str, Followed] = {}
        self._wanted = asyncio.Event()
        self._round = 0
        self._pause = _FIRST_PAUSE
        self._task: asyncio.Task[None] | None = None

    def follow(self, name: str) -> Followed:
        """Follow the Job of that name, before it is created or looked at, so that no change of it is missed."""
        followed = self._followed[name] = Followed(name)
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._watch())
        return followed

    def found(self, followed: Followed, job: Object) -> None:
        """Note that the Job exists: from now on its absence is news."""
        followed.since_round = self._round
        if followed.job is None:
            followed.tell(job)

    def leave(self, followed: Followed) -> None:
        """Follow a Job no more."""
        if self._followed.get(followed.name) is followed:
            del self._followed[followed.name]
        if not self._followed:
            self._wanted.clear()

    async def close(self) -> None:
        """End the watch."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await self._wanted.wait()
            try:
                await self._watch_once()
            except ExpiredError:
                continue
            except ClusterError as error:
                _log.warning("the Jobs of namespace %s cannot be watched: %s", self._namespace, error)
                await asyncio.sleep(self._pause_after(error))

    async def _watch_once(self) -> None:
        self._round += 1
        began = self._round
        listing = await self._cluster.list_jobs(self._namespace, self._selector)
        self._take_in(listing.items, began)
        self._pause = _FIRST_PAUSE
        version, ends = listing.resource_version, asyncio.get_running_loop().time() + self._round_seconds
        while (left := ends - asyncio.get_running_loop().time()) > 0:
            began_stream = asyncio.get_running_loop().time()
            async for change in self._cluster.watch_jobs(self._namespace, self._selector, version, left):
                version = change.resource_version or version
                self._tell(change.object, gone=change.kind == "DELETED")
            if asyncio.get_running_loop().time() - began_stream < _FIRST_PAUSE:
                await asyncio.sleep(_FIRST_PAUSE)  # a server that ends streams at once is not asked all the time

    def _take_in(self, items: Iterable[Object], began: int) -> None:
        seen = {str(job.get("metadata", {}).get("name")): job for job in items}
        for name, followed in list(self._followed.items()):
            if name in seen:
                followed.tell(seen[name])
            elif followed.since_round is not None and followed.since_round < began:
                followed.tell(None)  # it was seen before the list was asked for

    def _tell(self, job: Object, *, gone: bool) -> None:
        followed = self._followed.get(str(job.get("metadata", {}).get("name")))
        if followed is not None:
            followed.tell(None if gone else job)

    def _pause_after(self, error: ClusterError) -> float:
        pause = random.uniform(self._pause / 2, self._pause)  # so that workers do not come back together
        self._pause = min(2 * self._pause, _LAST_PAUSE)
        asked = error.retry_after if isinstance(error, ClusterUnavailableError) else None
        return max(pause, asked or 0.0)


class PodLook:
    """Look at the pods of runs: who asks at about the same time is answered by one request."""

    def __init__(self, cluster: Cluster, namespace: str, run_label: str, *, gather_seconds: float = 0.5) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._run_label = run_label
        self._gather_seconds = gather_seconds
        self._asked: dict[str, asyncio.Future[list[Object]]] = {}
        self._looks: set[asyncio.Task[None]] = set()

    async def pods_of(self, run: str) -> list[Object]:
        """Return the pods of a run.

        Raises:
            ClusterError: the cluster does not say.
        """
        loop = asyncio.get_running_loop()
        if run not in self._asked:
            if not self._asked:
                task = loop.create_task(self._look())
                self._looks.add(task)
                task.add_done_callback(self._looks.discard)
            self._asked[run] = loop.create_future()
        return await asyncio.shield(self._asked[run])

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._looks:
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)

    async def _look(self) -> None:
        await asyncio.sleep(self._gather_seconds)
        asked, self._asked = self._asked, {}
        runs = list(asked)
        try:
            for first in range(0, len(runs), _RUNS_A_LOOK):
                await self._answer(runs[first : first + _RUNS_A_LOOK], asked)
        except ClusterError as error:
            for future in asked.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # whoever asked may be gone
        finally:
            for future in asked.values():
                future.cancel()

    async def _answer(self, runs: list[str], asked: dict[str, asyncio.Future[list[Object]]]) -> None:
        pods = await self._cluster.list_pods(self._namespace, f"{self._run_label} in ({','.join(runs)})")
        found: dict[str, list[Object]] = {run: [] for run in runs}
        for pod in pods:
            found.get(str((pod.get("metadata", {}).get("labels") or {}).get(self._run_label)), []).append(pod)
        for run in runs:
            if not asked[run].done():
                asked[run].set_result(found[run])


#: How many runs one request names: each takes some 50 characters of its address.
_RUNS_A_LOOK: Final = 50
