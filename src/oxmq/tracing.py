"""Say what a tracing library must offer to follow jobs from where they are added to where they end.

Nothing below `oxmq.telemetry` knows such a library. What is not traced costs one comparison with None.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, cast

from msgspec import Struct

from oxmq.records import JobRecord

OTEL_VARIABLE: Final = "OXMQ_OTEL"
"""The environment variable that asks for OpenTelemetry where the code says nothing."""


class Addition(Protocol):
    """Follow one call that adds jobs, from before it is sent to its end."""

    def metadata(self, index: int) -> str:
        """Return what that job is to carry as `tm`: the text of a JSON object; empty for nothing."""
        ...

    def added(self, job_ids: Sequence[str]) -> None:
        """Note that the jobs are in Redis."""
        ...

    def failed(self, error: BaseException) -> None:
        """Note that the call failed."""
        ...


class Attempt(Protocol):
    """Follow one run of a job."""

    def raised(self, error: BaseException) -> None:
        """Note what the handler raised."""
        ...

    def lock_lost(self) -> None:
        """Note that the job is no longer this worker's."""
        ...

    def ended(self, kind: str, stopped: str) -> str:
        """Note that the handler has ended, and return what the job is to carry as the hash field `tm`; or nothing.

        Args:
            kind: the kind of the outcome: see `Outcome`.
            stopped: why the handler was stopped; empty when it was not.
        """
        ...

    def accepted(self, kind: str, seconds: float) -> None:
        """Note that Redis has recorded the outcome of a run that took so long."""
        ...

    def refused(self, error: Exception) -> None:
        """Note that Redis has refused the outcome."""
        ...


class WorkerFigures(Struct, frozen=True):
    """Hold a worker's figures of one moment.

    Attributes:
        running: how many jobs are running.
        slots: how many jobs may run at once.
        loop_lag: how late the event loop last came to a timer, in seconds.
        healthy: whether it made progress when that was last looked at.
    """

    running: int
    slots: int
    loop_lag: float
    healthy: bool = True


class QueueFigures(Struct, frozen=True):
    """Hold a queue's figures of one moment.

    Attributes:
        counts: how many jobs are in each state.
        latency: for how many seconds the job has waited that has been ready longest; 0 when none is ready.
    """

    counts: Mapping[str, int]
    latency: float


class Watched(Struct, frozen=True):
    """Hold a worker as far as its telemetry sees it.

    Attributes:
        queue: the queue's name.
        worker: the worker's name.
        look: gives the worker's figures, from any thread.
        look_at_queue: reads the queue's figures.
    """

    queue: str
    worker: str
    look: Callable[[], WorkerFigures]
    look_at_queue: Callable[[], Awaitable[QueueFigures]]


class WorkerTelemetry(Protocol):
    """Follow one worker of one queue. It is called on the worker's event loop."""

    def start(self) -> None:
        """Begin to look at the worker and its queue from time to time."""
        ...

    async def stop(self) -> None:
        """Look no more."""
        ...

    def started(self, record: JobRecord) -> Attempt:
        """Follow a run from now on. It is called in the task that runs the handler, whose context it may change."""
        ...

    def stalled(self, job_ids: Sequence[str]) -> None:
        """Note that jobs were found without a worker."""
        ...


class Telemetry(Protocol):
    """Be a tracing library: see `oxmq.telemetry.OpenTelemetry`."""

    def adding(self, queue: str, names: Sequence[str]) -> Addition:
        """Follow a call that adds jobs of these names to a queue."""
        ...

    def adding_flow(self, nodes: Sequence[tuple[str, str]], children: Sequence[Sequence[int]]) -> Addition:
        """Follow a call that adds a flow.

        Args:
            nodes: queue and name of each job, parents before their children.
            children: for each job, where its children are among the nodes.
        """
        ...

    def working(self, worker: Watched) -> WorkerTelemetry:
        """Follow a worker."""
        ...

    def carrier(self) -> Mapping[str, str]:
        """Return the context of this task or thread as text, for another process."""
        ...

    def resume(self, carrier: Mapping[str, str]) -> None:
        """Go on in the context that another process gave; the one that there was is forgotten."""
        ...


def wanted_telemetry() -> Telemetry | None:
    """Return the telemetry that ``$OXMQ_OTEL`` asks for; None where it does not.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    if os.environ.get(OTEL_VARIABLE, "").lower() in ("", "0", "false", "no", "off"):
        return None
    # By its name, for it stands above; where it is not wanted, nothing of it is imported.
    return cast("Telemetry", importlib.import_module("oxmq.telemetry.setup").start())
