"""Know how the Jobs of a namespace are, with one watch for all of them.

The watch only makes news come soon. What counts is the list that begins each round: a change that no watch told of is
in the next one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable
from contextlib import aclosing
from typing import Final

from oxmq.kubernetes.cluster import Cluster, ClusterError, ClusterUnavailableError, Object
from oxmq.kubernetes.diagnosis.fields import text

_log = logging.getLogger("oxmq.kubernetes")

#: How long a watch goes on before everything is listed again, in seconds.
_ROUND: Final = 30.0
#: How long to wait after a failure, at first and at most, in seconds.
_FIRST_PAUSE, _LAST_PAUSE = 0.5, 10.0


class Followed:
    """Hold what is known of one Job: its latest state, and whether it is missing from the cluster.

    Once it was found, another Job of its name is none of its business.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.uid: str | None = None
        self.since_round = 0
        self.job: Object | None = None
        self.missing = False
        self._news = asyncio.Event()

    def tell(self, job: Object | None) -> None:
        """Note the Job's state; None for a Job that is gone."""
        self.missing = job is None
        self.job = self.job if job is None else job
        self._news.set()

    def means(self, job: Object) -> bool:
        """Tell whether that is this Job, as far as is known."""
        return self.uid is None or self.uid == text(job, "metadata", "uid")

    def knows(self, job: Object) -> bool:
        """Tell whether that state was the last to be told: followers need not look again at what they have seen."""
        version = text(job, "metadata", "resourceVersion")
        return not self.missing and version != "" and version == text(self.job, "metadata", "resourceVersion")

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
        followed.since_round, followed.uid = self._round, text(job, "metadata", "uid")
        if followed.job is None or not followed.means(followed.job):
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
            began = _now()
            try:
                await self._watch_once()
            except Exception as error:  # noqa: BLE001 - whatever it is: without a watch, no end of a pod is seen
                _log.warning("the Jobs of namespace %s are listed again: %r", self._namespace, error)
                await asyncio.sleep(self._pause_after(error, _now() - began))

    async def _watch_once(self) -> None:
        ends = _now() + self._round_seconds
        version = await self._list()
        while (left := ends - _now()) > 0:
            began = _now()
            version = await self._listen(version, left)
            if _now() - began < _FIRST_PAUSE:
                await asyncio.sleep(_FIRST_PAUSE)  # a server that ends streams at once is not asked all the time
        self._pause = _FIRST_PAUSE

    async def _list(self) -> str:
        """Take in the list of Jobs, and keep nothing of it but its version."""
        self._round += 1
        began = self._round
        listing = await self._cluster.list_jobs(self._namespace, self._selector)
        self._take_in(listing.items, began)
        return listing.resource_version

    async def _listen(self, version: str, seconds: float) -> str:
        stream = self._cluster.watch_jobs(self._namespace, self._selector, version, seconds)
        async with aclosing(stream) as changes:
            async for change in changes:
                version = change.resource_version or version
                self._tell(change.object, gone=change.kind == "DELETED")
        return version

    def _take_in(self, items: Iterable[Object], began: int) -> None:
        seen = {text(job, "metadata", "name"): job for job in items}
        for name, followed in list(self._followed.items()):
            job = seen.get(name)
            if job is not None and followed.means(job):
                if not followed.knows(job):
                    followed.tell(job)
            elif followed.uid is not None and followed.since_round < began:
                followed.tell(None)  # it was found before the list was asked for

    def _tell(self, job: Object, *, gone: bool) -> None:
        followed = self._followed.get(text(job, "metadata", "name"))
        # Before it was found, what is gone may have been another one of its name; the next list will tell.
        if followed is not None and followed.means(job) and not (gone and followed.uid is None):
            followed.tell(None if gone else job)

    def _pause_after(self, error: Exception, lasted: float) -> float:
        if lasted >= _LAST_PAUSE:
            self._pause = _FIRST_PAUSE
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
        """Give up what is under way; who waits for it gets a `ClusterError`."""
        for task in self._looks:
            task.cancel()
        await asyncio.gather(*self._looks, return_exceptions=True)
        _refuse(self._asked, _closed())

    async def _look(self) -> None:
        await asyncio.sleep(self._gather_seconds)
        asked, self._asked = self._asked, {}
        runs = list(asked)
        try:
            for first in range(0, len(runs), _RUNS_A_LOOK):
                await self._answer(runs[first : first + _RUNS_A_LOOK], asked)
        except ClusterError as error:
            self._refuse(asked, error)
        except Exception as error:  # noqa: BLE001 - who asked is not to be told that it was cancelled
            self._refuse(asked, ClusterUnavailableError(repr(error)))
        finally:
            # Not to be cancelled: who asked would take it for being cancelled itself, and stop its pod.
            _refuse(asked, _closed())

    def _refuse(self, asked: dict[str, asyncio.Future[list[Object]]], error: ClusterError) -> None:
        _log.warning("the pods of %d Jobs of namespace %s cannot be seen: %s", len(asked), self._namespace, error)
        _refuse(asked, error)

    async def _answer(self, runs: list[str], asked: dict[str, asyncio.Future[list[Object]]]) -> None:
        pods = await self._cluster.list_pods(self._namespace, f"{self._run_label} in ({','.join(runs)})")
        found: dict[str, list[Object]] = {run: [] for run in runs}
        for pod in pods:
            found.get(text(pod, "metadata", "labels", self._run_label), []).append(pod)
        for run in runs:
            if not asked[run].done():
                asked[run].set_result(found[run])


def _now() -> float:
    return asyncio.get_running_loop().time()


def _refuse(asked: dict[str, asyncio.Future[list[Object]]], error: ClusterError) -> None:
    for future in asked.values():
        if not future.done():
            future.set_exception(error)
            future.exception()  # whoever asked may be gone


def _closed() -> ClusterError:
    return ClusterUnavailableError("nobody looks at pods any more", reason="Closed")


#: How many runs one request names: each takes some 50 characters of its address.
_RUNS_A_LOOK: Final = 50
