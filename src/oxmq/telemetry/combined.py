"""Let several libraries follow the same jobs, such as OpenTelemetry and Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from oxmq.records import JobRecord
from oxmq.tracing import Addition, Attempt, Telemetry, Watched, WorkerTelemetry


class Combined:
    """Be all of these: given as `telemetry` to `Oxmq`, `Queue`, `Worker` and `FlowProducer`.

    Where jobs carry a context, it is that of the first which has one.
    """

    def __init__(self, *all_of: Telemetry) -> None:
        self._all = all_of

    def adding(self, queue: str, names: Sequence[str]) -> CombinedAddition:
        """Follow a call that adds jobs."""
        return CombinedAddition([each.adding(queue, names) for each in self._all])

    def adding_flow(self, nodes: Sequence[tuple[str, str]], children: Sequence[Sequence[int]]) -> CombinedAddition:
        """Follow a call that adds a flow."""
        return CombinedAddition([each.adding_flow(nodes, children) for each in self._all])

    def working(self, worker: Watched) -> CombinedWorker:
        """Follow a worker."""
        return CombinedWorker([each.working(worker) for each in self._all])

    def carrier(self) -> Mapping[str, str]:
        """Return the context of the first that has one."""
        nothing: Mapping[str, str] = {}
        return next((carrier for each in self._all if (carrier := each.carrier())), nothing)

    def resume(self, carrier: Mapping[str, str]) -> None:
        """Go on in a context that `carrier` gave."""
        for each in self._all:
            each.resume(carrier)


class CombinedAddition:
    """Follow one call that adds jobs."""

    def __init__(self, all_of: Sequence[Addition]) -> None:
        self._all = all_of

    def metadata(self, index: int) -> str:
        """Return what that job is to carry, for the first that has something to carry."""
        return next((metadata for each in self._all if (metadata := each.metadata(index))), "")

    def added(self, job_ids: Sequence[str]) -> None:
        """Note that the jobs are in Redis."""
        for each in self._all:
            each.added(job_ids)

    def failed(self, error: BaseException) -> None:
        """Note that the call failed."""
        for each in self._all:
            each.failed(error)


class CombinedWorker:
    """Follow one worker."""

    def __init__(self, all_of: Sequence[WorkerTelemetry]) -> None:
        self._all = all_of

    def start(self) -> None:
        """Begin to look at the worker."""
        for each in self._all:
            each.start()

    async def stop(self) -> None:
        """Look no more."""
        await asyncio.gather(*(each.stop() for each in self._all))

    def started(self, record: JobRecord) -> CombinedAttempt:
        """Follow a run from now on."""
        return CombinedAttempt([each.started(record) for each in self._all])

    def stalled(self, job_ids: Sequence[str]) -> None:
        """Note that jobs were found without a worker."""
        for each in self._all:
            each.stalled(job_ids)


class CombinedAttempt:
    """Follow one run of a job."""

    __slots__ = ("_all",)

    def __init__(self, all_of: Sequence[Attempt]) -> None:
        self._all = all_of

    def raised(self, error: BaseException) -> None:
        """Note what the handler raised."""
        for each in self._all:
            each.raised(error)

    def lock_lost(self) -> None:
        """Note that the job is no longer this worker's."""
        for each in self._all:
            each.lock_lost()

    def ended(self, kind: str, stopped: str) -> str:
        """Note that the handler has ended; return what the first has for the job to carry on."""
        return next((text for text in [each.ended(kind, stopped) for each in self._all] if text), "")

    def accepted(self, kind: str, seconds: float) -> None:
        """Note that Redis has recorded the outcome."""
        for each in self._all:
            each.accepted(kind, seconds)

    def refused(self, error: Exception) -> None:
        """Note that Redis has refused the outcome."""
        for each in self._all:
            each.refused(error)
